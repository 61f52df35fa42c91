"""Every hosted adapter against its fake: what it declares, and everything that can go wrong. One line an adapter."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from platemark.core.errors import BlockedByProvider
from platemark.net.fetch import fetch
from platemark.providers.http import Deadlines, Keys, open_transport
from platemark.providers.remote import Remote
from platemark.providers.stability import Stability
from platemark.providers.vendor import Vendor
from platemark.simulate.contract import ALL, CHECKS, KEY, Case, FastClock, Open, Subject, cases, survives
from platemark.simulate.server import Fake, serve
from platemark.simulate.stability import FakeStability

pytestmark = pytest.mark.anyio
MOST_BYTES = 8 * 1024 * 1024


async def fetched(url: str) -> bytes:
    return (await fetch(url, allowed_hosts=("127.0.0.1",), max_bytes=MOST_BYTES, seconds=10)).data


def opening(vendor: Vendor, fake: Callable[[], Fake]) -> Open:
    @asynccontextmanager
    async def opened(deadlines: Deadlines) -> AsyncGenerator[tuple[Remote, Fake]]:
        server = fake()
        async with (
            serve(server) as url,
            open_transport(vendor.name, url, deadlines=deadlines, max_bytes=MOST_BYTES) as transport,
        ):
            yield Remote(vendor, transport, Keys((KEY,)), FastClock(), fetched), server

    return opened


def case(trouble: str, **changes: object) -> Case:
    return replace(next(each for each in ALL if each.trouble == trouble), **changes)


SUBJECTS = (
    Subject(
        "stability",
        opening(Stability(), FakeStability),
        FakeStability().troubles,
        "stability/sd3.5-large",
        later=("stability/upscale-creative", "upscale"),
        controls={"stability/control": "structure"},
        expects={
            # Their limit without a word about when stands in their documents: 60 s.
            "rate_limited": case("rate_limited", retry_after=60.0),
            "failed_later": case("failed_later", outcome="prompt_blocked", error=BlockedByProvider),
        },
    ),
)
TROUBLES = [pytest.param(each, one, id=f"{each.name}-{one.trouble}") for each in SUBJECTS for one in cases(each)]


@pytest.mark.parametrize(("subject", "trouble"), TROUBLES)
async def test_it_survives(subject: Subject, trouble: Case) -> None:
    await survives(subject, trouble)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
async def test_it_keeps_the_contract(subject: Subject, check: Callable[[Subject], Awaitable[None]]) -> None:
    await check(subject)


def test_every_trouble_of_a_fake_has_a_case() -> None:
    known = {each.trouble for each in ALL}
    assert {subject.name: subject.troubles - known for subject in SUBJECTS if subject.troubles - known} == {}
