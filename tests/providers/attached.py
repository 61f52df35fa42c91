"""An adapter by itself and attached to a fake, for the tests of one vendor: its table, what was sent, what came."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx2
import pytest
from published import problems, problems_of_answer

from platemark.core.errors import FetchRefused, Unsupported
from platemark.core.model import Operation
from platemark.core.ports import Fetch
from platemark.core.updates import Order, Update
from platemark.net.fetch import fetch
from platemark.providers.catalogue import Declared
from platemark.providers.http import Keys, Reply, open_transport
from platemark.providers.outcomes import Outcome, Row, Verdict, classify
from platemark.providers.remote import Remote
from platemark.providers.vendor import Vendor
from platemark.simulate.board import Seen
from platemark.simulate.contract import KEY, FastClock, ask, order_for
from platemark.simulate.server import Fake, serve

F = TypeVar("F", bound=Fake)
MOST_BYTES = 8 * 1024 * 1024
NOW = datetime(2026, 1, 2, tzinfo=UTC)
NO_HEADERS: Mapping[str, str] = {}


def reply_of(status: int, body: Any, headers: Mapping[str, str] = NO_HEADERS) -> Reply:
    """An answer with these bytes or this text, or with anything else as JSON."""
    text = body if isinstance(body, bytes | str) else json.dumps(body)
    return Reply(status, headers, text.encode() if isinstance(text, str) else text)


def verdict_of(table: Sequence[Row], status: int, body: Any, headers: Mapping[str, str] = NO_HEADERS) -> Verdict:
    """What a table says of such an answer."""
    return classify(reply_of(status, body, headers), table, NOW)


def check_row(
    table: Sequence[Row], row: Row, status: int, body: Any, outcome: Outcome, headers: Mapping[str, str] = NO_HEADERS
) -> None:
    """This row is the first that fits such an answer, and gives it this outcome."""
    assert next(each for each in table if each.fits(reply_of(status, body, headers))) is row
    assert verdict_of(table, status, body, headers).outcome == outcome


def order_of(
    models: Mapping[str, Declared],
    model: str,
    operation: Operation = "text_to_image",
    *,
    n: int = 1,
    control: str | None = None,
    **parameters: Any,
) -> Order:
    """An order for one of the models, of its default size, with these parameters in place of the usual ones."""
    made = order_for(models[model].as_model(), operation, n=n, control=control)
    return replace(made, parameters=made.parameters.model_copy(update=parameters))


def operations_of(models: Mapping[str, Declared]) -> list[tuple[str, str]]:
    """Each model with each of its operations."""
    return [(name, operation) for name in models for operation in sorted(models[name].capabilities.operations)]


def unsupported(vendor: Vendor, order: Order) -> list[str]:
    """The pointers to what the vendor cannot honour, which is said before anything could be sent."""
    provider = Remote(vendor, None, Keys(), FastClock(), None)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    with pytest.raises(Unsupported) as error:
        provider.estimate(order)
    return [each.pointer for each in error.value.errors]


async def fetched(url: str) -> bytes:
    """Results of fakes, which lie on this machine."""
    return (await fetch(url, allowed_hosts=("127.0.0.1",), max_bytes=MOST_BYTES, seconds=10)).data


async def never(url: str) -> bytes:
    """In place of `fetched` where nothing may be fetched."""
    raise FetchRefused(url)


@asynccontextmanager
async def attached(
    vendor: Vendor, fake: F, *, keys: tuple[str, ...] = (KEY,), fetch: Fetch = fetched
) -> AsyncGenerator[tuple[Remote, F]]:
    """The vendor's provider and the fake that it speaks to."""
    async with serve(fake) as url, open_transport(vendor.name, url) as transport:
        yield Remote(vendor, transport, Keys(keys), FastClock(), fetch), fake


async def disagreements(vendor: Vendor, fake: Fake, order: Order, spec: dict[str, Any]) -> list[str]:
    """What a published document would refuse in the requests of an order that goes well, and in their answers."""
    answers = list[httpx2.Response]()

    async def note(response: httpx2.Response) -> None:
        await response.aread()
        answers.append(response)

    async with attached(vendor, fake) as (provider, _):
        provider.transport.client.event_hooks = {"response": [note]}
        _, error = await ask(provider, order)
    assert error is None, error.errors
    found = [problem for seen in fake.board.seen for problem in problems(spec, seen)]
    for each in answers:
        path = each.request.url.path
        found += problems_of_answer(spec, each.request.method, path, each.status_code, each.json())
    return found


async def drawn(
    vendor: Vendor, fake: Fake, order: Order, *, keys: tuple[str, ...] = (KEY,), fetch: Fetch = fetched
) -> tuple[list[Seen], list[Update]]:
    """What the fake saw of an order that goes well, and what came of it."""
    async with attached(vendor, fake, keys=keys, fetch=fetch) as (provider, _):
        updates, error = await ask(provider, order)
    assert error is None, (error, error.errors)
    return list(fake.board.seen), updates
