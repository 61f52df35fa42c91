"""Decide: a person's ruling is written at once, has its effects after its grace, and can be undone until then."""

from dataclasses import dataclass
from datetime import datetime

from platemark.core.audit import salted_digest
from platemark.core.errors import Conflict, FieldError, InvalidRequest
from platemark.core.message import MESSAGES, usual_message
from platemark.core.moderation import REASON_CODES, Verdict
from platemark.core.ports import Platform, Reading, Transaction
from platemark.core.project import Principal
from platemark.core.review import (
    CLEARED,
    DECEPTION_CODES,
    OUTCOME,
    Action,
    Decision,
    Desk,
    Review,
    ReviewNote,
    Seconding,
)
from platemark.flows.foureyes import SINGLE_OPERATOR
from platemark.flows.note import tell_case
from platemark.flows.reviews.desk import Reviewer, alone, case, held, reviewer_of
from platemark.flows.reviews.effects import carry_out, follow, revealed
from platemark.telemetry import REVIEW_DECISIONS

_OF_APPEALS: frozenset[str] = frozenset({"uphold", "overturn", "escalate"})
_OF_CASES: frozenset[str] = frozenset(
    {"approve", "approve_with_label", "restrict_audience", "send_back", "reject", "escalate"}
)
_YES = frozenset({"approved", "overturned"})


@dataclass(frozen=True, slots=True)
class Wish:
    """What a reviewer wants to decide. `note` is free text; `message` names what the user is told."""

    action: Action
    reason_code: str
    version: int | None = None
    note: str | None = None
    desk: Desk | None = None
    audience: str | None = None
    message: str | None = None

    @property
    def says_yes(self) -> bool:
        """Whether something is allowed by it that a rule had stopped."""
        return OUTCOME.get(self.action) in _YES


@dataclass(frozen=True, slots=True)
class Preview:
    """What a decision would do. `message` is what the user would be told."""

    action: Action
    second: Seconding
    effective_at: datetime
    message: str | None
    note_required: bool


async def decide(platform: Platform, principal: Principal, id: str, wish: Wish) -> tuple[Review, Decision]:
    """Rule on a case that the caller holds. Raises Conflict (not held, another version), InvalidRequest."""
    async with platform.store.transaction() as tx:
        who = await reviewer_of(tx, principal)
        found = await held(platform, tx, who, id, wish.version)
        found, decision = await write(platform, tx, who, found, wish)
        moved = []
        if decision.effective_at <= decision.decided_at:
            found, decision, moved = await carry_out(platform, tx, found, decision)
    await follow(platform, moved)
    return found, decision


async def preview(platform: Platform, principal: Principal, id: str, wish: Wish) -> Preview:
    """What the decision would do and say; nothing is written. Raises as `decide` does."""
    async with platform.store.transaction() as tx:
        who = await reviewer_of(tx, principal)
        found = await held(platform, tx, who, id, wish.version)
        override = await check(tx, found, wish, note=False)
    second = _seconding(found, who, wish, override)
    key = wish.message or usual_message(wish.action)
    return Preview(
        action=wish.action,
        second="none" if who.alone else second,
        effective_at=platform.clock.now() + platform.limits.reviews.undo,
        message=MESSAGES[key] if key else None,
        note_required=_needs_note(found, wish, override),
    )


async def write(
    platform: Platform, tx: Transaction, who: Reviewer, found: Review, wish: Wish
) -> tuple[Review, Decision]:
    """The decision as a row with its event, in its grace; the case is `decided`."""
    override = await check(tx, found, wish)
    second, now = _seconding(found, who, wish, override), platform.clock.now()
    lonely = who.alone and (second == "required" or bool(alone(found, who)))
    if who.alone:
        second = "none"
    elif second == "none" and found.kind == "first" and wish.action in OUTCOME:
        second = "sample" if platform.ids.fraction() < platform.limits.reviews.sample else "none"
    note, about = await add_note(platform, tx, found, who.actor, wish.note)
    decision = Decision(
        id=platform.ids.new("dec"),
        project=found.project,
        review=found.id,
        by=who.actor,
        key=who.key,
        action=wish.action,
        second=second,
        reason_code=wish.reason_code,
        desk=wish.desk,
        audience=wish.audience,
        message=wish.message or usual_message(wish.action),
        note=note,
        override=override,
        single_operator=lonely,
        reveals=await revealed(tx, found, who.actor),
        seconds=round((now - (found.claimed_at or now)).total_seconds()),
        decided_at=now,
        effective_at=now + platform.limits.reviews.undo,
    )
    await tx.add(decision)
    found = await tx.change(found, state="decided", lease_until=None, version=found.version + 1)
    facts = decision.model_dump(include={"by", "action", "reason_code", "second", "override", "reveals", "seconds"})
    lone = {SINGLE_OPERATOR: True} if lonely else {}
    await tell_case(platform, tx, "review.decided", found, decision=decision.id, **facts, **about, **lone)
    REVIEW_DECISIONS.labels(decision.action, found.reason_code or "").inc()
    return found, decision


async def add_note(
    platform: Platform, tx: Transaction, found: Review, by: str, text: str | None
) -> tuple[str | None, dict[str, str]]:
    """Keep free text in a row of its own; its id, and the salted digest that the event may hold."""
    if not text:
        return None, {}
    note = ReviewNote(
        id=platform.ids.new("nte"),
        project=found.project,
        review=found.id,
        by=by,
        salt=platform.ids.secret(16),
        body=text,
        created_at=platform.clock.now(),
    )
    await tx.add(note)
    return note.id, {"note": note.id, "note_sha256": salted_digest(note.salt or "", {"note": text})}


async def undo(platform: Platform, principal: Principal, id: str) -> Review:
    """Take one's own decision back while its grace lasts; the case is held again. Raises Conflict afterwards."""
    async with platform.store.transaction() as tx:
        who, now = await reviewer_of(tx, principal), platform.clock.now()
        found = await case(tx, who.project, id)
        mine = await tx.all(Decision, project=who.project, review=id, by=who.actor, state="pending")
        if not mine or mine[0].effective_at <= now:
            raise Conflict("There is no decision of yours on this review that can still be undone.")
        decision = await tx.change(mine[0], state="undone", settled_at=now)
        found = await tx.change(
            found, state="claimed", lease_until=now + platform.limits.reviews.lease, version=found.version + 1
        )
        await tell_case(platform, tx, "review.undone", found, decision=decision.id, by=who.actor)
    return found


async def check(read: Reading, found: Review, wish: Wish, *, note: bool = True) -> bool:
    """Whether the decision overrides a machine's block. Raises InvalidRequest with every problem of the wish."""
    ruled = await read.get(Verdict, found.verdict)
    override = ruled.decision == "block" and wish.says_yes
    problems = [*_problems(found, wish, await _is_appeal(read, found))]
    if note and not wish.note and _needs_note(found, wish, override):
        problems.append(_problem("/note", "required", "Say why: this allows what is severe or what a machine blocked."))
    if problems:
        raise InvalidRequest("This decision is not possible as it is.", errors=problems)
    return override


def _needs_note(found: Review, wish: Wish, override: bool) -> bool:
    return override or (wish.says_yes and found.severe)


async def _is_appeal(read: Reading, found: Review) -> bool:
    root = await read.get(Review, found.of) if found.of and found.kind != "appeal" else found
    return root.kind == "appeal"


def _problems(found: Review, wish: Wish, appeal: bool) -> list[FieldError]:
    problems: list[FieldError] = []
    usual = _OF_APPEALS if appeal else _OF_CASES | ({"needs_second"} if found.kind == "first" else set[str]())
    if wish.action not in usual:
        problems.append(_problem("/action", "not_possible", f"For this review choose: {', '.join(sorted(usual))}."))
    if wish.reason_code not in (*REASON_CODES, *CLEARED):
        problems.append(_problem("/reason_code", "unknown_code", "Name one of the reason codes, or NO_VIOLATION."))
    if wish.message is not None and wish.message not in MESSAGES:
        problems.append(_problem("/message", "unknown_message", f"Choose: {', '.join(MESSAGES)}."))
    for name, action in (("audience", "restrict_audience"), ("desk", "escalate")):
        if (getattr(wish, name) is None) == (wish.action == action):
            problems.append(_problem(f"/{name}", "misplaced", f"{action} needs it, and nothing else takes it."))
    return problems


def _problem(pointer: str, code: str, message: str) -> FieldError:
    return FieldError(pointer=pointer, code=code, message=message)


def _seconding(found: Review, who: Reviewer, wish: Wish, override: bool) -> Seconding:
    if found.kind not in ("first", "appeal") or wish.action not in OUTCOME:
        return "none"
    deceives = found.reason_code in DECEPTION_CODES and found.audience == "newsroom"
    return "required" if found.severe or override or deceives else "none"
