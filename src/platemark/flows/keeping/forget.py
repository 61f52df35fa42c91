"""Forget: has vendors delete what they keep of what was deleted here, where their API has a call for it."""

from datetime import timedelta

from platemark.core.attempt import ATTEMPT_OPEN, Attempt
from platemark.core.ports import Forgetful, Platform, Transaction
from platemark.flows.due import each_due
from platemark.flows.note import emit

_AGAIN = timedelta(hours=1)
_PATIENCE = timedelta(days=3)


async def ask(platform: Platform, tx: Transaction, generation: str) -> None:
    """Note which vendors are to be asked, in the transaction of the deletion; a worker asks them (`finish`)."""
    now = platform.clock.now()
    for attempt in await tx.all(Attempt, generation=generation, forgotten_at=None, forget_at=None):
        if attempt.ticket and attempt.state not in ATTEMPT_OPEN and _vendor(platform, attempt):
            await tx.change(attempt, forget_at=now, forget_by=now + _PATIENCE)


async def finish(platform: Platform, *, limit: int = 20) -> int:
    """Ask the vendors whose turn it is. Returns how many were asked."""
    return await each_due(platform, Attempt, "forget_at", _one, limit=limit, trouble="vendor.not_asked")


async def _one(platform: Platform, attempt: Attempt) -> None:
    now = platform.clock.now()
    async with platform.store.transaction() as tx:
        attempt = await tx.change(attempt, forget_at=now + _AGAIN)
    vendor = _vendor(platform, attempt)
    gone = await vendor.forget(attempt.ticket or "") if vendor else False
    if gone is None and attempt.forget_by is not None and now < attempt.forget_by:
        return
    async with platform.store.transaction() as tx:
        await tx.change(attempt, forget_at=None, forgotten_at=now if gone else None)
        facts = {"attempt": attempt.id}
        if gone:
            await emit(platform, tx, "attempt.forgotten", attempt.project, facts, generation=attempt.generation)
        else:
            facts["code"] = "unreachable" if gone is None else "refused"
            await emit(platform, tx, "attempt.not_forgotten", attempt.project, facts, generation=attempt.generation)


def _vendor(platform: Platform, attempt: Attempt) -> Forgetful | None:
    provider = platform.providers.get(attempt.provider)
    return provider if isinstance(provider, Forgetful) and provider.forgets else None
