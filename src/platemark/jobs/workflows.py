"""One workflow per verb. Steps call one flow function each, ids in and small outcomes out.

A change that running workflows could not survive bumps `settings.CONTRACT_VERSION`.
"""

import asyncio
import contextvars
from dataclasses import dataclass, field

from dbos import DBOS

from platemark.core.base import JsonObject
from platemark.core.generation import Generation
from platemark.core.ports import Platform
from platemark.flows import generate as flow
from platemark.flows.attempt import Outcome
from platemark.jobs.slots import Slots

# DBOS dispatches by name and gives a workflow nothing but its arguments, so what it works with is bound per process.
MAX_RECOVERIES = 1_000


@dataclass
class Bound:
    """The platform of this process, the slots of its providers, and the workflow tasks that are running."""

    platform: Platform
    slots: dict[str, Slots]
    running: set[asyncio.Task[object]] = field(default_factory=set[asyncio.Task[object]])


_bound: list[Bound] = []


def bind(bound: Bound) -> None:
    """Make `bound` what workflows of this process work with."""
    _bound[:] = [bound]


def _current() -> Bound:
    bound = _bound[0]
    task = asyncio.current_task()
    if task is not None:
        bound.running.add(task)
        task.add_done_callback(bound.running.discard)
    return bound


async def _call(generation_id: str) -> JsonObject:
    bound = _current()
    async with bound.platform.store.reading() as read:
        generation = await read.get(Generation, generation_id)
    if (after := _moved_on(bound.platform, generation)) is not None:
        return after
    provider = generation.model.split("/", 1)[0]
    slots = bound.slots.setdefault(provider, Slots(1))
    async with slots.hold(generation.lane):
        return _plain(await flow.call(bound.platform, generation_id))


async def _finish(generation_id: str) -> JsonObject:
    platform = _current().platform
    async with platform.store.reading() as read:
        generation = await read.get(Generation, generation_id)
    if (after := _moved_on(platform, generation)) is not None:
        return after
    return _plain(await flow.finish(platform, generation_id))


def _moved_on(platform: Platform, generation: Generation) -> JsonObject | None:
    """Where a crash came between the end of this run in our rows and the end of its step: what is left is the next run.

    That one may belong to another provider's queue, and to processes that this one is none of.
    """
    run = int((DBOS.workflow_id or "").rpartition(".")[2] or generation.runs)
    if generation.done or run >= generation.runs:
        return None
    until = generation.retry_at
    delay = (until - platform.clock.now()).total_seconds() if until else 0.0
    return _plain(Outcome("retry", max(0.0, delay)))


async def _again(generation_id: str, delay: float) -> None:
    platform = _current().platform
    async with platform.store.reading() as read:
        generation = await read.get(Generation, generation_id)
    if not generation.done:
        # In a context of its own: DBOS starts no workflow from inside a step, and this one is nobody's child.
        await asyncio.create_task(platform.jobs.submit(generation, delay=delay), context=contextvars.Context())


def _plain(outcome: Outcome) -> JsonObject:
    return {"kind": outcome.kind, "delay": outcome.delay}


@DBOS.workflow(name="generate", max_recovery_attempts=MAX_RECOVERIES)
async def generate(generation_id: str) -> str:
    """Call, then finish. A retry is a new workflow with a delay, so that waiting holds nothing."""
    _current()
    outcome = await DBOS.run_step_async({"name": "call"}, _call, generation_id)
    if outcome["kind"] == "made":
        outcome = await DBOS.run_step_async({"name": "finish"}, _finish, generation_id)
    if outcome["kind"] == "retry":
        await DBOS.run_step_async({"name": "again"}, _again, generation_id, outcome["delay"])
    return str(outcome["kind"])
