"""Attempts at providers that cost money: asked again by ticket, never bought twice, cancelled where they run."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import anyio
import pytest

from platemark.core.errors import OutcomeUnknown, ProviderRateLimited
from platemark.core.money import Cost
from platemark.core.updates import Order
from platemark.flows.cancel import cancel
from platemark.flows.generate import call
from platemark.flows.retry import retry
from platemark.simulate.scripted import Scripted
from waiting import until
from workbench import open_bench

pytestmark = pytest.mark.anyio


async def test_what_was_given_up_as_unknown_is_asked_after_by_its_ticket(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        provider = Scripted(tickets=True, free_repeat=False, steps=1, step_seconds=30.0)
        bench.change(providers={"scripted": provider})
        unhurried = bench.platform.limits
        bench.change(limits=replace(unhurried, attempt_timeout=timedelta(milliseconds=500)))
        failed = await bench.make()
        assert failed.error is not None
        assert (failed.status, failed.error["code"], failed.needs_attention) == ("failed", "outcome_unknown", True)
        provider.step_seconds = 0.0
        bench.change(limits=unhurried)
        again = await retry(bench.platform, bench.caller, failed.id)
        done = await bench.run(again)
        attempts = await bench.attempts(done)
    assert (done.status, [attempt.state for attempt in attempts]) == ("succeeded", ["succeeded"])
    assert (provider.calls.total(), provider.resumed.total()) == (1, 1)


async def test_waiting_for_a_limit_is_no_interruption(tmp_path: Path) -> None:
    def limited(number: int, order: Order) -> None:
        if number <= 5:
            raise ProviderRateLimited("later", retry_after=1.0)

    async with open_bench(tmp_path) as bench:
        bench.change(providers={"scripted": Scripted(limited, free_repeat=False)})
        bench.change(limits=replace(bench.platform.limits, max_interruptions=2))
        generation = await bench.ask()
        for _ in range(6):
            generation = await bench.run(generation)
    assert (generation.status, generation.failures) == ("succeeded", 0)


async def test_an_estimate_is_not_called_a_bill(tmp_path: Path) -> None:
    cost = Cost(status="estimated", micro_usd=65_000, basis="price list")
    async with open_bench(tmp_path) as bench:
        bench.change(providers={"scripted": Scripted(cost=cost)})
        done = await bench.make()
    assert (done.cost_status, done.cost_micro_usd) == ("estimated", 65_000)


async def test_cancelling_reaches_the_provider(tmp_path: Path) -> None:
    async with open_bench(tmp_path) as bench:
        provider = Scripted(tickets=True, free_repeat=False, steps=1, step_seconds=60.0)
        bench.change(providers={"scripted": provider})
        generation = await bench.ask()
        async with anyio.create_task_group() as group:
            group.start_soon(call, bench.platform, generation.id)
            await until(partial(bench.ticketed, generation))
            await cancel(bench.platform, bench.caller, generation.id)
        ended = await bench.again(generation)
    assert ended.status == "canceled"
    assert len(provider.canceled) == 1


async def test_a_lost_call_is_made_again_where_it_may_be(tmp_path: Path) -> None:
    def lost(number: int, order: Order) -> None:
        raise OutcomeUnknown("no answer")

    async with open_bench(tmp_path) as bench:
        bench.change(providers={"scripted": Scripted(lost, free_repeat=False)})
        failed = await bench.make()
    assert (failed.status, failed.needs_attention) == ("failed", True)
