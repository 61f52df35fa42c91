"""Appeal: an earlier no is looked at again by somebody else, once a decision; overturned, its effects are undone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from platemark.core.errors import Conflict, NotFound
from platemark.core.generation import Generation
from platemark.core.image import Publication
from platemark.core.message import MESSAGES
from platemark.core.moderation import Verdict
from platemark.core.ports import Platform, Reading, Transaction
from platemark.core.project import Principal
from platemark.core.review import APPEAL_WITHIN, Decision, Review
from platemark.core.sentence import sentence
from platemark.flows import look
from platemark.flows.note import actor_of, case_of, is_hard, tell_case
from platemark.flows.reviews.decide import add_note
from platemark.flows.reviews.desk import case as case_of_project
from platemark.flows.reviews.effects import by_policy
from platemark.flows.reviews.timing import timing

_NO = ("rejected", "sent_back")
_LEVEL, _HARD_LEVEL = 2, 3


async def appeal_generation(
    platform: Platform, principal: Principal, id: str, why: str | None = None, of: str | None = None
) -> Review:
    """Ask that the refusal of a request be looked at again; `of`: by which verdict, the newest when absent.

    Raises Conflict where there is none of ours, or no more, NotFound where `of` is none of them.
    """
    principal.require("images:write")
    generation = await look.generation(platform, principal, id)
    if generation.status != "blocked":
        raise Conflict(f"This generation is {generation.status}; only a blocked one can be appealed.")
    if not by_policy(generation):
        raise Conflict("The provider refused this by its own rules, so there is nothing of ours to appeal.")
    async with platform.store.transaction() as tx:
        ruled = await _named(tx, of, await _refusals(tx, generation=id))
        return await _appeal(platform, tx, principal, ruled, await _rejected(tx, ruled), why)


async def appeal_image(
    platform: Platform, principal: Principal, id: str, why: str | None = None, of: str | None = None
) -> Review:
    """Ask that the block of an image, or of a publication of it, be looked at again.

    `of`: which of several refusals, by its publication or verdict; the newest when absent. Raises Conflict where there
    is none, or it was appealed before, NotFound where `of` is none of them.
    """
    principal.require("images:write")
    image = await look.image(platform, principal, id)
    async with platform.store.transaction() as tx:
        refused = [each for each in await tx.all(Publication, image=id, state="rejected") if each.verdict]
        if image.moderation_state != "blocked" and not refused:
            raise Conflict(
                f"This image is {image.moderation_state} and no publication of it was rejected: nothing to appeal."
            )
        ruled = await _named(tx, of, await _refusals(tx, image=id))
        return await _appeal(platform, tx, principal, ruled, await _rejected(tx, ruled), why)


async def appeal_review(platform: Platform, principal: Principal, id: str, why: str | None = None) -> Review:
    """Ask that a rejection be looked at again. Raises Conflict where the case was not rejected, or no more."""
    principal.require("images:write")
    async with platform.store.transaction() as tx:
        found = await case_of_project(tx, principal.project, id)
        if found.kind != "first" or found.state not in _NO:
            raise Conflict(f"This {found.kind} review is {found.state}; only a rejection can be appealed.")
        return await _appeal(platform, tx, principal, await tx.get(Verdict, found.verdict), found, why)


async def _refusals(read: Reading, **subject: Any) -> list[Verdict]:
    """The verdicts that stopped it, the newest last: blocks, and what a person rejected. Raises Conflict for none."""
    found = [
        ruled
        for ruled in await read.all(Verdict, order_by="created_at", **subject)
        if (ruled.decision == "block" and not ruled.blocked_by_provider)
        or ruled.review_status in (*_NO, "upheld", "appealed")
    ]
    if not found:
        raise Conflict("No decision of ours stopped this, so there is nothing to appeal.")
    return found


async def _named(read: Reading, of: str | None, refusals: Sequence[Verdict]) -> Verdict:
    """The refusal that `of` names by its publication or its own id; the newest where that is None."""
    if of is None:
        return refusals[-1]
    publication = await read.find(Publication, of) if of.startswith("pub_") else None
    wanted = publication.verdict if publication else of
    for ruled in refusals:
        if ruled.id == wanted:
            return ruled
    raise NotFound(f"{of} names no refusal of this. Name a rejected publication of it, or a verdict that stopped it.")


async def _rejected(read: Reading, ruled: Verdict) -> Review | None:
    found = [case for case in await read.all(Review, verdict=ruled.id) if case.kind == "first" and case.state in _NO]
    return found[-1] if found else None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a refusal can be, or was, appealed. `message`: what its user is told."""

    reason_code: str | None
    message: str
    until: datetime | None = None
    appeal: Review | None = None


async def standing(platform: Platform, read: Reading, **subject: Any) -> Standing | None:
    """What is known of the refusal of a request or an image; None where it was none of ours."""
    try:
        ruled = (await _refusals(read, **subject))[-1]
    except Conflict:
        return None
    cases = await read.all(Review, verdict=ruled.id)
    appeals, earlier = [case for case in cases if case.kind == "appeal"], await _rejected(read, ruled)
    until = (earlier.decided_at if earlier is not None and earlier.decided_at else ruled.created_at) + APPEAL_WITHIN
    told = await _told(read, [*cases, *[each for case in cases for each in await read.all(Review, of=case.id)]])
    reason = sentence("block", ruled.reason_code)
    return Standing(
        ruled.reason_code,
        f"{reason} {told}" if told else reason,
        until if not appeals and platform.clock.now() <= until else None,
        appeals[-1] if appeals else None,
    )


async def _told(read: Reading, cases: Sequence[Review]) -> str | None:
    """The message of the last decision that had its effect."""
    made = [each for case in cases for each in await read.all(Decision, review=case.id, state="effected")]
    last = max((each for each in made if each.message), key=lambda each: each.decided_at, default=None)
    return MESSAGES.get(last.message or "") if last else None


async def _appeal(
    platform: Platform, tx: Transaction, principal: Principal, ruled: Verdict, earlier: Review | None, why: str | None
) -> Review:
    now = platform.clock.now()
    decided = earlier.decided_at if earlier is not None and earlier.decided_at else ruled.created_at
    if any(case.kind == "appeal" for case in await tx.all(Review, verdict=ruled.id)):
        raise Conflict(
            "This decision was appealed already. Its appeal says how it ended; where there are other refusals, name "
            "one by its publication or verdict."
        )
    if now > decided + APPEAL_WITHIN:
        raise Conflict(f"A decision can be appealed for six months; this one is of {decided:%Y-%m-%d}.")
    found = await _open(platform, tx, principal, ruled, earlier, now)
    await tx.change(ruled, review_status="appealed")
    _, about = await add_note(platform, tx, found, principal.actor, why)
    await tell_case(
        platform, tx, "review.appealed", found, by=principal.actor, of=found.of, reason_code=found.reason_code, **about
    )
    return found


async def _open(
    platform: Platform, tx: Transaction, principal: Principal, ruled: Verdict, earlier: Review | None, now: datetime
) -> Review:
    generation = await tx.find(Generation, ruled.generation) if ruled.generation else None
    hard = is_hard(ruled)
    found = case_of(
        platform,
        ruled,
        kind="appeal",
        of=earlier.id if earlier else None,
        expires_at=now + APPEAL_WITHIN,
        schedule=timing(
            platform.limits.reviews,
            now,
            code=ruled.reason_code,
            audience=ruled.audience,
            severity=ruled.severity,
            hard=hard,
            level=_HARD_LEVEL if hard else _LEVEL,
            desk="legal" if hard else "general",
        ),
        requester=await actor_of(tx, generation.key) if generation else principal.actor,
        user_sha256=generation.user_sha256 if generation else None,
        barred=(*await _deciders(tx, ruled), principal.actor),
    )
    await tx.add(found)
    return found


async def _deciders(read: Reading, ruled: Verdict) -> list[str]:
    """Everybody who has ruled on this before."""
    cases = await read.all(Review, verdict=ruled.id)
    found = [await read.all(Decision, review=case.id, state="effected") for case in cases]
    return list(dict.fromkeys(decision.by for each in found for decision in each))
