"""One workflow per verb, which orders flow functions and keeps nothing of them: what is done stands in our rows.

Run again after a crash it begins at its beginning, and the flows go on where the rows say; no step is written down
besides (docs/decisions/0007-cpu-of-a-hosted-image.md). A change that running workflows could not survive bumps
`settings.CONTRACT_VERSION`.
"""

import asyncio
import contextvars
from dataclasses import dataclass, field

from dbos import DBOS

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


async def _call(bound: Bound, generation_id: str) -> Outcome:
    async with bound.platform.store.reading() as read:
        generation = await read.get(Generation, generation_id)
    if (after := _moved_on(bound.platform, generation)) is not None:
        return after
    provider = generation.model.split("/", 1)[0]
    slots = bound.slots.setdefault(provider, Slots(1))
    async with slots.hold(generation.lane):
        return await flow.call(bound.platform, generation_id)


def _moved_on(platform: Platform, generation: Generation) -> Outcome | None:
    """Where a crash came between the end of this run in our rows and that of its workflow: the next run is left.

    That one may belong to another provider's queue, and to processes that this one is none of.
    """
    run = int((DBOS.workflow_id or "").rpartition(".")[2] or generation.runs)
    if generation.done or run >= generation.runs:
        return None
    until = generation.retry_at
    delay = (until - platform.clock.now()).total_seconds() if until else 0.0
    return Outcome("retry", max(0.0, delay))


async def _again(platform: Platform, generation_id: str, delay: float) -> None:
    async with platform.store.reading() as read:
        generation = await read.get(Generation, generation_id)
    if not generation.done:
        # In a context of its own: this one is nobody's child.
        await asyncio.create_task(platform.jobs.submit(generation, delay=delay), context=contextvars.Context())


@DBOS.workflow(name="generate", max_recovery_attempts=MAX_RECOVERIES)
async def generate(generation_id: str) -> str:
    """Call, then finish. A retry is a new workflow with a delay, so that waiting holds nothing."""
    bound = _current()
    outcome = await _call(bound, generation_id)
    if outcome.kind == "made":
        outcome = await flow.finish(bound.platform, generation_id, outcome.made)
    if outcome.kind == "retry":
        await _again(bound.platform, generation_id, outcome.delay)
    return outcome.kind
