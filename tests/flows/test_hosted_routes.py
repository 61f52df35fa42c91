"""Routes that begin at a vendor: what its answers lead to, with its fake and the real adapter (promises P3, P4)."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from platemark.core.errors import FetchRefused
from platemark.core.generation import Generation
from platemark.providers.http import Keys, open_transport
from platemark.providers.remote import Remote
from platemark.providers.stability import Stability
from platemark.simulate.contract import KEY
from platemark.simulate.pictures import striped
from platemark.simulate.server import serve
from platemark.simulate.stability import FakeStability
from workbench import Bench, as_part, open_bench

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def open_route(data: Path, first: str) -> AsyncGenerator[tuple[Bench, FakeStability]]:
    """The name `final`: a model of the vendor, and the scripted one behind it."""

    async def never(url: str) -> bytes:
        raise FetchRefused(url)

    async with (
        open_bench(data) as bench,
        serve(fake := FakeStability()) as url,
        open_transport("stability", url) as transport,
    ):
        remote = Remote(Stability(), transport, Keys((KEY,)), bench.clock, never)
        bench.change(
            providers={"stability": remote, "scripted": bench.provider},
            aliases={"final": (first, "scripted/studio")},
        )
        yield bench, fake


async def make(bench: Bench, **fields: Any) -> Generation:
    generation = await bench.ask(model="final", **fields)
    for _ in range(4):
        if not generation.done:
            generation = await bench.run(generation)
    return generation


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        ("error_500", "provider_unavailable"),
        ("error_503", "provider_unavailable"),
        ("rate_limited_seconds", "provider_rate_limited"),
        ("not_found", "model_unavailable"),
        ("auth", "provider_auth_failed"),
        ("out_of_credit", "provider_out_of_credit"),
        ("wrong_type", "provider_error"),
    ],
)
async def test_what_the_vendor_cannot_do_now_another_does(tmp_path: Path, trouble: str, code: str) -> None:
    async with open_route(tmp_path, "stability/core") as (bench, fake):
        fake.board.next(trouble)
        done = await make(bench)
    assert (done.status, done.model) == ("succeeded", "scripted/studio")
    assert [(hop.state, hop.code) for hop in done.route] == [("left", code), ("chosen", None)]
    assert done.route[0].reason is not None
    assert KEY not in done.model_dump_json()
    assert (fake.board.submissions(), bench.provider.calls.total()) == (1, 1)


@pytest.mark.parametrize(
    ("trouble", "status", "code"),
    [
        ("prompt_blocked", "blocked", "blocked_by_provider"),
        ("output_blocked", "blocked", "blocked_by_provider"),
        ("bad_request", "failed", "provider_rejected"),
        ("truncated", "failed", "outcome_unknown"),
    ],
)
async def test_p4_what_the_vendor_refused_or_may_have_made_nobody_else_is_asked(
    tmp_path: Path, trouble: str, status: str, code: str
) -> None:
    async with open_route(tmp_path, "stability/core") as (bench, fake):
        fake.board.next(trouble)
        done = await make(bench)
    assert done.error is not None
    assert (done.status, done.error["code"], done.model) == (status, code, "stability/core")
    assert (fake.board.submissions(), bench.provider.calls.total()) == (1, 0)


async def test_p3_a_source_that_the_vendor_does_not_take_costs_nothing_there(tmp_path: Path) -> None:
    """Its limits for sources show only when it has one in hand."""
    source = striped(512, 48, "source")
    fields: dict[str, Any] = {"operation": "image_to_image", "width": 512, "height": 512, "strength": 0.5}
    async with open_route(tmp_path, "stability/sd3.5-large") as (bench, fake):
        done = await make(bench, image=as_part(source), files=[source], **fields)
        attempts = await bench.attempts(done)
    assert (done.status, done.model) == ("succeeded", "scripted/studio")
    assert [(hop.state, hop.code) for hop in done.route] == [("left", "unsupported_by_model"), ("chosen", None)]
    assert [(each.cost_status, each.cost_micro_usd) for each in attempts] == [("settled", 0), ("settled", 100)]
    assert (done.cost_micro_usd, fake.board.calls) == (100, [])
