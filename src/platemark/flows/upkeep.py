"""Upkeep: what time alone must do, and what a crash left behind. Run by every worker's sweeper; safe to run twice."""

from datetime import timedelta

from platemark.core.errors import Conflict, GenerationExpired
from platemark.core.generation import Generation, IdempotencyKey
from platemark.core.ports import Platform
from platemark.flows.end import end, ended
from platemark.flows.reviews import upkeep as review_upkeep
from platemark.telemetry import logger

log = logger(__name__)
# A submission that is younger may still be on its way to the queue.
_GRACE = timedelta(seconds=5)


async def lost(platform: Platform) -> list[Generation]:
    """Generations that are to be worked on, old enough that their job must exist by now."""
    async with platform.store.reading() as read:
        before = platform.clock.now() - _GRACE
        return await read.before(Generation, "created_at", before, limit=500, status=("queued", "running"))


async def revive(platform: Platform, generation: Generation) -> Generation | None:
    """A new run for a generation whose job is gone; None when somebody else moved it meanwhile."""
    try:
        async with platform.store.transaction() as tx:
            fresh = await tx.get(Generation, generation.id)
            if fresh.done or fresh.runs != generation.runs:
                return None
            return await tx.change(fresh, status="queued", runs=fresh.runs + 1)
    except Conflict:
        return None


async def expire(platform: Platform) -> int:
    """End what was not started or decided in time; forget old idempotency keys. Returns how many rows moved."""
    return await review_upkeep.look_after(platform) + await _expire_starts(platform) + await _forget_keys(platform)


async def _expire_starts(platform: Platform) -> int:
    async with platform.store.reading() as read:
        due = await read.before(Generation, "start_by", platform.clock.now(), status="queued")
    for generation in due:
        error = GenerationExpired(
            f"It was not started by {generation.start_by:%Y-%m-%d %H:%M} UTC. Send it again if it is still wanted."
        )
        try:
            async with platform.store.transaction() as tx:
                done = await end(platform, tx, generation, "expired", error=error)
        except Conflict:
            continue
        ended(platform, done)
    return len(due)


async def _forget_keys(platform: Platform) -> int:
    before = platform.clock.now() - platform.limits.idempotency_kept
    async with platform.store.transaction() as tx:
        old = await tx.before(IdempotencyKey, "created_at", before)
        for key in old:
            await tx.remove(key)
    return len(old)
