"""Routes: models that can are asked in order; technical failures lead on, refusals never do (P2, P3, P4, P7)."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from platemark.core.errors import (
    BlockedByProvider,
    EngineCrashed,
    FieldError,
    GenerationCanceled,
    IdempotencyKeyReused,
    InvalidRequest,
    Misconfigured,
    ModelUnavailable,
    OutcomeUnknown,
    PlatemarkError,
    ProviderAuthFailed,
    ProviderError,
    ProviderOutOfCredit,
    ProviderRateLimited,
    ProviderRejected,
    ProviderTimedOut,
    ProviderUnavailable,
    StorageUnavailable,
    Unsupported,
)
from platemark.core.generation import Generation
from platemark.core.model import Model
from platemark.core.money import Cost
from platemark.core.ports import Query
from platemark.core.request import GenerationRequest
from platemark.core.updates import Order, Picture, Update
from platemark.flows import generate, look
from platemark.flows.accept import accept
from platemark.flows.cancel import cancel
from platemark.flows.present import generation_resource, model_resources
from platemark.flows.record import generation_record
from platemark.flows.retry import retry
from platemark.simulate.pictures import striped
from platemark.simulate.scripted import Scripted
from waiting import left_once
from workbench import Bench, as_part, open_bench

pytestmark = pytest.mark.anyio
DOWN = ProviderUnavailable("first cannot work at the moment.")
ROUTE = ("first/studio", "second/studio", "third/studio")


@dataclass
class Row:
    """A workbench with three providers behind the name `final`."""

    bench: Bench
    first: Scripted
    second: Scripted
    third: Scripted

    async def ask(self, **fields: Any) -> Generation:
        return await self.bench.ask(model="final", **fields)

    async def make(self, *, runs: int = 8, **fields: Any) -> Generation:
        """Asked, and run until it has ended."""
        generation = await self.ask(**fields)
        for _ in range(runs):
            if generation.done:
                break
            generation = await self.bench.run(generation)
        return generation

    @property
    def calls(self) -> tuple[int, int, int]:
        return (self.first.calls.total(), self.second.calls.total(), self.third.calls.total())


def failing(error: Exception, *, times: int = 100) -> Callable[[int, Order], None]:
    def fail(call: int, _order: Order) -> None:
        if call <= times:
            raise error

    return fail


@asynccontextmanager
async def open_row(data: Path, **settings: Any) -> AsyncGenerator[Row]:
    async with open_bench(data, **settings) as bench:
        made = [Scripted(name=name, free_repeat=False) for name in ("first", "second", "third")]
        aliases = {"default": ("first/plain",), "final": ROUTE, "single": ("second/plain",)}
        bench.change(providers={each.name: each for each in made}, aliases=aliases)
        yield Row(bench, *made)


@pytest.fixture
async def row(tmp_path: Path) -> AsyncGenerator[Row]:
    async with open_row(tmp_path / "data") as opened:
        yield opened


def states(generation: Generation) -> list[tuple[str, str | None]]:
    return [(hop.state, hop.code) for hop in generation.route]


async def test_the_first_that_can_is_what_runs(row: Row) -> None:
    done = await row.make()
    assert (done.status, done.model, done.requested_model) == ("succeeded", "first/studio", "final")
    assert states(done) == [("chosen", None), ("waiting", None), ("waiting", None)]
    assert row.calls == (1, 0, 0)
    assert [warning.code for warning in done.warnings] == ["model_alias"]


async def test_a_name_for_one_model_is_no_route(row: Row) -> None:
    done = await row.bench.make(model="single")
    assert (done.model, done.route) == ("second/plain", ())


async def test_p3_a_model_that_cannot_is_skipped_and_says_why(row: Row) -> None:
    row.bench.change(aliases={"final": ("first/plain", "gone/away", "second/studio")})
    asked = await row.ask(scheduler="euler")
    assert (asked.model, asked.parameters.scheduler, asked.dropped) == ("second/studio", "euler", ())
    assert states(asked) == [("skipped", "unsupported_by_model"), ("skipped", "unknown_model"), ("chosen", None)]
    reasons = [hop.reason or "" for hop in asked.route]
    assert "first/plain does not offer the scheduler 'euler'" in reasons[0]
    assert reasons[1] == "gone/away is not configured here."
    assert [warning.code for warning in asked.warnings] == ["model_alias", "model_skipped", "model_skipped"]


async def test_p3_where_no_model_of_a_route_can_each_says_why(row: Row) -> None:
    row.bench.change(aliases={"final": ("first/plain", "second/plain", "gone/away")})
    with pytest.raises(Unsupported, match="No model of final") as caught:
        await row.ask(scheduler="euler")
    said = [error.message for error in caught.value.errors]
    assert [message.split()[0] for message in said] == ["first/plain", "second/plain"]
    assert all("first/studio" in message for message in said), "the models that can are named"
    row.bench.change(aliases={"final": ("gone/away", "gone/too")})
    with pytest.raises(InvalidRequest, match="There is no model"):
        await row.ask()


async def test_p3_what_is_wrong_for_every_model_is_said_as_it_is(row: Row) -> None:
    with pytest.raises(InvalidRequest, match="needs more: /image") as caught:
        await row.ask(operation="upscale")
    assert not isinstance(caught.value, Unsupported)


async def test_p3_what_one_model_drops_the_next_still_gets(row: Row) -> None:
    row.bench.change(aliases={"final": ("first/plain", "second/studio")})
    row.first.script = failing(DOWN)
    guide = striped(64, 64, "guide")
    control = {"type": "canny", "image": as_part(guide)}
    seen: list[Order] = []
    row.second.script = lambda _call, order: seen.append(order)
    asked = await row.ask(controls=(control,), scheduler="euler", on_unsupported="drop", files=[guide])
    assert set(asked.dropped) == {"controls", "scheduler"}
    (used,) = asked.inputs
    moved = await row.bench.run(asked)
    assert (moved.model, moved.dropped, moved.parameters.scheduler) == ("second/studio", (), "euler")
    assert {warning.code for warning in moved.warnings} == {"model_alias", "model_left"}
    assert (await row.bench.run(moved)).status == "succeeded"
    assert [len(order.guides) for order in seen] == [1]
    assert [image.parents for image in await row.bench.images(moved)] == [(used.image,)]


async def test_p3_a_source_that_was_dropped_is_no_parent(row: Row) -> None:
    row.bench.change(aliases={"final": ("first/plain", "second/studio")})
    seen: list[Order] = []
    row.first.script = lambda _call, order: seen.append(order)
    guide = striped(64, 64, "guide")
    control = {"type": "canny", "image": as_part(guide)}
    done = await row.make(controls=(control,), negative_prompt="fog", on_unsupported="drop", files=[guide])
    assert (done.model, len(done.inputs)) == ("first/plain", 1)
    assert [(order.guides, order.negative_prompt) for order in seen] == [((), "fog")]
    assert [image.parents for image in await row.bench.images(done)] == [()]


class Positive(Scripted):
    """Takes no negative prompts."""

    @property
    def models(self) -> Mapping[str, Model]:
        can = {"negative_prompt": False}
        return {
            id: model.model_copy(update={"capabilities": model.capabilities.model_copy(update=can)})
            for id, model in super().models.items()
        }


async def test_p3_a_negative_prompt_is_kept_for_the_model_that_takes_it(row: Row) -> None:
    heard: list[str | None] = []

    def down(_call: int, order: Order) -> None:
        heard.append(order.negative_prompt)
        raise DOWN

    row.bench.change(providers={**row.bench.platform.providers, "first": Positive(name="first", script=down)})
    row.second.script = lambda _call, order: heard.append(order.negative_prompt)
    done = await row.make(negative_prompt="fog", on_unsupported="drop")
    assert (done.status, done.model, done.dropped) == ("succeeded", "second/studio", ())
    assert heard == [None, "fog"]


class Picky(Scripted):
    """Takes no source that is larger than a stamp, which shows only when it is seen."""

    def estimate(self, order: Order) -> Cost:
        if order.image is not None and len(order.image) > 100:
            raise Unsupported(
                "picky", errors=[FieldError(pointer="/image", code="unsupported", message="picky takes only stamps.")]
            )
        if order.parameters.width > 500:
            message = f"picky makes nothing that is {order.parameters.width} wide."
            raise Unsupported("picky", errors=[FieldError(pointer="/width", code="unsupported", message=message)])
        return super().estimate(order)


async def test_p3_the_estimate_of_a_provider_skips_it(row: Row) -> None:
    row.bench.change(providers={**row.bench.platform.providers, "first": Picky(name="first")})
    asked = await row.ask(width=512, height=512)
    assert states(asked)[:2] == [("skipped", "unsupported_by_model"), ("chosen", None)]
    assert "512 wide" in (asked.route[0].reason or "")


async def test_p3_sources_are_checked_again_before_anything_is_sent(row: Row) -> None:
    picky = Picky(name="second")
    row.bench.change(providers={**row.bench.platform.providers, "second": picky})
    row.first.script = failing(DOWN)
    source = striped(96, 64, "source")
    done = await row.make(operation="upscale", image=as_part(source), files=[source])
    assert (done.status, done.model) == ("succeeded", "third/studio")
    assert states(done) == [("left", "provider_unavailable"), ("left", "unsupported_by_model"), ("chosen", None)]
    assert picky.calls.total() == 0
    costs = [(made.cost_status, made.cost_micro_usd) for made in await row.bench.attempts(done)]
    assert costs[1] == ("settled", 0), "nothing was sent"


@pytest.mark.parametrize(
    "error",
    [
        DOWN,
        ProviderTimedOut("first ran out of time."),
        ProviderRateLimited("first asks us to slow down.", retry_after=3600),
        ProviderAuthFailed("first refused our key."),
        ProviderOutOfCredit("first has no credit left."),
        ModelUnavailable("first does not know this model."),
        ProviderError("first answered without a picture."),
        Misconfigured("first has no key."),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_technical_failure_leads_on_at_once(row: Row, error: PlatemarkError) -> None:
    row.first.script = failing(error)
    asked = await row.ask(seed=7)
    before = row.bench.clock.now()
    moved = await row.bench.run(asked)
    assert (moved.status, moved.model, moved.failures, moved.retry_at) == ("queued", "second/studio", 0, None)
    assert row.bench.clock.now() == before, "nothing is waited for"
    assert moved.runs == asked.runs + 1, "another job, on the queue of the other provider"
    done = await row.bench.run(moved)
    assert (done.status, done.model, done.parameters.seed) == ("succeeded", "second/studio", 7)
    assert states(done) == [("left", error.code), ("chosen", None), ("waiting", None)]
    assert done.route[0].reason == error.detail
    assert [(made.model, made.state) for made in await row.bench.attempts(done)] == [
        ("first/studio", "failed"),
        ("second/studio", "succeeded"),
    ]
    assert (await row.bench.events(done)).count("generation.rerouted") == 1
    assert row.calls == (1, 1, 0)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (BlockedByProvider("its filter said no", code="SEXUAL_EXPLICIT"), "blocked", "blocked_by_provider"),
        (ProviderRejected("steps too high"), "failed", "provider_rejected"),
        (OutcomeUnknown("no answer"), "failed", "outcome_unknown"),
        (RuntimeError("a bug of ours"), "failed", "internal_error"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
async def test_p4_a_refusal_is_not_shopped_around(row: Row, error: Exception, status: str, code: str) -> None:
    row.first.script = failing(error)
    done = await row.make()
    assert done.error is not None
    assert (done.status, done.error["code"], done.model) == (status, code, "first/studio")
    assert row.calls == (1, 0, 0)
    assert states(done) == [("chosen", None), ("waiting", None), ("waiting", None)]


async def test_p4_also_a_refusal_of_the_second_is_the_end(row: Row) -> None:
    row.first.script, row.second.script = failing(DOWN), failing(BlockedByProvider("no"))
    done = await row.make()
    assert (done.status, done.model) == ("blocked", "second/studio")
    assert row.calls == (1, 1, 0)


async def test_the_last_model_has_the_capped_attempts_of_one_that_is_alone(row: Row) -> None:
    for provider in (row.first, row.second, row.third):
        provider.script = failing(DOWN)
    done = await row.make(runs=20)
    assert done.error is not None
    assert (done.status, done.error["code"], done.needs_attention) == ("failed", "provider_unavailable", True)
    assert row.calls == (1, 1, row.bench.platform.limits.max_attempts)
    assert states(done) == [("left", "provider_unavailable")] * 2 + [("chosen", None)]


async def test_the_last_model_waits_for_its_limit(row: Row) -> None:
    limited = ProviderRateLimited("slow down", retry_after=60)
    row.first.script, row.second.script = failing(limited), failing(limited)
    row.third.script = failing(limited, times=6)
    done = await row.make(runs=20)
    assert (done.status, done.model) == ("succeeded", "third/studio")
    assert row.calls == (1, 1, 7)


@pytest.mark.parametrize(("before", "most", "calls"), [(3, 4, 3), (9, 2, 2)])
async def test_a_model_may_have_several_attempts_before_the_next_is_asked(
    tmp_path: Path, before: int, most: int, calls: int
) -> None:
    async with open_row(tmp_path, attempts_before_reroute=before, max_attempts=most) as row:
        row.first.script = failing(DOWN)
        done = await row.make()
    assert (done.status, done.model) == ("succeeded", "second/studio")
    assert row.calls == (calls, 1, 0)


async def test_an_engine_that_fell_is_started_again_before_another_is_paid(row: Row) -> None:
    row.first.script = failing(EngineCrashed("signal 9"), times=2)
    done = await row.make()
    assert (done.status, done.model, row.calls) == ("succeeded", "first/studio", (3, 0, 0))
    row.first.calls.clear()
    row.first.script = failing(EngineCrashed("signal 9"))
    done = await row.make()
    assert (done.model, done.crashes, row.first.calls.total()) == ("second/studio", 0, 3)


async def test_a_failure_of_ours_leads_nowhere_else(row: Row) -> None:
    row.first.script = failing(StorageUnavailable("the bucket does not answer"), times=1)
    done = await row.make()
    assert (done.status, done.model, row.calls) == ("succeeded", "first/studio", (2, 0, 0))


class Garbage(Scripted):
    async def generate(self, order: Order, *, ticket: str | None = None) -> AsyncGenerator[Update]:
        async for update in super().generate(order, ticket=ticket):
            yield replace(update, data=b"not a picture") if isinstance(update, Picture) else update


async def test_a_picture_that_is_none_leads_on_and_stays_on_the_bill(row: Row) -> None:
    garbage = Garbage(name="first")
    row.bench.change(providers={**row.bench.platform.providers, "first": garbage})
    done = await row.make()
    assert (done.status, done.model) == ("succeeded", "second/studio")
    assert states(done)[0] == ("left", "invalid_image")
    assert [made.state for made in await row.bench.attempts(done)] == ["succeeded", "succeeded"]
    assert (done.cost_status, done.cost_micro_usd) == ("settled", 200)
    assert len(await row.bench.images(done)) == 1


class Mixed(Garbage):
    """One picture is refused by its own maker, the other is none."""

    async def generate(self, order: Order, *, ticket: str | None = None) -> AsyncGenerator[Update]:
        async for update in super().generate(order, ticket=ticket):
            refused = isinstance(update, Picture) and update.index == 0
            yield replace(update, flags={"reason_codes": ["SEXUAL_EXPLICIT"]}) if refused else update
            if refused and self.script is not None:
                raise DOWN


@pytest.mark.parametrize("falls", [False, True])
async def test_p4_one_refused_picture_among_others_is_a_refusal(row: Row, falls: bool) -> None:
    mixed = Mixed(name="first", script=(lambda _call, _order: None) if falls else None)
    row.bench.change(providers={**row.bench.platform.providers, "first": mixed})
    done = await row.make(n=2, runs=20)
    assert (done.status, done.model) == ("failed", "first/studio")
    assert row.calls[1:] == (0, 0)


async def test_p7_the_attempts_of_all_models_add_up(row: Row) -> None:
    row.first.script = failing(DOWN)
    row.first.cost = Cost(status="estimated", micro_usd=40, basis="first's list")
    row.second.cost = Cost(status="settled", micro_usd=70, basis="second's bill")
    asked = await row.ask()
    assert (asked.cost_status, asked.cost_micro_usd) == ("estimated", 40)
    moved = await row.bench.run(asked)
    assert moved.cost_status == "unknown", "the first one did not say what its failure cost"
    done = await row.bench.run(moved)
    assert (done.cost_status, done.cost_micro_usd) == ("unknown", None)
    assert "1 of 2 attempts" in done.cost_basis


async def test_p7_a_failure_costs_what_its_attempts_cost(row: Row) -> None:
    row.first.script = failing(ProviderRejected("no such size"))
    done = await row.make()
    assert (done.status, done.cost_status) == ("failed", "unknown")


@dataclass
class Purse:
    """Notes what is set aside."""

    reserved: list[Cost]

    async def reserve(self, project: str, cost: Cost) -> None:
        self.reserved.append(cost)


async def test_p7_the_dearest_model_of_a_route_is_what_is_reserved(row: Row) -> None:
    purse = Purse([])
    row.bench.change(budget=purse)
    row.second.cost = Cost(status="settled", micro_usd=900, basis="dear")
    await row.ask()
    row.third.cost = Cost(status="unknown", micro_usd=None, basis="who knows")
    await row.ask()
    assert [cost.micro_usd for cost in purse.reserved] == [900, None]


async def test_p2_the_same_key_is_the_same_generation_wherever_it_is_by_then(row: Row) -> None:
    row.first.script = failing(DOWN)
    request = GenerationRequest(prompt="a tree", model="final")
    first = await accept(row.bench.platform, row.bench.caller, request, idempotency_key="k")
    await row.bench.run(first.generation)
    again = await accept(row.bench.platform, row.bench.caller, request, idempotency_key="k")
    assert (again.replayed, again.generation.id, again.generation.model) == (True, first.generation.id, "second/studio")
    with pytest.raises(IdempotencyKeyReused):
        await accept(
            row.bench.platform,
            row.bench.caller,
            request.model_copy(update={"model": "second/studio"}),
            idempotency_key="k",
        )


async def test_p2_running_a_failover_twice_is_running_it_once(row: Row) -> None:
    row.first.script = failing(DOWN)
    asked = await row.ask()
    await row.bench.run(asked)
    assert (await generate.call(row.bench.platform, asked.id)).kind == "made"
    assert (await generate.call(row.bench.platform, asked.id)).kind == "made"
    assert (await row.bench.run(asked)).status == "succeeded"
    assert row.calls == (1, 1, 0)


async def test_p2_what_may_have_been_bought_is_not_bought_elsewhere(row: Row) -> None:
    """Its provider is taken out of the configuration during a call: nobody can be asked what became of it."""
    asked = await row.ask()
    row.first.steps, row.first.step_seconds = 1, 60.0
    await left_once(lambda: row.calls == (1, 0, 0), partial(generate.call, row.bench.platform, asked.id))
    assert [made.state for made in await row.bench.attempts(asked)] == ["sent"]
    row.bench.change(providers={"second": row.second, "third": row.third})
    done = await row.bench.run(asked)
    assert done.error is not None
    assert (done.status, done.error["code"], row.calls) == ("failed", "outcome_unknown", (1, 0, 0))


async def test_a_model_that_is_no_longer_there_leads_on(row: Row) -> None:
    asked = await row.ask()
    row.bench.change(providers={"second": row.second})
    done = await row.bench.run(await row.bench.run(asked))
    assert (done.status, done.model, states(done)[0]) == ("succeeded", "second/studio", ("left", "model_unavailable"))


async def test_a_crash_at_the_second_model_goes_on_there_by_its_ticket(row: Row) -> None:
    row.first.script = failing(DOWN)
    row.second.tickets, row.second.steps, row.second.step_seconds = True, 1, 60.0
    moved = await row.bench.run(await row.ask())
    await left_once(partial(row.bench.ticketed, moved), partial(generate.call, row.bench.platform, moved.id))
    row.second.step_seconds = 0.0
    done = await row.bench.run(moved)
    assert (done.status, done.model, row.calls, row.second.resumed.total()) == (
        "succeeded",
        "second/studio",
        (1, 1, 0),
        1,
    )


async def test_canceled_between_two_models(row: Row) -> None:
    row.first.script = failing(DOWN)
    moved = await row.bench.run(await row.ask())
    assert (await cancel(row.bench.platform, row.bench.caller, moved.id)).status == "canceled"
    assert (await row.bench.run(moved)).status == "canceled"
    assert row.calls == (1, 0, 0)


async def test_canceled_while_the_first_one_fails_nobody_else_is_asked(row: Row) -> None:
    asked = await row.ask()

    async def fail_after_cancel() -> None:
        async with row.bench.platform.store.transaction() as tx:
            running = await tx.get(Generation, asked.id)
            await tx.change(running, cancel_requested_at=row.bench.clock.now())

    await generate.begin(row.bench.platform, asked.id)
    await fail_after_cancel()
    row.bench.change(providers={"second": row.second})
    done = await row.bench.run(asked)
    assert done.error is not None
    assert (done.status, done.error["code"], row.calls) == ("canceled", GenerationCanceled.code, (0, 0, 0))


async def test_a_persons_retry_starts_the_route_again(row: Row) -> None:
    for provider in (row.first, row.second, row.third):
        provider.script = failing(DOWN)
    failed = await row.make(runs=20)
    again = await retry(row.bench.platform, row.bench.caller, failed.id)
    assert (again.model, states(again)) == ("first/studio", [("chosen", None), ("waiting", None), ("waiting", None)])
    row.first.script = None
    done = await row.bench.run(again)
    assert (done.status, done.model) == ("succeeded", "first/studio")
    assert "model_left" not in {warning.code for warning in done.warnings}


async def test_p2_a_persons_retry_asks_after_the_ticket_first(row: Row) -> None:
    row.first.script = failing(DOWN)
    row.second.tickets, row.second.steps, row.second.step_seconds = True, 1, 30.0
    unhurried = row.bench.platform.limits
    row.bench.change(limits=replace(unhurried, attempt_timeout=timedelta(milliseconds=500)))
    failed = await row.make()
    assert (failed.status, failed.model) == ("failed", "second/studio")
    again = await retry(row.bench.platform, row.bench.caller, failed.id)
    assert again.model == "second/studio"
    row.bench.change(limits=unhurried)
    row.second.step_seconds = 0.0
    done = await row.bench.run(again)
    assert (done.status, row.calls, row.second.resumed.total()) == ("succeeded", (1, 1, 0), 1)


async def test_the_whole_route_is_shown_and_recorded(row: Row) -> None:
    row.first.script = failing(DOWN)
    done = await row.make()
    shown = await generation_resource(row.bench.platform, done, url=str)
    assert (shown.requested_model, shown.model) == ("final", "second/studio")
    assert [(hop.model, hop.state, hop.code) for hop in shown.route] == [
        ("first/studio", "left", "provider_unavailable"),
        ("second/studio", "chosen", None),
        ("third/studio", "waiting", None),
    ]
    record = await generation_record(row.bench.platform, row.bench.caller, done.id)
    assert [hop.reason for hop in record.request.route] == [DOWN.detail, None, None]
    assert [made.model for made in record.attempts] == ["first/studio", "second/studio"]
    assert (record.request.requested_model, record.request.model) == ("final", "second/studio")
    assert record.chain.verified
    assert DOWN.detail not in "".join(event.model_dump_json() for event in await events_of(row.bench, done)), (
        "events hold codes, not words"
    )


async def events_of(bench: Bench, generation: Generation) -> list[Any]:
    async with bench.platform.store.reading() as read:
        return list(await read.events(generation.project, generation=generation.id))


async def test_names_may_stand_for_names(row: Row) -> None:
    row.bench.change(
        aliases={
            "default": ("final",),
            "final": ("second/studio", "draft"),
            "draft": ("first/plain", "second/studio", "final"),
            "third/plain": ("third/plain", "first/plain"),
        }
    )
    asked = await row.bench.ask()
    assert (asked.requested_model, [hop.model for hop in asked.route]) == (
        None,
        ["second/studio", "first/plain", "final"],
    )
    assert states(asked)[-1] == ("skipped", "unknown_model"), "a name that leads back to itself"
    own = await row.bench.ask(model="third/plain")
    assert [hop.model for hop in own.route] == ["third/plain", "first/plain"]


async def test_routes_can_be_discovered(row: Row) -> None:
    found = {model.id: model for model in model_resources(row.bench.platform)}
    assert [(route.name, route.models) for route in found["second/studio"].routes] == [("final", ROUTE)]
    assert (found["second/plain"].aliases, found["second/studio"].aliases) == (("single",), ())


async def test_generations_are_found_by_the_model_that_ran(row: Row) -> None:
    row.first.script = failing(DOWN)
    done = await row.make()
    query = Query(row.bench.caller.project, equals={"model": "second/studio"})
    found = await look.generations(row.bench.platform, row.bench.caller, query)
    assert [each.id for each in found.data] == [done.id]
