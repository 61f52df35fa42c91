"""Deliver: releases on their way to targets and out of them, each a row that is written before anything is sent."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from platemark.core.base import JsonObject
from platemark.core.delivery import Delivery, DeliveryAction
from platemark.core.errors import DeliveryFailed, DeliveryUnavailable, NotFound, PlatemarkError
from platemark.core.image import Image, Publication
from platemark.core.ports import Parcel, Platform, Reading, Target, Transaction
from platemark.core.rendition import Rendition
from platemark.flows.due import each_due
from platemark.flows.note import tell
from platemark.telemetry import logger, span

log = logger(__name__)
TOPIC = "deliveries"
# Longer than any target may take: another worker tries again then.
_LEASE = timedelta(minutes=5)


async def plan(
    platform: Platform,
    tx: Transaction,
    publication: Publication,
    targets: Iterable[str],
    action: DeliveryAction = "deliver",
) -> None:
    """Write down what is to be sent, unless it is already."""
    known = {row.target for row in await tx.all(Delivery, publication=publication.id, action=action)}
    for target in targets:
        if target not in known:
            await tx.add(_row(platform, publication, target, action))


def _row(platform: Platform, publication: Publication, target: str, action: DeliveryAction) -> Delivery:
    now = platform.clock.now()
    return Delivery(
        id=platform.ids.new("dlv"),
        project=publication.project,
        image=publication.image,
        publication=publication.id,
        target=target,
        action=action,
        state="pending",
        next_at=now,
        created_at=now,
        changed_at=now,
    )


async def recall(platform: Platform, tx: Transaction, publication: Publication) -> None:
    """A release is taken back: what was not sent is not sent any more, and what was sent is taken out again.

    What may be on its way in this moment is waited for. Twice is once.
    """
    recalled = {row.target for row in await tx.all(Delivery, publication=publication.id, action="withdraw")}
    for sent in await tx.all(Delivery, publication=publication.id, action="deliver"):
        if sent.state == "pending":
            gone: JsonObject = {"code": "withdrawn", "detail": "It was withdrawn before it was delivered."}
            await tx.change(sent, state="failed", error=gone, next_at=None, changed_at=platform.clock.now())
        if sent.needs_attention:
            await tx.change(sent, needs_attention=False)
        if sent.attempts and sent.target not in recalled:
            row = _row(platform, publication, sent.target, "withdraw")
            under_way = sent.next_at if sent.state == "pending" else None
            await tx.add(row.model_copy(update={"next_at": under_way or row.next_at}))


async def recall_all(platform: Platform, tx: Transaction, image: Image) -> None:
    """An image gives no bytes any more: neither do the targets of its releases."""
    for publication in await tx.all(Publication, image=image.id, state="published"):
        await recall(platform, tx, publication)


async def carry_out(platform: Platform, *, limit: int = 20) -> int:
    """Send what is due. Returns how many were tried. Safe beside other workers and after any crash."""
    return await each_due(
        platform, Delivery, "next_at", attempt, limit=limit, trouble="delivery.broken", state="pending"
    )


async def attempt(platform: Platform, row: Delivery) -> None:
    """One try. Raises Conflict where somebody else is at it."""
    async with platform.store.transaction() as tx:
        row = await tx.change(row, attempts=row.attempts + 1, next_at=platform.clock.now() + _LEASE)
    try:
        with span("deliver"):
            receipt = await _send(platform, row)
    except PlatemarkError as error:
        await _failed(platform, row, error)
        return
    async with platform.store.transaction() as tx:
        image = await tx.get(Image, row.image)
        done: dict[str, Any] = {"state": "delivered", "receipt": dict(receipt), "error": None, "next_at": None}
        row = await tx.change(row, **done, changed_at=platform.clock.now())
        await tell(platform, tx, "delivery.made", image, **_said(row))


async def _send(platform: Platform, row: Delivery) -> JsonObject:
    target = _target(platform, row)
    parcel = await _parcel(platform, row)
    return dict(await (target.deliver(parcel) if row.action == "deliver" else target.withdraw(parcel)))


def _target(platform: Platform, row: Delivery) -> Target:
    try:
        return platform.targets[row.target]
    except KeyError:
        raise DeliveryFailed(
            f"No target {row.target!r} is configured any more. Configure it again (setting targets) and retry."
        ) from None


async def _parcel(platform: Platform, row: Delivery) -> Parcel:
    async with platform.store.reading() as read:
        publication = await read.get(Publication, row.publication)
        renditions = await read.all(Rendition, publication=row.publication, order_by="id")
        sent = await read.all(Delivery, publication=row.publication, target=row.target, action="deliver")
    if row.action == "deliver" and publication.state != "published":
        raise DeliveryFailed(f"The publication is {publication.state}: nothing was sent.")
    files = [
        (one.filename, await platform.blobs.get(f"{one.project}/{one.sha256}"))
        for one in renditions
        if row.action == "deliver"
    ]
    return Parcel(
        id=row.id,
        publication=publication.id,
        moment=platform.clock.now(),
        document=document(publication, renditions),
        files=tuple(files),
        receipt=next((each.receipt for each in sent if each.receipt), None),
    )


def document(publication: Publication, renditions: Iterable[Rendition]) -> JsonObject:
    """What targets are told of a release, besides its bytes. No prompt, no user, no key."""
    return {
        "publication": publication.id,
        "image": publication.image,
        "audience": publication.audience,
        "state": publication.state,
        "changed_at": publication.changed_at.isoformat(),
        "published_at": publication.published_at.isoformat() if publication.published_at else None,
        "ai_disclosure": publication.disclosure,
        "label_text": publication.label_text,
        "burn_label": publication.burn_label,
        "alt_text": publication.alt_text,
        "verify_path": f"/verify/{publication.id}",
        "files": [
            one.model_dump(mode="json", include={"name", "sha256", "size", "media_type", "width", "height"})
            | {"filename": one.filename, "path": f"/v1/publications/{publication.id}/content?rendition={one.name}"}
            for one in renditions
        ],
    }


async def _failed(platform: Platform, row: Delivery, error: PlatemarkError) -> None:
    last = row.attempts >= platform.limits.max_delivery_attempts
    # What our own store or database did is no answer of the target.
    final = last or (isinstance(error, DeliveryFailed | NotFound) and not isinstance(error, DeliveryUnavailable))
    kept = {"code": error.code, "detail": error.detail}
    now = platform.clock.now()
    async with platform.store.transaction() as tx:
        if not final:
            wait = timedelta(seconds=error.retry_after or 0.0)
            next_at = max(again_at(platform, row.attempts), now + wait)
            await tx.change(row, error=kept, next_at=next_at, changed_at=now)
            return
        image = await tx.get(Image, row.image)
        row = await tx.change(row, state="failed", error=kept, needs_attention=True, next_at=None, changed_at=now)
        await tell(platform, tx, "delivery.failed", image, **_said(row), code=error.code)
    log.warning("delivery.failed", delivery=row.id, target=row.target, code=error.code)


def again_at(platform: Platform, attempts: int) -> datetime:
    """When to try once more, after so many tries: twice as long each time, spread by chance."""
    limits = platform.limits
    seconds = min(limits.delivery_base_seconds * 2 ** max(0, attempts - 1), limits.delivery_cap_seconds)
    return platform.clock.now() + timedelta(seconds=seconds * (0.75 + platform.ids.fraction() / 2))


def _said(row: Delivery) -> dict[str, Any]:
    return {
        "delivery": row.id,
        "publication": row.publication,
        "target": row.target,
        "action": row.action,
        "attempts": row.attempts,
    }


async def of(read: Reading, publication: str) -> list[Delivery]:
    """Every delivery of a release, oldest first."""
    return await read.all(Delivery, publication=publication, order_by="id")


async def retry(platform: Platform, tx: Transaction, image: Image, publication: Publication, *, by: str) -> int:
    """Try once more whatever asks for attention. Returns how many."""
    now, tried = platform.clock.now(), 0
    for row in await tx.all(Delivery, publication=publication.id, state="failed"):
        if row.needs_attention:
            changes: dict[str, Any] = {"attempts": 0, "needs_attention": False, "next_at": now, "changed_at": now}
            row = await tx.change(row, state="pending", **changes)
            await tell(platform, tx, "delivery.retried", image, **_said(row), by=by)
            tried += 1
    return tried
