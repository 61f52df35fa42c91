"""What time does to reviews: effects begin, holds end, what is late is told, cases expire. Never an approval."""

from collections.abc import Awaitable, Callable
from typing import Any

from platemark.core.errors import Conflict, GenerationExpired
from platemark.core.generation import Generation
from platemark.core.moderation import Verdict
from platemark.core.ports import Platform, Transaction
from platemark.core.review import Review
from platemark.flows.end import end, ended
from platemark.flows.note import tell_case
from platemark.flows.reviews.desk import let_go
from platemark.flows.reviews.effects import Moved, settle
from platemark.flows.reviews.timing import late_place
from platemark.telemetry import REVIEW_BREACHES

_WAITING = ("pending", "claimed")
_HIGHEST_BY_TIMER = 2
_Act = Callable[[Platform, Transaction, Review], Awaitable[Moved]]


async def look_after(platform: Platform) -> int:
    """Do what is due with reviews; how many rows moved. Safe to run twice, and by many at once."""
    moved = await settle(platform)
    for field, states, act in (
        ("lease_until", ("claimed",), _end_hold),
        ("warn_at", _WAITING, _warn),
        ("due_at", _WAITING, _breach),
        ("expires_at", _WAITING, _expire),
    ):
        moved += await _each(platform, field, states, act)
    return moved


async def _each(platform: Platform, field: str, states: tuple[str, ...], act: _Act) -> int:
    wanted: dict[str, Any] = {"state": states} | ({"breached_at": None} if field == "due_at" else {})
    async with platform.store.reading() as read:
        due = await read.before(Review, field, platform.clock.now(), **wanted)
    for case in due:
        try:
            async with platform.store.transaction() as tx:
                moved = await act(platform, tx, case)
        except Conflict:
            # It has moved on since it was read.
            continue
        for generation in moved:
            ended(platform, generation)
    return len(due)


async def _end_hold(platform: Platform, tx: Transaction, case: Review) -> Moved:
    await let_go(platform, tx, case, "lease_ended", case.barred)
    return []


async def _warn(platform: Platform, tx: Transaction, case: Review) -> Moved:
    case = await tx.change(case, warn_at=None)
    await tell_case(platform, tx, "review.warned", case, level=case.level)
    return []


async def _breach(platform: Platform, tx: Transaction, case: Review) -> Moved:
    level = max(case.level, _HIGHEST_BY_TIMER)
    place = late_place(case, level)
    case = await tx.change(case, breached_at=platform.clock.now(), warn_at=None, level=level, place=place)
    await tell_case(platform, tx, "review.breached", case, level=case.level)
    REVIEW_BREACHES.labels(case.reason_code or "").inc()
    return []


async def _expire(platform: Platform, tx: Transaction, case: Review) -> Moved:
    moved = await _end_case(platform, tx, case)
    root = await tx.find(Review, case.of) if case.of and case.kind in ("second", "adjudication") else None
    # Where two had to agree and one never came, nothing was decided.
    return moved + (await _end_case(platform, tx, root) if root is not None and root.state == "seconding" else [])


async def _end_case(platform: Platform, tx: Transaction, case: Review) -> Moved:
    case = await tx.change(case, state="expired", decided_at=platform.clock.now(), version=case.version + 1)
    await tell_case(platform, tx, "review.expired", case)
    if case.kind != "first":
        return []
    await tx.change(await tx.get(Verdict, case.verdict), review_status="expired")
    generation = await tx.find(Generation, case.generation) if case.generation else None
    if generation is None or generation.status != "held":
        return []
    error = GenerationExpired("Nobody decided about this request in time. Send it again if it is still wanted.")
    return [await end(platform, tx, generation, "expired", error=error)]
