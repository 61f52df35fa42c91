"""Delete: the bytes of an image go with everything made of them; its record and the chain stay (promise P8)."""

from collections.abc import Sequence
from typing import Any

import anyio

from platemark.core.image import Blob, Fingerprint, Image, Publication
from platemark.core.ports import Platform, Transaction
from platemark.core.project import Principal
from platemark.core.rendition import Rendition
from platemark.core.review import OPEN, Review
from platemark.flows import look, registry
from platemark.flows.keeping import forget, holds
from platemark.flows.note import tell, tell_case
from platemark.flows.publications.deliver import recall
from platemark.telemetry import logger

log = logger(__name__)
# Others of the project wait meanwhile; what does not answer by then is tried again later.
_PATIENCE_SECONDS = 5.0


async def delete(platform: Platform, principal: Principal, image_id: str) -> Image:
    """Delete file, original and fingerprint; end publications and open cases. Deleting twice is deleting once.

    Raises NotFound, LegalHold. Bytes that cannot be deleted now are deleted by the sweeper.
    """
    principal.require("images:write")
    image = await look.image(platform, principal, image_id)
    if image.deleted_at is not None:
        return image
    return await drop(platform, image, key=principal.key, by=principal.actor)


async def drop(
    platform: Platform, image: Image, *, key: str | None = None, by: str | None = None, retention: str | None = None
) -> Image:
    """Write the deletion down, then delete what no other image needs. `retention`: the class whose time is over."""
    async with platform.store.transaction() as tx:
        await holds.refuse(platform, tx, image.project, image=image.id)
        image = await tx.change(image, deleted_at=platform.clock.now())
        await _forget(platform, tx, image)
        if image.generation:
            await forget.ask(platform, tx, image.generation)
        await tell(platform, tx, "image.deleted", image, sha256=image.sha256, key=key, by=by, retention=retention)
        digests = {image.sha256, image.original_sha256, *await _drop_renditions(platform, tx, image)}
        doomed = [await _doom(platform, tx, image, digest) for digest in digests]
    await _sweep_all(platform, [blob for blob in doomed if blob])
    return image


async def _forget(platform: Platform, tx: Transaction, image: Image) -> None:
    """What speaks of the pixels, and what still waits for them."""
    for entry in await tx.all(Fingerprint, id=image.id):
        await tx.remove(entry)
    await registry.forget(tx, image)
    await end_publications(platform, tx, image)
    for case in await tx.all(Review, image=image.id, state=OPEN):
        if case.state != "decided":
            ended = await tx.change(case, state="expired", decided_at=platform.clock.now())
            await tell_case(platform, tx, "review.expired", ended)


async def _drop_renditions(platform: Platform, tx: Transaction, image: Image) -> set[str]:
    """The files of its releases lose their bytes and keep their rows: what was public can be told for ever."""
    found = await tx.all(Rendition, image=image.id, deleted_at=None)
    for each in found:
        await tx.change(each, deleted_at=platform.clock.now())
    return {each.sha256 for each in found}


async def end_publications(platform: Platform, tx: Transaction, image: Image, **why: Any) -> None:
    """Take back what is published, refuse what is not yet."""
    now = platform.clock.now()
    for publication in await tx.all(Publication, image=image.id, state=("draft", "held", "published")):
        withdrawn = publication.state == "published"
        ended = await tx.change(
            publication, state="withdrawn" if withdrawn else "rejected", changed_at=now, next_at=None
        )
        if withdrawn:
            await recall(platform, tx, ended)
        type = "publication.withdrawn" if withdrawn else "publication.rejected"
        await tell(platform, tx, type, image, publication=publication.id, audience=publication.audience, **why)


async def _doom(platform: Platform, tx: Transaction, image: Image, digest: str) -> Blob | None:
    """Mark the blob for deletion when no live image names it; checked in the transaction of the deletion."""
    blob = await tx.find(Blob, f"{image.project}/{digest}")
    if blob is None or blob.doomed_at is not None or await _named(tx, blob):
        return None
    return await tx.change(blob, doomed_at=platform.clock.now())


async def _named(tx: Transaction, blob: Blob) -> bool:
    for name in ("sha256", "original_sha256"):
        if await tx.all(Image, project=blob.project, deleted_at=None, limit=1, **{name: blob.sha256}):
            return True
    return bool(await tx.all(Rendition, project=blob.project, sha256=blob.sha256, deleted_at=None, limit=1))


async def _sweep_all(platform: Platform, doomed: Sequence[Blob]) -> int:
    """Delete bytes until the store does not answer: the deletion is written down, and the sweeper tries again."""
    gone = 0
    try:
        for blob in doomed:
            gone += await _sweep_away(platform, blob)
    except Exception:
        log.exception("blob.not_deleted")
    return gone


async def _sweep_away(platform: Platform, blob: Blob) -> bool:
    """Delete the bytes, then the row. In one transaction, so that nobody who stores the same bytes comes between."""
    async with platform.store.transaction() as tx:
        current = await tx.find(Blob, blob.id)
        if current is None or current.doomed_at is None:
            return False
        if await _named(tx, current):
            await tx.change(current, doomed_at=None)
            return False
        with anyio.fail_after(_PATIENCE_SECONDS):
            await platform.blobs.delete(current.id)
        await tx.remove(current)
    return True


async def finish(platform: Platform, *, limit: int = 100) -> int:
    """Delete the bytes that a crash or a store that did not answer left behind. Returns how many are gone."""
    async with platform.store.reading() as read:
        doomed = await read.before(Blob, "doomed_at", platform.clock.now(), limit=limit)
    return await _sweep_all(platform, doomed)


async def clear(platform: Platform, keys: Sequence[str]) -> None:
    """Delete bytes that are doomed from the start, before their time."""
    async with platform.store.reading() as read:
        found = [await read.find(Blob, key) for key in keys]
    await _sweep_all(platform, [blob for blob in found if blob])


async def keep(platform: Platform, tx: Transaction, blob: Blob, data: bytes) -> None:
    """Make sure, in the transaction that names them, that bytes which were put before are still there."""
    row = await tx.find(Blob, blob.id)
    if row is not None and row.doomed_at is not None:
        await tx.change(row, doomed_at=None)
    if (row is None or row.doomed_at is not None) and not await platform.blobs.exists(blob.id):
        await platform.blobs.put(blob.id, data)
