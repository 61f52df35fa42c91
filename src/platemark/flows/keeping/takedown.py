"""Takedown: a notice that pictures must go, its clock, and what is done about them. Only people reject a notice."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from platemark.core.audit import salted_digest
from platemark.core.base import JsonObject
from platemark.core.errors import Conflict, FieldError, InvalidRequest, NotFound
from platemark.core.event import EventType
from platemark.core.generation import PromptText
from platemark.core.image import Image
from platemark.core.ports import Page, Platform, Query, Reading, Transaction
from platemark.core.project import Principal
from platemark.core.takedown import CODES, COUNTED, OPEN, WARN_AT, WITHIN, Takedown, TakedownImage, TakedownKind
from platemark.flows.hashlists import add_image
from platemark.flows.keeping.copies import Copy, copies_of
from platemark.flows.keeping.delete import end_publications
from platemark.flows.keeping.holds import personal, user_of
from platemark.flows.note import emit, tell
from platemark.telemetry import TAKEDOWNS, TAKEDOWNS_BREACHED, logger

log = logger(__name__)
_IMAGE_ID = re.compile(r"img_[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice with its pictures and what was claimed (None once erased). `strikes`: by digest of the end user."""

    takedown: Takedown
    images: tuple[TakedownImage, ...]
    statement: JsonObject | None
    strikes: dict[str, int]


async def file(
    platform: Platform, principal: Principal, kind: TakedownKind, named: Sequence[str], statement: JsonObject
) -> Notice:
    """Write a notice down and look for copies of what it names. Nothing is blocked before a person decides.

    `named`: ids of images of the project, or URLs that hold one. Raises InvalidRequest with every one that is not ours.
    """
    principal.require("images:write")
    text = personal(platform, principal.project, statement)
    now = platform.clock.now()
    notice = Takedown(
        id=platform.ids.new("tdn"),
        project=principal.project,
        kind=kind,
        state="received",
        statement=text.id,
        statement_sha256=salted_digest(text.salt or "", text.body or {}),
        created_by=principal.actor,
        created_at=now,
        due_at=now + WITHIN[kind],
        warn_at=now + WITHIN[kind] * WARN_AT,
    )
    images = await _named(platform, principal.project, named)
    rows = await _rows(platform, notice, images)
    async with platform.store.transaction() as tx:
        await tx.add(text, notice, *rows)
        counts = {"images": len(images), "copies": len(rows) - len(images)}
        about = notice.model_dump(mode="json", include={"kind", "statement_sha256", "due_at"})
        await _tell(platform, tx, "takedown.received", notice, **about, **counts, by=principal.actor)
    TAKEDOWNS.labels(kind, "received").inc()
    return Notice(notice, rows, text.body, {})


async def _named(platform: Platform, project: str, named: Sequence[str]) -> list[Image]:
    found, errors = dict[str, Image](), list[FieldError]()
    async with platform.store.reading() as read:
        for index, text in enumerate(named):
            ids = _IMAGE_ID.findall(text)
            image = await read.find(Image, ids[0]) if len(ids) == 1 else None
            if image is not None and image.project == project:
                found[image.id] = image
            else:
                message = "names no image of this project; give its img_ id or a URL of ours with that id"
                errors.append(FieldError(pointer=f"/images/{index}", code="unknown_image", message=message))
    if errors:
        raise InvalidRequest("The notice names pictures that are not known here.", errors=errors)
    return list(found.values())


async def _rows(platform: Platform, notice: Takedown, images: Sequence[Image]) -> tuple[TakedownImage, ...]:
    own = {image.id: Copy(image.id, "named", 0) for image in images}
    for image in images:
        for copy in await copies_of(platform, image):
            own.setdefault(copy.image, copy)
    async with platform.store.reading() as read:
        return tuple(
            [
                TakedownImage(
                    id=platform.ids.new("tdi"),
                    project=notice.project,
                    takedown=notice.id,
                    image=copy.image,
                    how=copy.how,
                    distance=copy.distance,
                    user_sha256=await user_of(read, await read.get(Image, copy.image)),
                )
                for copy in own.values()
            ]
        )


async def find(platform: Platform, principal: Principal, takedown_id: str) -> Notice:
    """One notice with everything about it. Raises NotAllowed, NotFound."""
    principal.require("moderation:manage")
    async with platform.store.reading() as read:
        return await _notice(read, await own(read, principal, takedown_id))


async def listing(platform: Platform, principal: Principal, query: Query) -> Page[Takedown]:
    """A page of the project's notices, newest first."""
    principal.require("moderation:manage")
    async with platform.store.reading() as read:
        return await read.page(Takedown, query)


async def _notice(read: Reading, takedown: Takedown) -> Notice:
    images = await read.all(TakedownImage, takedown=takedown.id)
    text = await read.find(PromptText, takedown.statement)
    users = {each.user_sha256 for each in images if each.user_sha256}
    strikes = {user: await strikes_of(read, takedown.project, user) for user in sorted(users)}
    return Notice(takedown, tuple(images), text.body if text else None, strikes)


async def strikes_of(read: Reading, project: str, user_sha256: str) -> int:
    """In how many notices about infringement pictures of this end user were taken down."""
    rows = await read.all(TakedownImage, project=project, user_sha256=user_sha256)
    done = {row.takedown for row in rows if row.done_at and row.how == "named"}
    kinds = [await read.get(Takedown, id) for id in done]
    return sum(notice.kind in COUNTED for notice in kinds)


async def own(read: Reading, principal: Principal, takedown_id: str) -> Takedown:
    """A notice of the caller's project. Raises NotFound."""
    found = await read.find(Takedown, takedown_id)
    if found is None or found.project != principal.project:
        raise NotFound(f"There is no takedown notice {takedown_id!r} in this project.")
    return found


async def images_of(read: Reading, takedown: Takedown) -> list[TakedownImage]:
    """The pictures that it names, and copies of them."""
    return await read.all(TakedownImage, takedown=takedown.id)


async def add(platform: Platform, principal: Principal, takedown_id: str, named: Sequence[str]) -> Notice:
    """Further pictures for a notice that is open, with their copies. Raises NotFound, Conflict, InvalidRequest."""
    principal.require("moderation:manage")
    async with platform.store.reading() as read:
        notice = await own(read, principal, takedown_id)
        known = {row.image for row in await read.all(TakedownImage, takedown=notice.id)}
    images = await _named(platform, principal.project, named)
    rows = [row for row in await _rows(platform, notice, images) if row.image not in known]
    async with platform.store.transaction() as tx:
        current = await own(tx, principal, takedown_id)
        if current.state != "received":
            raise Conflict(f"This notice is {current.state}: file a new one.")
        await tx.add(*rows)
        return await _notice(tx, current)


async def act(platform: Platform, principal: Principal, takedown_id: str) -> Notice:
    """Take down every picture of the notice: withdraw, block, and list it so that it does not come back.

    Goes on where a crash stopped it. Acting twice is acting once. Raises NotAllowed, NotFound, Conflict.
    """
    principal.require("moderation:manage")
    notice = await find(platform, principal, takedown_id)
    if notice.takedown.state == "received":
        async with platform.store.transaction() as tx:
            current = await own(tx, principal, takedown_id)
            code, now = CODES[current.kind], platform.clock.now()
            changes: dict[str, Any] = {"decided_by": principal.actor, "decided_at": now, "reason_code": code}
            current = await tx.change(current, state="acting", **changes)
            await _tell(platform, tx, "takedown.acting", current, by=principal.actor, reason_code=code)
    elif notice.takedown.state not in ("acting", "actioned"):
        raise Conflict(f"This notice is {notice.takedown.state} already. File a new one.")
    await carry_out(platform, takedown_id)
    return await find(platform, principal, takedown_id)


async def carry_out(platform: Platform, takedown_id: str) -> None:
    """Do what was decided: one transaction a picture, so that a crash loses nothing and repeats nothing."""
    async with platform.store.reading() as read:
        takedown = await read.get(Takedown, takedown_id)
        rows = await read.all(TakedownImage, takedown=takedown_id, done_at=None)
    if takedown.state != "acting":
        return
    for row in rows:
        await _take_down(platform, takedown, row)
    try:
        async with platform.store.transaction() as tx:
            current = await tx.change(await tx.get(Takedown, takedown_id), state="actioned")
            images = await tx.all(TakedownImage, takedown=takedown_id)
            in_time = bool(current.decided_at and current.decided_at <= current.due_at)
            await _tell(platform, tx, "takedown.actioned", current, images=len(images), in_time=in_time)
    except Conflict:
        return
    TAKEDOWNS.labels(takedown.kind, "actioned").inc()


async def _take_down(platform: Platform, takedown: Takedown, row: TakedownImage) -> None:
    async with platform.store.transaction() as tx:
        current = await tx.get(TakedownImage, row.id)
        if current.done_at is not None:
            return
        image = await tx.get(Image, row.image)
        await tx.change(current, done_at=platform.clock.now())
        await end_publications(platform, tx, image, by=takedown.id)
        was = image.moderation_state
        if was != "blocked":
            image = await tx.change(image, moderation_state="blocked", reason_code=takedown.reason_code)
        code, by = takedown.reason_code or "", takedown.decided_by or ""
        await add_image(platform, tx, image, reason_code=code, by=by)
        strikes = await strikes_of(tx, takedown.project, row.user_sha256) if row.user_sha256 else 0
        await tell(
            platform,
            tx,
            "image.blocked",
            image,
            takedown=takedown.id,
            reason_code=code,
            was=was,
            strikes=strikes,
            by=by,
        )


async def reject(platform: Platform, principal: Principal, takedown_id: str, reason_code: str) -> Notice:
    """Refuse a notice; a person's decision. Raises NotAllowed, NotFound, Conflict unless it is still open."""
    principal.require("moderation:manage")
    return await _close(platform, principal, takedown_id, "rejected", "takedown.rejected", reason_code)


async def withdraw(platform: Platform, principal: Principal, takedown_id: str) -> Notice:
    """The claimant takes the notice back. Raises NotAllowed, NotFound, Conflict unless it is still open."""
    principal.require("moderation:manage")
    return await _close(platform, principal, takedown_id, "withdrawn", "takedown.withdrawn", None)


async def _close(
    platform: Platform, principal: Principal, takedown_id: str, state: str, type: EventType, code: str | None
) -> Notice:
    now = platform.clock.now()
    async with platform.store.transaction() as tx:
        current = await own(tx, principal, takedown_id)
        changes: dict[str, Any] = {"decided_by": principal.actor, "decided_at": now, "reason_code": code}
        current = await tx.change(current, state=state, **changes)
        facts = {"reason_code": code, "in_time": now <= current.due_at} if state == "rejected" else {}
        await _tell(platform, tx, type, current, by=principal.actor, **facts)
        notice = await _notice(tx, current)
    TAKEDOWNS.labels(current.kind, state).inc()
    return notice


async def watch(platform: Platform) -> int:
    """Warn, tell of breaches, and go on with what was being carried out. Returns how many notices moved."""
    now, moved = platform.clock.now(), 0
    async with platform.store.reading() as read:
        warn = await read.before(Takedown, "warn_at", now, state="received", warned_at=None)
        late = await read.before(Takedown, "due_at", now, state="received", breached_at=None)
        acting = await read.before(Takedown, "created_at", now, state="acting")
    for notice in warn:
        moved += await _mark(platform, notice, "takedown.due_soon", "warned_at")
    for notice in late:
        if await _mark(platform, notice, "takedown.breached", "breached_at"):
            TAKEDOWNS_BREACHED.labels(notice.kind).inc()
            log.error("takedown.breached", takedown=notice.id, kind=notice.kind)
            moved += 1
    for notice in acting:
        await carry_out(platform, notice.id)
    return moved + len(acting)


async def _mark(platform: Platform, notice: Takedown, type: EventType, field: str) -> bool:
    try:
        async with platform.store.transaction() as tx:
            current = await tx.get(Takedown, notice.id)
            if current.state not in OPEN or getattr(current, field) is not None:
                return False
            current = await tx.change(current, **{field: platform.clock.now()})
            await _tell(platform, tx, type, current, due_at=current.due_at.isoformat())
    except Conflict:
        return False
    return True


async def _tell(platform: Platform, tx: Transaction, type: EventType, notice: Takedown, **data: Any) -> None:
    await emit(platform, tx, type, notice.project, {"takedown": notice.id, **data})
