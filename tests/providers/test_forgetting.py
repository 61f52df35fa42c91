"""What is deleted or erased here is deleted at the vendor too, where its API has a call for that."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from attached import fetched
from published import document, problems_of_answer

from platemark.core.attempt import Attempt
from platemark.core.generation import Generation
from platemark.core.ports import Forgetful
from platemark.flows.keeping import erase, forget
from platemark.flows.keeping.delete import delete
from platemark.flows.record import generation_record
from platemark.providers.fal import Fal
from platemark.providers.hosted import Hosted, open_hosted
from platemark.providers.http import Call, Keys, Reply, open_transport
from platemark.providers.remote import Remote
from platemark.simulate.contract import KEY, FastClock
from platemark.simulate.fal import FakeFal
from platemark.simulate.server import serve
from workbench import Bench, open_bench

pytestmark = pytest.mark.anyio
GONE, STAYS = "attempt.forgotten", "attempt.not_forgotten"


@asynccontextmanager
async def bench_with_fal(data: Path) -> AsyncGenerator[tuple[Bench, FakeFal, Generation]]:
    """A picture of the vendor's has just been made."""
    async with (
        open_bench(data) as bench,
        serve(fake := FakeFal(polls=0)) as url,
        open_transport("fal", url) as transport,
    ):
        remote = Remote(Fal(platform_url=""), transport, Keys((KEY,)), FastClock(), fetched)
        bench.change(providers={**bench.platform.providers, "fal": remote})
        made = await bench.make(model="fal/fast-sdxl", width=512, height=512)
        assert (made.status, len(fake.jobs), len(fake.results.files)) == ("succeeded", 1, 1)
        yield bench, fake, made


async def attempt_of(bench: Bench, generation: Generation) -> Attempt:
    (attempt,) = await bench.attempts(generation)
    return attempt


async def test_a_deleted_image_goes_at_the_vendor_too(tmp_path: Path) -> None:
    async with bench_with_fal(tmp_path) as (bench, fake, made):
        (image,) = await bench.images(made)
        await delete(bench.platform, bench.caller, image.id)
        assert await forget.finish(bench.platform) == 1
        assert (fake.jobs, fake.results.files) == ({}, {})
        attempt = await attempt_of(bench, made)
        assert attempt.forgotten_at is not None
        record = await generation_record(bench.platform, bench.caller, made.id)
        assert (record.attempts[0].forgotten_at, record.chain.verified) == (attempt.forgotten_at, True)
        assert (await bench.events(made)).count(GONE) == 1
        assert await forget.finish(bench.platform) == 0


async def test_erased_words_go_at_the_vendor_too(tmp_path: Path) -> None:
    async with bench_with_fal(tmp_path) as (bench, fake, made):
        await erase.erase_text(bench.platform, bench.caller, made.id)
        await forget.finish(bench.platform)
        assert fake.jobs == {}
        (image,) = await bench.images(made)
        assert image.deleted_at is None


async def test_a_key_without_the_right_is_told_and_still_makes_pictures(tmp_path: Path) -> None:
    async with bench_with_fal(tmp_path) as (bench, fake, made):
        (image,) = await bench.images(made)
        fake.board.next("auth", method="DELETE")
        await delete(bench.platform, bench.caller, image.id)
        await forget.finish(bench.platform)
        assert len(fake.jobs) == 1
        assert (await bench.events(made)).count(STAYS) == 1
        assert (await attempt_of(bench, made)).forget_at is None
        assert (await bench.make(model="fal/fast-sdxl", width=512, height=512)).status == "succeeded"


async def test_a_vendor_that_is_down_is_asked_again_but_not_for_ever(tmp_path: Path) -> None:
    async with bench_with_fal(tmp_path) as (bench, fake, made):
        (image,) = await bench.images(made)
        await delete(bench.platform, bench.caller, image.id)
        async with serve(FakeFal()) as gone:
            pass
        async with open_transport("fal", gone) as nowhere:
            known = bench.platform.providers["fal"]
            bench.change(providers={"fal": Remote(Fal(platform_url=""), nowhere, Keys((KEY,)), FastClock(), fetched)})
            assert await forget.finish(bench.platform) == 1
            assert await forget.finish(bench.platform) == 0
        bench.change(providers={"fal": known})
        bench.clock.pass_(timedelta(hours=1))
        assert await forget.finish(bench.platform) == 1
        assert fake.jobs == {}
        assert (await bench.events(made)).count(GONE) == 1


async def test_what_the_vendor_could_not_delete_is_asked_for_until_the_time_is_over(tmp_path: Path) -> None:
    class Down:
        forgets = True

        async def forget(self, ticket: str) -> bool | None:
            assert ticket
            return None

    async with bench_with_fal(tmp_path) as (bench, _, made):
        (image,) = await bench.images(made)
        await delete(bench.platform, bench.caller, image.id)
        down = Down()
        assert isinstance(down, Forgetful)
        bench.change(providers={"fal": down})
        for _ in range(2):
            await forget.finish(bench.platform)
            assert STAYS not in await bench.events(made)
            bench.clock.pass_(timedelta(days=2))
        await forget.finish(bench.platform)
        assert (await bench.events(made)).count(STAYS) == 1
        assert (await attempt_of(bench, made)).forget_at is None


@pytest.mark.parametrize(
    ("status", "body", "meant"),
    [
        (200, b'{"cdn_delete_results": []}', True),
        (200, b'{"cdn_delete_results": [{"link": "u", "exception": "busy"}]}', None),
        (404, b"{}", True),
        (400, b"{}", False),
        (429, b"{}", None),
        (503, b"", None),
    ],
)
async def test_what_an_answer_means(status: int, body: bytes, meant: bool | None) -> None:
    class Answering:
        async def send(self, call: Call) -> Reply:
            assert (call.method, call.path) == ("DELETE", "https://api.fal.ai/v1/models/requests/r1/payloads")
            return Reply(status, {}, body)

    remote = Remote(Fal(), Answering(), Keys((KEY,)), FastClock(), fetched)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    assert await remote.forget('{"id": "r1"}') is meant


async def test_an_address_of_ones_own_serves_both_and_the_vendors_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)
    for base_url, address in ((None, "https://api.fal.ai"), ("http://127.0.0.1:9", "http://127.0.0.1:9")):
        hosted = Hosted(keys=("env:SOME_KEY",), base_url=base_url)
        async with open_hosted("fal", hosted, clock=FastClock(), fetch=fetched) as remote:
            assert remote.forgets
            assert remote.platform is not None
            assert remote.platform.base_url == address
    async with open_hosted("stability", Hosted(), clock=FastClock(), fetch=fetched) as other:
        assert not other.forgets


async def test_the_fake_answers_as_the_vendor_publishes(tmp_path: Path) -> None:
    spec = document("fal-platform.json")
    async with bench_with_fal(tmp_path) as (bench, fake, _), serve(fake) as url, open_transport("fal", url) as wire:
        (job,) = fake.jobs
        path = f"/models/requests/{job}/payloads"
        for key, status in (("other", 401), (KEY, 200), (KEY, 404)):
            reply = await wire.send(Fal().authorise(Call("DELETE", f"/v1{path}"), key))
            assert reply.status == status
            assert list(problems_of_answer(spec, "DELETE", path, status, reply.json)) == []
        assert bench.platform.providers["fal"]
