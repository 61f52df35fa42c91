"""The frame by an invented vendor that has everything: tickets, URLs, prices in answers, blank pictures, cancelling."""

import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
import pytest
from attached import never
from PIL import Image

from pictures import encoded
from platemark.core.errors import BlockedByProvider, FetchRefused, Misconfigured, OutcomeUnknown, ProviderUnavailable
from platemark.core.model import Capabilities
from platemark.core.money import Cost
from platemark.core.updates import Accepted, Answered, Charged, Order, Picture
from platemark.providers.catalogue import Declared, Rate
from platemark.providers.hosted import Hosted, open_hosted
from platemark.providers.http import Call, Deadlines, Keys, Reply, Transport
from platemark.providers.outcomes import Row
from platemark.providers.remote import Remote
from platemark.providers.vendor import Asked, Found, Reading
from platemark.simulate.contract import FastClock, ask, order_for
from platemark.simulate.pictures import striped

pytestmark = pytest.mark.anyio
PNG = striped(64, 64, "x")
RATE = Rate(10, 1.0)
BLACK = encoded(Image.new("RGB", (64, 64)))
CAN = Capabilities(
    operations=frozenset({"text_to_image"}), min_size=8, max_size=64, default_width=64, default_height=64
)
MODEL = Declared("acme/one", "/one", CAN, blank_means_blocked=True, poll_seconds=1.0, max_wait_seconds=20.0)
Answer = Callable[[httpx2.Request], httpx2.Response]


@dataclass(frozen=True)
class Acme:
    """Tickets for each picture; results by URL; the price in the answer."""

    name: str = "acme"
    models: Mapping[str, Declared] = field(default_factory=lambda: {MODEL.model: MODEL})
    table: Sequence[Row] = (
        Row("output_blocked", (200,), body={"status": "moderated"}),
        Row("unusable", (200,), body={"status": "failed"}),
    )
    rate: Rate = RATE
    request_id_headers: Sequence[str] = ("x-id",)
    free_repeat: bool = False
    replays_keys: bool = False
    needs_key: bool = True

    def authorise(self, call: Call, key: str) -> Call:
        return replace(call, headers={**call.headers, "authorization": key})

    def ask(self, order: Order, model: Declared) -> Sequence[Asked]:
        return [
            Asked(Call("POST", model.route, json={"seed": seed}), (index,), (seed,))
            for index, seed in enumerate(order.seeds)
        ]

    def read(self, reply: Reply, model: Declared) -> Reading:
        body = reply.json
        if body["status"] == "done":
            return Reading(follow=Call("GET", f"/result/{body['id']}", repeatable=True))
        found = tuple(Found(url=url) for url in body.get("urls", ()))
        cost = Cost(status="settled", micro_usd=body["price"], basis="it says so") if "price" in body else None
        return Reading(found, ticket=body.get("id"), pending=body["status"] == "working", cost=cost)

    def poll(self, ticket: str, model: Declared) -> Call:
        return Call("GET", f"/state/{ticket}", repeatable=True)

    def cancel(self, ticket: str, model: Declared) -> Call | None:
        return Call("DELETE", f"/state/{ticket}")


@dataclass
class Server:
    """Answers by path; the last of a list stays. Counts what comes."""

    answers: dict[str, list[Any]]
    seen: list[str] = field(default_factory=list[str])

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.seen.append(f"{request.method} {request.url.path}")
        if request.method == "POST":
            seed = json.loads(request.content)["seed"]
            return httpx2.Response(201, json={"status": "working", "id": f"t{seed}"}, headers={"x-id": f"r{seed}"})
        answers = self.answers[request.url.path.split("/")[1]]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, int):
            return httpx2.Response(answer)
        return httpx2.Response(200, json={"id": request.url.path.rsplit("/", 1)[1], **answer})


@asynccontextmanager
async def acme(
    server: Server, pictures: Mapping[str, bytes] | None = None, vendor: Acme | None = None
) -> AsyncGenerator[Remote]:
    async def fetch(url: str) -> bytes:
        if pictures is None or url not in pictures:
            raise FetchRefused("the host answered with status 403")
        return pictures[url]

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(server)) as client:
        transport = Transport("acme", "https://acme.example", client)
        yield Remote(vendor or Acme(), transport, Keys(("k",)), FastClock(), fetch)


ORDER = order_for(MODEL.as_model(), "text_to_image", n=2)
RESULT = {"status": "ready", "urls": ["https://cdn/a"], "price": 1500}


async def test_tickets_of_all_pictures_are_one_and_resume_together() -> None:
    server = Server({"state": [{"status": "working"}, 503, {"status": "done"}], "result": [RESULT]})
    async with acme(server, {"https://cdn/a": PNG}) as provider:
        updates, error = await ask(provider, ORDER)
        assert error is None
        (ticket,) = (each.ticket for each in updates if isinstance(each, Accepted))
        assert json.loads(ticket) == ["t1234", "t1235"]
        again, error = await ask(provider, ORDER, ticket=ticket)
    for found in (updates, again):
        assert sorted(each.index for each in found if isinstance(each, Picture)) == [0, 1]
        assert [each.cost.micro_usd for each in found if isinstance(each, Charged)] == [3000]
        assert [each.cost.status for each in found if isinstance(each, Charged)] == ["settled"]
    assert sum(each.startswith("POST") for each in server.seen) == 2


async def test_a_result_that_cannot_be_fetched_is_unusable_and_its_cost_not_known_to_be_zero() -> None:
    server = Server({"state": [{"status": "done"}], "result": [{"status": "ready", "urls": ["https://cdn/a"]}]})
    async with acme(server) as provider:
        updates, error = await ask(provider, ORDER)
    assert error is not None
    assert "cannot be fetched" in error.detail
    assert [each.cost.status for each in updates if isinstance(each, Charged)] == ["unknown"]


async def test_a_black_picture_is_a_refusal_where_the_vendor_refuses_so() -> None:
    server = Server({"state": [{"status": "done"}], "result": [RESULT]})
    async with acme(server, {"https://cdn/a": BLACK}) as provider:
        _, error = await ask(provider, ORDER)
    assert isinstance(error, BlockedByProvider)


async def test_a_refusal_that_shows_when_it_is_asked_for() -> None:
    async with acme(Server({"state": [{"status": "moderated"}]})) as provider:
        updates, error = await ask(provider, ORDER)
    assert isinstance(error, BlockedByProvider)
    assert [each.response["outcome"] for each in updates if isinstance(each, Answered)] == ["output_blocked"]


@pytest.mark.parametrize(("vendor", "kind"), [(Acme(), OutcomeUnknown), (Acme(replays_keys=True), ProviderUnavailable)])
async def test_polls_that_never_succeed_end(vendor: Acme, kind: type[Exception]) -> None:
    server = Server({"state": [503]})
    async with acme(server, vendor=vendor) as provider:
        _, error = await ask(provider, ORDER)
    assert type(error) is kind
    assert len(server.seen) < 20


async def test_cancelling_reaches_the_vendor_for_each_ticket() -> None:
    server = Server({"state": [{"status": "canceled"}]})
    async with acme(server) as provider:
        assert await provider.cancel("acme/one", '["a", null, "b"]')
        assert await provider.cancel("acme/one", "c")
    assert server.seen == ["DELETE /state/a", "DELETE /state/b", "DELETE /state/c"]


async def test_a_configured_provider_reads_its_keys_by_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_KEY", "sk-1")
    hosted = Hosted(keys=("env:ACME_KEY",), on_unknown="retry", deadlines=Deadlines(total=5))

    async with open_hosted("stability", hosted, clock=FastClock(), fetch=never) as provider:
        await provider.check()
        assert provider.keys.in_turn() == ("sk-1",)
        assert (provider.free_repeat, provider.repeats_unknown) == (False, True)
        assert "sk-1" not in repr(provider)


async def test_an_unknown_provider_and_a_missing_key_are_told() -> None:
    for name, hosted in (("nobody", Hosted()), ("stability", Hosted(keys=("env:NOT_THERE",)))):
        with pytest.raises(Misconfigured):
            async with open_hosted(name, hosted, clock=FastClock(), fetch=never):
                pass
