"""An adapter attached to a fake, for the tests of one vendor: what was sent, and what came."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx2
from published import problems, problems_of_answer

from platemark.core.updates import Order, Update
from platemark.net.fetch import fetch
from platemark.providers.http import Keys, open_transport
from platemark.providers.remote import Remote
from platemark.providers.vendor import Vendor
from platemark.simulate.board import Seen
from platemark.simulate.contract import KEY, FastClock, ask
from platemark.simulate.server import Fake, serve

F = TypeVar("F", bound=Fake)
MOST_BYTES = 8 * 1024 * 1024


async def fetched(url: str) -> bytes:
    """Results of fakes, which lie on this machine."""
    return (await fetch(url, allowed_hosts=("127.0.0.1",), max_bytes=MOST_BYTES, seconds=10)).data


@asynccontextmanager
async def attached(vendor: Vendor, fake: F, *, keys: tuple[str, ...] = (KEY,)) -> AsyncGenerator[tuple[Remote, F]]:
    """The vendor's provider and the fake that it speaks to."""
    async with serve(fake) as url, open_transport(vendor.name, url) as transport:
        yield Remote(vendor, transport, Keys(keys), FastClock(), fetched), fake


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


async def drawn(vendor: Vendor, fake: Fake, order: Order) -> tuple[list[Seen], list[Update]]:
    """What the fake saw of an order that goes well, and what came of it."""
    async with attached(vendor, fake) as (provider, _):
        updates, error = await ask(provider, order)
    assert error is None, error.errors
    return list(fake.board.seen), updates
