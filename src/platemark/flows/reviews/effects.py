"""Effects: what a decision does once its grace is over, exactly once, in one transaction with its events."""

from collections.abc import Sequence
from typing import Any

from platemark.core.errors import BlockedByAppPolicy, Conflict
from platemark.core.generation import Generation
from platemark.core.image import Image, ModerationState, Publication, PublicationState
from platemark.core.moderation import CLOSING_CODES, ReviewStatus, Verdict, refuses
from platemark.core.ports import Platform, Reading, Transaction
from platemark.core.review import OPEN, OUTCOME, Decision, Reveal, Review, ReviewKind, ReviewState
from platemark.core.sentence import sentence
from platemark.flows.end import end, ended
from platemark.flows.note import case_of, tell, tell_case
from platemark.flows.publications.deliver import recall_all
from platemark.flows.publications.release import finish_due
from platemark.flows.publish import release
from platemark.flows.reviews.timing import Said, expiry, raised
from platemark.telemetry import logger

log = logger(__name__)
Moved = list[Generation]
_ALLOWING: frozenset[str] = frozenset({"approved", "overturned"})
_TOP_LEVEL = 3
_TOP_DESKS = frozenset({"legal", "child_safety"})


async def settle(platform: Platform) -> int:
    """Carry out every decision whose grace is over. Run again after a crash, it does nothing twice."""
    async with platform.store.reading() as read:
        due = await read.before(Decision, "effective_at", platform.clock.now(), state="pending")
    for decision in due:
        try:
            async with platform.store.transaction() as tx:
                fresh = await tx.get(Decision, decision.id)
                _, _, moved = await carry_out(platform, tx, await tx.get(Review, fresh.review), fresh)
        except Conflict:
            # Undone meanwhile, or another worker was faster.
            continue
        except Exception:
            # One that cannot be carried out must not keep the others waiting.
            log.exception("effect.failed", decision=decision.id)
            continue
        await follow(platform, moved)
    return len(due)


async def follow(platform: Platform, moved: Sequence[Generation]) -> None:
    """After the commit: start what was released, and tell those who wait for what has ended."""
    for generation in moved:
        if generation.done:
            ended(platform, generation)
            continue
        platform.notices.tell(generation.id)
        try:
            await platform.jobs.submit(generation)
        except Exception:
            # It is released and written down: the sweeper submits it again.
            log.exception("submit.failed", generation=generation.id)
    try:
        # What a person let through becomes public now.
        await finish_due(platform)
    except Exception:
        # It is written down: the sweeper tries again.
        log.exception("release.failed")


async def carry_out(
    platform: Platform, tx: Transaction, case: Review, decision: Decision
) -> tuple[Review, Decision, Moved]:
    """The effects of a decision, with the case, the decision and the generations that were moved.

    Raises Conflict where it is not pending any more.
    """
    if decision.state != "pending":
        raise Conflict(f"This decision is {decision.state} already.")
    decision = await tx.change(decision, state="effected", settled_at=platform.clock.now())
    if decision.action in ("escalate", "needs_second"):
        return await _pass_on(platform, tx, case, decision), decision, []
    outcome = OUTCOME[decision.action]
    if decision.second == "required":
        case = await tx.change(case, state="seconding", version=case.version + 1)
        await tell_case(platform, tx, "review.effected", case, decision=decision.id)
        await look_again(platform, tx, case, "second", [decision.by])
        return case, decision, []
    case = await _close(platform, tx, case, outcome, decision)
    moved = await _CONSEQUENCES[case.kind](platform, tx, case, decision)
    return case, decision, moved


async def _pass_on(platform: Platform, tx: Transaction, case: Review, decision: Decision) -> Review:
    limits, now = platform.limits.reviews, platform.clock.now()
    top = decision.desk in _TOP_DESKS
    level = _TOP_LEVEL if top else max(case.level, 2 if decision.action == "escalate" else 1)
    schedule = raised(limits, now, case, level=level, desk=decision.desk)
    case = await tx.change(
        case,
        **schedule,
        # It is due anew, and does not expire before.
        expires_at=max(case.expires_at, schedule["due_at"]),
        state="pending",
        claimed_by=None,
        claimed_at=None,
        lease_until=None,
        barred=(*case.barred, decision.by),
        version=case.version + 1,
    )
    await tell_case(
        platform, tx, "review.escalated", case, decision=decision.id, desk=case.desk, level=case.level, by=decision.by
    )
    return case


async def _close(platform: Platform, tx: Transaction, case: Review, outcome: ReviewState, decision: Decision) -> Review:
    case = await tx.change(case, state=outcome, decided_at=platform.clock.now(), version=case.version + 1)
    await tell_case(platform, tx, "review.effected", case, decision=decision.id, kind=case.kind)
    return case


async def look_again(
    platform: Platform, tx: Transaction, root: Review, kind: ReviewKind, barred: Sequence[str]
) -> Review:
    """Open a case in which somebody else answers the same question."""
    limits, now = platform.limits, platform.clock.now()
    schedule = raised(limits.reviews, now, root, level=_TOP_LEVEL if kind == "adjudication" else root.level)
    said = Said(code=root.reason_code, audience=root.audience, hard=root.hard)
    again = case_of(
        platform,
        await tx.get(Verdict, root.verdict),
        kind=kind,
        of=root.id,
        expires_at=max(root.expires_at, expiry(limits, now, schedule, **said)),
        schedule=schedule,
        requester=root.requester,
        user_sha256=root.user_sha256,
        barred=tuple(dict.fromkeys((*root.barred, *barred))),
    )
    await tx.add(again)
    await tell_case(platform, tx, "review.opened", again, kind=kind, of=root.id, reason_code=again.reason_code)
    return again


async def _first(platform: Platform, tx: Transaction, case: Review, decision: Decision) -> Moved:
    if decision.second == "sample":
        await look_again(platform, tx, case, "sample", [decision.by])
    return await _subject(platform, tx, case, decision, undoing=case.kind == "appeal")


async def _second(platform: Platform, tx: Transaction, case: Review, decision: Decision) -> Moved:
    """Two who say the same are believed; where they differ, somebody else decides between them."""
    root = await tx.get(Review, case.of or "")
    earlier = await ruling(tx, root)
    if root.state == "expired":
        return []
    if OUTCOME[earlier.action] != OUTCOME[decision.action]:
        await look_again(platform, tx, root, "adjudication", [earlier.by, decision.by])
        return []
    if root.state != "seconding":
        return []
    root = await _close(platform, tx, root, OUTCOME[earlier.action], earlier)
    return await _subject(platform, tx, root, earlier, undoing=root.kind == "appeal")


async def _adjudicated(platform: Platform, tx: Transaction, case: Review, decision: Decision) -> Moved:
    root, outcome = await tx.get(Review, case.of or ""), OUTCOME[decision.action]
    if root.state == "seconding":
        root = await _close(platform, tx, root, outcome, decision)
        return await _subject(platform, tx, root, decision, undoing=root.kind == "appeal")
    # A sample found a ruling that has had its effect already: it is set right, the ruling itself stays on record.
    return [] if outcome == root.state else await _subject(platform, tx, root, decision, undoing=True)


_CONSEQUENCES = {
    "first": _first,
    "appeal": _first,
    "second": _second,
    "sample": _second,
    "adjudication": _adjudicated,
}


async def ruling(read: Reading, case: Review) -> Decision:
    """The decision on a case that has had its effect, the last of them."""
    return [each for each in await read.all(Decision, review=case.id, state="effected") if each.action in OUTCOME][-1]


async def _subject(platform: Platform, tx: Transaction, root: Review, decision: Decision, *, undoing: bool) -> Moved:
    """Change what the case is about. `undoing`: an earlier ruling is being undone, so a block may be lifted."""
    outcome = OUTCOME[decision.action]
    await _note(tx, root, outcome)
    if outcome == "upheld" or (undoing and root.hard):
        # Nothing of child safety comes back by a click, whoever clicks.
        return []
    allowed = outcome in _ALLOWING
    if allowed:
        await _allow(platform, tx, root, decision, undoing)
    elif root.stage != "before_publish" or undoing:
        await _forbid(platform, tx, root)
    if root.stage == "before_publish":
        await release(platform, tx, await tx.get(Verdict, root.verdict), allowed=allowed, by=decision.by)
        return []
    return await _start(platform, tx, root, undoing) if allowed else await _stop(platform, tx, root)


async def _note(tx: Transaction, root: Review, status: ReviewState) -> None:
    verdict = await tx.get(Verdict, root.verdict)
    said: dict[str, ReviewStatus] = {
        "approved": "approved",
        "rejected": "rejected",
        "sent_back": "sent_back",
        "upheld": "upheld",
        "overturned": "overturned",
        "expired": "expired",
    }
    await tx.change(verdict, review_status=said[status])


async def _others(tx: Transaction, root: Review, **subject: Any) -> list[Review]:
    found = await tx.all(Review, project=root.project, state=OPEN, **subject)
    return [case for case in found if case.kind == "first" and case.id != root.id]


async def _allow(platform: Platform, tx: Transaction, root: Review, decision: Decision, undoing: bool) -> None:
    image = await tx.find(Image, root.image) if root.image else None
    if image is None or await _others(tx, root, image=image.id):
        return
    if image.moderation_state == "blocked" and await _closed_besides(tx, root, image):
        return
    state: ModerationState = "labelled" if decision.action == "approve_with_label" else "allowed"
    movable = {"in_review", "allowed", *(("blocked",) if undoing else ())}
    if image.moderation_state in movable and (image.moderation_state != "allowed" or state == "labelled"):
        wanted: tuple[PublicationState, ...] = ("held", "rejected") if undoing else ("held",)
        await _moderate(platform, tx, root, image, state, wanted, "draft")


async def _closed_besides(tx: Transaction, root: Review, image: Image) -> bool:
    """Whether another refusal than the one that is undone keeps the picture closed."""
    ruled = await tx.all(Verdict, order_by="created_at", image=image.id)
    return any(
        number == 0 or each.stage == "after_response" or each.reason_code in CLOSING_CODES
        for number, each in enumerate(ruled)
        if each.id != root.verdict and refuses(each)
    )


async def _forbid(platform: Platform, tx: Transaction, root: Review) -> None:
    image = await tx.find(Image, root.image) if root.image else None
    outputs = root.stage != "before_request" or (image is not None and image.moderation_state == "in_review")
    if image is not None and outputs and image.moderation_state != "blocked":
        await _moderate(platform, tx, root, image, "blocked", ("held", "draft"), "rejected")


async def _moderate(
    platform: Platform,
    tx: Transaction,
    root: Review,
    image: Image,
    state: ModerationState,
    waiting: tuple[PublicationState, ...],
    publication: PublicationState,
) -> None:
    image = await tx.change(image, moderation_state=state)
    if state == "blocked":
        await recall_all(platform, tx, image)
    # Those that somebody asked for have verdicts, and so cases, of their own.
    for unused in await tx.all(Publication, image=image.id, state=waiting, verdict=None):
        await tx.change(unused, state=publication, changed_at=platform.clock.now())
    await tell(
        platform,
        tx,
        "image.moderated",
        image,
        moderation=state,
        reason_code=image.reason_code,
        publication=publication,
        review=root.id,
    )


async def _start(platform: Platform, tx: Transaction, root: Review, undoing: bool) -> Moved:
    """Release the request, unless something else of it still waits for a person."""
    generation = await tx.find(Generation, root.generation) if root.generation else None
    waits = generation is not None and (
        generation.status == "held"
        or (undoing and generation.status == "blocked" and root.stage == "before_request" and by_policy(generation))
    )
    if generation is None or not waits or await _others(tx, root, generation=generation.id):
        return []
    generation = await tx.change(
        generation,
        status="queued",
        error=None,
        finished_at=None,
        start_by=platform.clock.now() + platform.limits.start_within,
    )
    await tell(platform, tx, "generation.released", generation, status="queued", review=root.id)
    return [generation]


def by_policy(generation: Generation) -> bool:
    """Whether it was our policy, or a person, that refused it, not its provider."""
    return (generation.error or {}).get("code") == BlockedByAppPolicy.code


async def _stop(platform: Platform, tx: Transaction, root: Review) -> Moved:
    generation = await tx.find(Generation, root.generation) if root.generation else None
    if generation is None or generation.status != "held":
        return []
    why = sentence("block", root.reason_code)
    error = BlockedByAppPolicy(
        f"A person has looked at this request and did not allow it. {why} Change it, or appeal.",
        generation=generation.id,
        code=root.reason_code,
    )
    return [await end(platform, tx, generation, "blocked", error=error)]


async def revealed(read: Reading, case: Review, by: str) -> int:
    """How often a person was shown something of this case."""
    return len(await read.all(Reveal, review=case.id, by=by))
