"""A hosted provider on the main path: what is accepted, recorded and paid, with the vendor's fake behind it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from attached import never

from platemark.core.errors import Unsupported
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
async def bench_with_stability(data: Path) -> AsyncGenerator[tuple[Bench, FakeStability]]:
    async with (
        open_bench(data) as bench,
        serve(fake := FakeStability()) as url,
        open_transport("stability", url) as transport,
    ):
        remote = Remote(Stability(), transport, Keys((KEY,)), bench.clock, never)
        bench.change(providers={**bench.platform.providers, "stability": remote})
        yield bench, fake


def code(generation: Generation) -> str | None:
    return generation.error["code"] if generation.error else None


async def test_pictures_with_their_seeds_warnings_and_price(tmp_path: Path) -> None:
    async with bench_with_stability(tmp_path) as (bench, fake):
        done = await bench.make(model="stability/sd3.5-large", n=2, seed=7, width=1344, height=768)
        images = await bench.images(done)
        (attempt,) = await bench.attempts(done)
    assert (done.status, done.cost_micro_usd) == ("succeeded", 130_000)
    assert [(image.seed, image.width, image.height) for image in images] == [(7, 1344, 768), (8, 1344, 768)]
    assert fake.board.submissions() == 2
    assert attempt.response is not None
    assert [call["sent"]["aspect_ratio"] for call in attempt.response["calls"]] == ["16:9", "16:9"]
    assert KEY not in str(attempt)


async def test_what_the_vendor_cannot_do_is_refused_before_it_is_accepted(tmp_path: Path) -> None:
    async with bench_with_stability(tmp_path) as (bench, fake):
        with pytest.raises(Unsupported) as error:
            await bench.ask(model="stability/core", width=1600, height=512)
        with pytest.raises(Unsupported):
            await bench.ask(model="stability/core", steps=30)
    assert error.value.errors[0].pointer == "/width"
    assert fake.board.calls == []


async def test_a_refusal_ends_it_and_nothing_was_paid(tmp_path: Path) -> None:
    async with bench_with_stability(tmp_path) as (bench, fake):
        fake.board.next("prompt_blocked")
        done = await bench.make(model="stability/core")
        (attempt,) = await bench.attempts(done)
    assert (done.status, code(done)) == ("blocked", "blocked_by_provider")
    assert (attempt.state, attempt.cost_status, attempt.cost_micro_usd) == ("refused", "settled", 0)
    assert done.error is not None
    assert "content moderation" in done.error["errors"][0]["message"]


async def test_a_limit_is_waited_for_as_long_as_the_vendor_says(tmp_path: Path) -> None:
    async with bench_with_stability(tmp_path) as (bench, fake):
        fake.board.next("rate_limited")
        asked = await bench.ask(model="stability/core")
        before = bench.clock.now()
        waiting = await bench.run(asked)
        assert waiting.status == "queued"
        assert waiting.retry_at is not None
        assert waiting.retry_at - before >= timedelta(seconds=60)
        done = await bench.run(waiting)
    assert (done.status, done.failures, fake.board.submissions()) == ("succeeded", 0, 2)


async def test_a_call_without_an_answer_is_not_made_again(tmp_path: Path) -> None:
    async with bench_with_stability(tmp_path) as (bench, fake):
        fake.board.next("truncated")
        done = await bench.make(model="stability/core")
        (attempt,) = await bench.attempts(done)
    assert (done.status, code(done), done.needs_attention) == ("failed", "outcome_unknown", True)
    assert (attempt.state, attempt.cost_status, fake.board.submissions()) == ("unknown", "unknown", 1)


async def test_work_with_a_ticket_is_waited_for(tmp_path: Path) -> None:
    async with bench_with_stability(tmp_path) as (bench, fake):
        source = striped(128, 96, "source")
        fields = {"operation": "upscale", "image": as_part(source), "files": [source]}
        done = await bench.make(model="stability/upscale-creative", **fields)
        (attempt,) = await bench.attempts(done)
    assert (done.status, attempt.state, attempt.ticket) == ("succeeded", "succeeded", next(iter(fake.results)))
    assert fake.board.submissions() == 1
