"""Retention: the chores that time alone causes. Run by every worker's sweeper; safe to run twice."""

from datetime import timedelta

from platemark.core.ports import Platform
from platemark.core.review import Reveal
from platemark.flows import receive
from platemark.flows.keeping import delete, holds, purge, takedown

# Between two looks at what is due: retention is counted in days.
EVERY = timedelta(minutes=5)


async def keep_up(platform: Platform) -> int:
    """What must not wait: deleted bytes that are still there, unfinished uploads, ends of holds, clocks of notices."""
    chores = (delete.finish, receive.expire, holds.end_due, takedown.watch)
    return sum([await chore(platform) for chore in chores])


async def retain(platform: Platform) -> purge.Purged:
    """Delete what is over its time, a bounded batch of each class; again while there is more."""
    await _forget_reveals(platform)
    return await purge.purge(platform)


async def _forget_reveals(platform: Platform) -> int:
    """Who was shown what: the rows go, the chain keeps that it was so."""
    span = platform.limits.retention.reveals
    if span is None:
        return 0
    async with platform.store.transaction() as tx:
        old = await tx.before(Reveal, "at", platform.clock.now() - span)
        for reveal in old:
            await tx.remove(reveal)
    return len(old)
