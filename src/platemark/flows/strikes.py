"""Strikes: somebody whose requests are blocked again and again is looked at by a person (REPEAT_OFFENDER)."""

from platemark.core.generation import Generation
from platemark.core.moderation import Signal
from platemark.core.ports import Platform, Query

CODE = "REPEAT_OFFENDER"
# A person's review, and not a block: whoever probes has not done the next thing yet.
_SCORE = 0.6


async def strikes(platform: Platform, project: str, user_sha256: str | None) -> tuple[Signal, ...]:
    """A signal once `Limits.strikes` requests of this user were blocked within `Limits.strikes_within`.

    Nothing where the request names no user: one key may serve many, and they are not to pay for one of them.
    """
    if user_sha256 is None:
        return ()
    limits = platform.limits
    query = Query(
        project=project,
        limit=limits.strikes,
        equals={"status": "blocked", "user_sha256": user_sha256},
        since=platform.clock.now() - limits.strikes_within,
    )
    async with platform.store.reading() as read:
        blocked = (await read.page(Generation, query)).data
    if len(blocked) < limits.strikes:
        return ()
    evidence = {"blocked": len(blocked), "seconds": round(limits.strikes_within.total_seconds())}
    return (Signal(detector="strikes", version="1", category=CODE, score=_SCORE, evidence=evidence),)
