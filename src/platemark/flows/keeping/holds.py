"""Legal holds: placed and released by people, ended by time; whatever deletes or erases asks here first."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from platemark.core.audit import salted_digest
from platemark.core.errors import Conflict, FieldError, InvalidRequest, LegalHold, NotAllowed, NotFound
from platemark.core.event import EventType
from platemark.core.generation import Generation, PromptText
from platemark.core.hold import Hold, HoldReason
from platemark.core.image import Image
from platemark.core.ports import Page, Platform, Query, Reading, Transaction
from platemark.core.project import Principal
from platemark.core.upload import Upload
from platemark.flows.digests import user_digest
from platemark.flows.foureyes import SINGLE_OPERATOR, several
from platemark.flows.note import emit

# A hold that is meant for longer is placed again: somebody has to want it still.
LONGEST = timedelta(days=2 * 366)
# Who placed a hold that no person has.
SYSTEM = "system"


async def place(
    platform: Platform,
    principal: Principal,
    *,
    reason_code: HoldReason,
    until: datetime,
    image: str | None = None,
    generation: str | None = None,
    user: str | None = None,
    note: str | None = None,
) -> Hold:
    """Keep an image, a generation with its images, or everything of one end user, until a time.

    `user` is the id that the app gave; only its digest is kept. Raises NotAllowed, InvalidRequest, NotFound.
    """
    principal.require("moderation:manage")
    _check(platform, until, (image, generation, user))
    now, text = platform.clock.now(), personal(platform, principal.project, {"note": note}) if note else None
    hold = Hold(
        id=platform.ids.new("hld"),
        project=principal.project,
        image=image,
        generation=generation,
        user_sha256=user_digest(principal.project, user) if user else None,
        reason_code=reason_code,
        note=text.id if text else None,
        note_sha256=salted_digest(text.salt or "", text.body or {}) if text else None,
        created_by=principal.actor,
        created_at=now,
        until=until,
    )
    async with platform.store.transaction() as tx:
        await _there(tx, hold)
        await tx.add(*([text] if text else []))
        await _add(platform, tx, hold)
    return hold


async def freeze(platform: Platform, tx: Transaction, image: Image) -> Hold:
    """Keep what may have to be reported: nobody deletes it before somebody with moderation:manage has released it."""
    now = platform.clock.now()
    hold = Hold(
        id=platform.ids.new("hld"),
        project=image.project,
        image=image.id,
        reason_code="law_enforcement",
        created_by=SYSTEM,
        created_at=now,
        until=now + LONGEST,
    )
    await _add(platform, tx, hold)
    return hold


async def _add(platform: Platform, tx: Transaction, hold: Hold) -> None:
    await tx.add(hold)
    about = hold.model_dump(mode="json", include={"reason_code", "until", "note_sha256", "user_sha256"})
    await _tell(platform, tx, "hold.placed", hold, **about, by=hold.created_by)


def _check(platform: Platform, until: datetime, named: tuple[str | None, ...]) -> None:
    now, errors = platform.clock.now(), list[FieldError]()
    if sum(each is not None for each in named) != 1:
        message = "name exactly one of image, generation and user"
        errors.append(FieldError(pointer="", code="one_of", message=message))
    if not now < until <= now + LONGEST:
        message = f"must lie in the future, at most {LONGEST.days} days from now"
        errors.append(FieldError(pointer="/until", code="out_of_range", message=message))
    if errors:
        raise InvalidRequest(f"The hold cannot be placed: {errors[0].message}.", errors=errors)


async def _there(read: Reading, hold: Hold) -> None:
    image = await read.find(Image, hold.image) if hold.image else None
    generation = await read.find(Generation, hold.generation) if hold.generation else None
    for id, found in ((hold.image, image), (hold.generation, generation)):
        if id is not None and (found is None or found.project != hold.project):
            raise NotFound(f"There is no {id!r} in this project.")


def personal(platform: Platform, project: str, body: Mapping[str, Any]) -> PromptText:
    """What a person wrote, in a row of its own that can be erased."""
    now, salt = platform.clock.now(), platform.ids.secret(16)
    return PromptText(id=platform.ids.new("txt"), project=project, salt=salt, body=dict(body), created_at=now)


async def release(platform: Platform, principal: Principal, hold_id: str) -> Hold:
    """End a hold before its time. Once two people work in the project, somebody else than who placed it has to.

    Raises NotAllowed, NotFound, Conflict for one that has ended.
    """
    principal.require("moderation:manage")
    async with platform.store.transaction() as tx:
        hold = await own(tx, principal, hold_id)
        if not active(hold, platform.clock.now()):
            raise Conflict(f"The hold {hold.id} has ended already.")
        alone = hold.created_by == principal.actor
        if alone and await several(tx, hold.project):
            raise NotAllowed("A hold is released by somebody else than who placed it. Ask a colleague.")
        hold = await tx.change(hold, released_at=platform.clock.now(), released_by=principal.actor)
        said = {SINGLE_OPERATOR: True} if alone else {}
        await _tell(platform, tx, "hold.released", hold, by=principal.actor, **said)
    return hold


async def own(read: Reading, principal: Principal, hold_id: str) -> Hold:
    """A hold of the caller's project. Raises NotFound."""
    hold = await read.find(Hold, hold_id)
    if hold is None or hold.project != principal.project:
        raise NotFound(f"There is no hold {hold_id!r} in this project.")
    return hold


async def find(platform: Platform, principal: Principal, hold_id: str) -> tuple[Hold, str | None]:
    """One hold and its note. Raises NotAllowed, NotFound."""
    principal.require("moderation:manage")
    async with platform.store.reading() as read:
        hold = await own(read, principal, hold_id)
        return hold, await _note(read, hold)


async def listing(platform: Platform, principal: Principal, query: Query) -> Page[Hold]:
    """A page of the project's holds, newest first."""
    principal.require("moderation:manage")
    async with platform.store.reading() as read:
        return await read.page(Hold, query)


async def _note(read: Reading, hold: Hold) -> str | None:
    text = await read.find(PromptText, hold.note) if hold.note else None
    return (text.body or {}).get("note") if text else None


def active(hold: Hold, now: datetime) -> bool:
    """Whether it keeps anything at this moment."""
    return hold.released_at is None and hold.until > now


async def holding(
    read: Reading, project: str, now: datetime, *, image: str | None = None, generation: str | None = None
) -> Hold | None:
    """The hold that keeps an image, or a generation with all its images; None where there is none."""
    users = [noun.user_sha256 for noun in await _origins(read, image, generation)]
    wanted: list[dict[str, Any]] = [{"user_sha256": user} for user in users if user]
    if image is not None:
        wanted.append({"image": image})
        found = await read.find(Image, image)
        generation = generation or (found.generation if found else None)
    elif generation is not None:
        wanted += [{"image": each.id} for each in await read.all(Image, generation=generation)]
    if generation is not None:
        wanted.append({"generation": generation})
    for equals in wanted:
        for hold in await read.all(Hold, project=project, released_at=None, **equals):
            if active(hold, now):
                return hold
    return None


async def _origins(read: Reading, image: str | None, generation: str | None) -> list[Generation | Upload]:
    """Where the end user of a picture stands: the generation or the upload that it came from."""
    found: list[Generation | Upload] = []
    if image is not None:
        row = await read.find(Image, image)
        generation = generation or (row.generation if row else None)
        found += await read.all(Upload, image=image)
    origin = await read.find(Generation, generation) if generation else None
    return [*found, *([origin] if origin else [])]


async def user_of(read: Reading, image: Image) -> str | None:
    """The digest of the end user that an image was made or uploaded for."""
    found = (origin.user_sha256 for origin in await _origins(read, image.id, None))
    return next(filter(None, found), None)


async def refuse(
    platform: Platform, tx: Transaction, project: str, *, image: str | None = None, generation: str | None = None
) -> None:
    """Raise LegalHold where a hold keeps it. Called in the transaction that would delete or erase."""
    hold = await holding(tx, project, platform.clock.now(), image=image, generation=generation)
    if hold is not None:
        raise LegalHold(
            f"{image or generation} is kept by the legal hold {hold.id} until {hold.until:%Y-%m-%d %H:%M} UTC. It can "
            "be deleted and erased after that, or once somebody with moderation:manage has released the hold."
        )


async def refuse_same(platform: Platform, tx: Transaction, hold: Hold) -> None:
    """Raise LegalHold while this hold, or another one of the very same thing, keeps it."""
    now = platform.clock.now()
    about: dict[str, Any] = {"image": hold.image, "generation": hold.generation, "user_sha256": hold.user_sha256}
    same = await tx.all(Hold, project=hold.project, released_at=None, **about)
    if keeping := next((each for each in same if active(each, now)), None):
        raise LegalHold(
            f"The hold {keeping.id} is in force. Its notes can be erased once it was released or has ended."
        )
    if hold.image or hold.generation:
        await refuse(platform, tx, hold.project, image=hold.image, generation=hold.generation)


async def end_due(platform: Platform) -> int:
    """Write down which holds have ended by time. Returns how many."""
    now = platform.clock.now()
    async with platform.store.reading() as read:
        due = await read.before(Hold, "until", now, released_at=None)
    for hold in due:
        await _end(platform, hold)
    return len(due)


async def _end(platform: Platform, hold: Hold) -> None:
    try:
        async with platform.store.transaction() as tx:
            await tx.change(hold, released_at=hold.until, released_by="time")
            await _tell(platform, tx, "hold.ended", hold)
    except Conflict:
        return


async def _tell(platform: Platform, tx: Transaction, type: EventType, hold: Hold, **data: Any) -> None:
    facts = {"hold": hold.id, **data}
    await emit(platform, tx, type, hold.project, facts, generation=hold.generation, image=hold.image)
