"""Review: the queue of cases that wait for a person, and who holds which one for how long."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from platemark.core.errors import Conflict, NotAllowed, NotFound
from platemark.core.ports import Page, Platform, Query, Reading, Transaction
from platemark.core.project import Person, Principal
from platemark.core.review import Review, ReviewerChoice
from platemark.flows.foureyes import SINGLE_OPERATOR, several
from platemark.flows.note import tell_case

Letting = Literal["not_now", "unsure", "conflict_of_interest", "distress", "other"]
_MOMENT = timedelta(microseconds=1)
_LEVEL_OF_ADMINS = 3


@dataclass(frozen=True, slots=True)
class Reviewer:
    """Who decides. `alone`: nobody else works in the project, so the rules of four eyes do not hold yet."""

    actor: str
    key: str
    project: str
    level: int
    alone: bool


async def reviewer_of(read: Reading, principal: Principal) -> Reviewer:
    """The caller as a reviewer. Raises NotAllowed without the scope, or for nobody's key where several people work."""
    principal.require("reviews:decide")
    alone = not await several(read, principal.project)
    if not alone and principal.person is None:
        raise NotAllowed(
            "Several people work in this project, so a case is held by a person. Use a key that belongs to one."
        )
    person = await read.find(Person, principal.person) if principal.person else None
    admin = alone or (person is not None and person.roles.get(principal.project) == "admin")
    return Reviewer(principal.actor, principal.key, principal.project, _LEVEL_OF_ADMINS if admin else 2, alone)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Filters of the queue; None and empty ones do not filter. `waiting`: for at least so long.

    `since`, which is included, and `until`, which is not: when the case was opened.
    """

    equals: dict[str, Any] = field(default_factory=dict[str, Any])
    waiting: timedelta | None = None
    limit: int = 50
    cursor: str | None = None
    since: datetime | None = None
    until: datetime | None = None


async def queue(platform: Platform, principal: Principal, wanted: Wanted) -> Page[Review]:
    """One page of the open cases, riskiest first, then those that are due first.

    A case that is raised, or goes to another desk, while somebody turns the pages changes its place and may be missed
    or seen twice. Raises InvalidRequest for a cursor that is not of a queue.
    """
    principal.require("reviews:decide")
    query = Query(
        principal.project,
        limit=wanted.limit,
        cursor=wanted.cursor,
        equals={"state": ("pending", "claimed"), **wanted.equals},
        since=wanted.since,
        until=_until(wanted, platform.clock.now()),
    )
    async with platform.store.reading() as read:
        return await read.page_by(Review, "place", query)


def _until(wanted: Wanted, now: datetime) -> datetime | None:
    # Who came at the last moment of it has waited for long enough.
    waited = [now - wanted.waiting + _MOMENT] if wanted.waiting is not None else []
    return min((*waited, *([wanted.until] if wanted.until else [])), default=None)


async def page(platform: Platform, principal: Principal, query: Query) -> Page[Review]:
    """All cases of the project, also those that have ended, newest first."""
    principal.require("reviews:decide")
    async with platform.store.reading() as read:
        return await read.page(Review, query)


async def case(read: Reading, project: str, id: str) -> Review:
    """One case of the project. Raises NotFound."""
    found = await read.find(Review, id)
    if found is None or found.project != project:
        raise NotFound(f"There is no review {id!r} in this project.")
    return found


async def claim(platform: Platform, principal: Principal, id: str) -> Review:
    """Hold a case for ten minutes. Claiming one's own again renews it.

    Raises Conflict where somebody else holds it or it has ended, NotAllowed where the caller may not decide it.
    """
    async with platform.store.transaction() as tx:
        who = await reviewer_of(tx, principal)
        return await take(platform, tx, who, await case(tx, principal.project, id))


async def claim_next(platform: Platform, principal: Principal, wanted: Wanted) -> Review | None:
    """Claim the first case of the queue that the caller may decide; None where there is none."""
    while True:
        head = await queue(platform, principal, wanted)
        for waiting in head.data:
            try:
                return await claim(platform, principal, waiting.id)
            except (Conflict, NotAllowed):
                # Somebody else was faster, or this one is not for the caller.
                continue
        if head.next_cursor is None:
            return None
        wanted = replace(wanted, cursor=head.next_cursor)


async def take(platform: Platform, tx: Transaction, who: Reviewer, found: Review) -> Review:
    """Claim within a transaction."""
    now = platform.clock.now()
    if found.claimed_by == who.actor and found.state == "claimed":
        return await tx.change(found, lease_until=now + platform.limits.reviews.lease)
    _check_free(found, now)
    _check_may(found, who)
    await _check_choice(tx, found, who)
    taken = await tx.change(
        found,
        state="claimed",
        claimed_by=who.actor,
        claimed_at=now,
        lease_until=now + platform.limits.reviews.lease,
        version=found.version + 1,
    )
    more = {"took_over": found.claimed_by} if found.state == "claimed" else {}
    await tell_case(platform, tx, "review.claimed", taken, by=who.actor, level=taken.level, **more, **alone(found, who))
    return taken


def alone(found: Review, who: Reviewer) -> dict[str, bool]:
    """What an event says where a second person would have been needed and there is none."""
    return {SINGLE_OPERATOR: True} if who.alone and not _is_stranger(found, who) else {}


def _is_stranger(found: Review, who: Reviewer) -> bool:
    return who.actor not in (*found.barred, found.requester)


def _check_free(found: Review, now: datetime) -> None:
    if found.state not in ("pending", "claimed"):
        raise Conflict(f"This review is {found.state}; only one that is pending can be claimed.")
    if found.state == "claimed" and found.lease_until is not None and found.lease_until > now:
        raise Conflict(
            f"Somebody else holds this review until {found.lease_until:%H:%M:%S} UTC. Take another one, or wait."
        )


def _check_may(found: Review, who: Reviewer) -> None:
    if not who.alone and not _is_stranger(found, who):
        raise NotAllowed("You asked for this yourself, or have ruled on it before. Somebody else has to decide it.")
    if found.level > who.level:
        raise NotAllowed(f"This review is of level {found.level}: only an administrator of the project decides it.")


async def _check_choice(read: Reading, found: Review, who: Reviewer) -> None:
    choice = await read.find(ReviewerChoice, choice_id(who))
    if choice is not None and found.reason_code in choice.opted_out:
        raise NotAllowed(f"You chose not to be given {found.reason_code}. Change your choice to take this review.")


def choice_id(who: Reviewer) -> str:
    """The id of a person's choices in a project."""
    return f"{who.project}/{who.actor}"


async def held(platform: Platform, tx: Transaction, who: Reviewer, id: str, version: int | None = None) -> Review:
    """The case, which the caller holds now. Raises Conflict where that is not so, or it has another version."""
    found = await case(tx, who.project, id)
    now = platform.clock.now()
    if found.state != "claimed" or found.claimed_by != who.actor:
        raise Conflict(f"This review is {found.state} and you do not hold it. Claim it first.")
    if found.lease_until is not None and found.lease_until <= now:
        raise Conflict("Your hold on this review has ended. Claim it again, and look whether it has changed.")
    if version is not None and version != found.version:
        raise Conflict(
            f"This review has version {found.version} by now, not {version}. Read it again before you decide."
        )
    return found


async def heartbeat(platform: Platform, principal: Principal, id: str) -> Review:
    """Hold on to a claimed case for another ten minutes. Raises Conflict when the hold has ended."""
    async with platform.store.transaction() as tx:
        found = await held(platform, tx, await reviewer_of(tx, principal), id)
        return await tx.change(found, lease_until=platform.clock.now() + platform.limits.reviews.lease)


async def release(platform: Platform, principal: Principal, id: str, reason: Letting) -> Review:
    """Give a case back, with a reason; with a conflict of interest the caller is not given it again."""
    async with platform.store.transaction() as tx:
        who = await reviewer_of(tx, principal)
        found = await held(platform, tx, who, id)
        barred = (*found.barred, who.actor) if reason == "conflict_of_interest" else found.barred
        return await let_go(platform, tx, found, reason, barred)


async def let_go(platform: Platform, tx: Transaction, found: Review, reason: str, barred: tuple[str, ...]) -> Review:
    """Back into the queue."""
    freed = await tx.change(
        found,
        state="pending",
        claimed_by=None,
        claimed_at=None,
        lease_until=None,
        barred=barred,
        version=found.version + 1,
    )
    await tell_case(platform, tx, "review.released", freed, by=found.claimed_by, reason=reason)
    return freed


async def opt_out(platform: Platform, principal: Principal, codes: tuple[str, ...]) -> ReviewerChoice:
    """Name the reason codes that the caller does not want to be given; an empty list for none."""
    async with platform.store.transaction() as tx:
        who = await reviewer_of(tx, principal)
        # The lock of the project, which an id that bears its name does not tell the store.
        known = await tx.all(ReviewerChoice, project=who.project, by=who.actor)
        now = platform.clock.now()
        if known:
            return await tx.change(known[0], opted_out=codes, changed_at=now)
        choice = ReviewerChoice(id=choice_id(who), project=who.project, by=who.actor, opted_out=codes, changed_at=now)
        await tx.add(choice)
    return choice
