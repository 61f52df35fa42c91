"""Due: what waits for its moment, taken up one by one; safe beside other workers and after any crash."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

from platemark.core.base import Noun
from platemark.core.errors import Conflict
from platemark.core.ports import Platform
from platemark.telemetry import logger

log = logger(__name__)
N = TypeVar("N", bound=Noun)


async def each_due(
    platform: Platform,
    kind: type[N],
    moment: str,
    work: Callable[[Platform, N], Awaitable[None]],
    *,
    limit: int,
    trouble: str,
    **equals: Any,
) -> int:
    """Do `work` on each whose `moment` has come; how many there were. One that breaks (`trouble`) stops no other."""
    due = platform.clock.now() + timedelta(microseconds=1)
    async with platform.store.reading() as read:
        waiting = await read.before(kind, moment, due, limit=limit, **equals)
    for each in waiting:
        try:
            await work(platform, each)
        except Conflict:
            # Another worker was at it, or it was taken back.
            continue
        except Exception:
            log.exception(trouble, id=each.id)
    return len(waiting)
