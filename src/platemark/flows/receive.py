"""Receive: an upload in pieces, taken up again where it broke; the whole file is known by its SHA-256."""

from dataclasses import dataclass
from typing import Any

import anyio

from platemark.core.errors import Conflict, Gone, InvalidRequest, NotFound, OffsetConflict, TooLarge
from platemark.core.generation import PromptText
from platemark.core.image import Blob, Image
from platemark.core.ports import Platform, Reading
from platemark.core.project import Principal
from platemark.core.upload import Said, Upload, UploadPiece
from platemark.flows.keeping import delete
from platemark.flows.keeping.erase import empty
from platemark.flows.unchecked import digest_of
from platemark.flows.upload import begun, check, finish, other_bytes, text_digest, words_of

# What came of a piece whose connection broke is worth keeping from here on.
LEAST_BYTES = 64 * 1024
_KIND = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Receiving:
    """An upload, and its image: a new one once all has come, or one with the same bytes that was there before."""

    upload: Upload | None
    image: Image | None = None
    existing: bool = False
    size: int = 0


async def begin(platform: Platform, principal: Principal, sha256: str, size: int, said: Said) -> Receiving:
    """Announce a file. Where the project has its bytes already, nothing needs to be sent.

    An upload of the same file with the same words that broke off is gone on with. Raises TooLarge, NotAllowed.
    """
    check(principal, said)
    if size > platform.limits.max_image_bytes:
        raise TooLarge(
            f"A file of {size} bytes is too large: {platform.limits.max_image_bytes} is the most. Send less."
        )
    row, text = begun(platform, principal, said, sha256, size), words_of(platform, principal.project, said)
    async with platform.store.transaction() as tx:
        same = await tx.all(Image, project=row.project, sha256=sha256, deleted_at=None, limit=1)
        if same:
            return Receiving(None, same[0], existing=True, size=size)
        for open_one in await tx.all(Upload, project=row.project, sha256=sha256, state="receiving"):
            if (open_one.body_sha256, open_one.size) == (row.body_sha256, size) and _alive(platform, open_one):
                return Receiving(open_one)
        row = row.model_copy(update={"text": text and text.id, "text_sha256": text_digest(text)})
        await tx.add(*([text] if text else []), row)
    return Receiving(row)


def _alive(platform: Platform, row: Upload) -> bool:
    return row.expires_at > platform.clock.now()


async def status(platform: Platform, principal: Principal, upload_id: str) -> Receiving:
    """Where an upload stands. Raises NotFound, Gone (expired)."""
    principal.require("images:write")
    async with platform.store.reading() as read:
        row = await _own(read, principal, upload_id)
        if row.state == "expired" or (row.state == "receiving" and not _alive(platform, row)):
            raise Gone(f"The upload {row.id} was given up or not finished in time. Begin it again.")
        return Receiving(row, await read.find(Image, row.image) if row.image else None)


async def _own(read: Reading, principal: Principal, upload_id: str) -> Upload:
    row = await read.find(Upload, upload_id)
    if row is None or row.project != principal.project:
        raise NotFound(f"There is no upload {upload_id!r} in this project.")
    return row


async def append(
    platform: Platform, principal: Principal, upload_id: str, offset: int, data: bytes, *, whole: bool = True
) -> Receiving:
    """The bytes from `offset` on; the last of them make it an image. `whole` is False where the connection broke.

    Raises OffsetConflict, TooLarge, Gone, and what `flows.upload.store` raises; a file that is not what was announced,
    or no picture, ends the upload.
    """
    here = await status(platform, principal, upload_id)
    row = here.upload
    if row is None or row.state == "stored":
        return here
    if offset != row.received:
        raise OffsetConflict(f"This upload goes on at byte {row.received}, not {offset}. Send the bytes from there on.")
    if offset + len(data) > row.size:
        raise TooLarge(f"The upload was announced with {row.size} bytes, and this would make it more. Begin it again.")
    if data and (whole or len(data) >= LEAST_BYTES):
        row = await _keep(platform, row, data)
    if row.received < row.size:
        return Receiving(row)
    return await _make(platform, principal, row)


async def _keep(platform: Platform, row: Upload, data: bytes) -> Upload:
    """One piece. Its blob is doomed from the start, for the time when the upload is over, however that ends."""
    copy = data + _mark(row, row.received)
    piece = UploadPiece(key=await anyio.to_thread.run_sync(digest_of, copy), size=len(data))
    blob = Blob(
        id=f"{row.project}/{piece.key}",
        project=row.project,
        sha256=piece.key,
        size=len(copy),
        media_type=_KIND,
        created_at=platform.clock.now(),
        doomed_at=row.expires_at,
    )
    async with platform.store.transaction() as tx:
        if await tx.find(Blob, blob.id) is None:
            await tx.add(blob)
    await platform.blobs.put(blob.id, copy)
    async with platform.store.transaction() as tx:
        return await tx.change(row, received=row.received + len(data), pieces=(*row.pieces, piece))


def _mark(row: Upload, offset: int) -> bytes:
    """Ends the copy of a piece, so that no picture and no other upload has the same bytes."""
    return f"{row.id}:{offset}".encode()


async def _make(platform: Platform, principal: Principal, row: Upload) -> Receiving:
    data = await _whole(platform, row)
    try:
        if (digest := await anyio.to_thread.run_sync(digest_of, data)) != row.sha256:
            raise other_bytes(digest)
        async with platform.store.reading() as read:
            text = await read.find(PromptText, row.text) if row.text else None
        body = (text.body or {}) if text else {}
        said = Said.model_validate(body | {"role": row.role, "audience": row.audience, "tags": row.tags})
        image = await finish(platform, principal, data, said, row, text, new=False)
    except InvalidRequest:
        await _end(platform, row, "expired")
        raise
    await _clear(platform, row)
    async with platform.store.reading() as read:
        return Receiving(await read.get(Upload, row.id), image)


async def _whole(platform: Platform, row: Upload) -> bytes:
    whole, offset = bytearray(), 0
    for piece in row.pieces:
        copy = await platform.blobs.get(f"{row.project}/{piece.key}")
        whole += copy.removesuffix(_mark(row, offset))
        offset += piece.size
    return bytes(whole)


async def give_up(platform: Platform, principal: Principal, upload_id: str) -> Receiving:
    """End an upload before its time. One that is stored or over stays as it is. Raises NotFound."""
    principal.require("images:write")
    async with platform.store.reading() as read:
        row = await _own(read, principal, upload_id)
    if row.state == "receiving":
        await _end(platform, row, "expired")
    async with platform.store.reading() as read:
        return Receiving(await read.get(Upload, row.id))


async def expire(platform: Platform, *, limit: int = 100) -> int:
    """End the uploads that were not finished in time. Returns how many."""
    async with platform.store.reading() as read:
        due = await read.before(Upload, "expires_at", platform.clock.now(), limit=limit, state="receiving")
    return sum([await _end(platform, row, "expired") for row in due])


async def _end(platform: Platform, row: Upload, state: str) -> bool:
    """Nothing comes of it: its pieces go, and what was said with it."""
    try:
        async with platform.store.transaction() as tx:
            ended: dict[str, Any] = {"state": state, "pieces": (), "finished_at": platform.clock.now()}
            await tx.change(row, **ended, user_sha256=None, body_sha256=None)
            text = await tx.find(PromptText, row.text) if row.text else None
            if text is not None and text.erased_at is None:
                await empty(platform, tx, text)
    except Conflict:
        return False
    await _clear(platform, row)
    return True


async def _clear(platform: Platform, row: Upload) -> None:
    """Delete the pieces now rather than when the upload would have expired."""
    await delete.clear(platform, [f"{row.project}/{piece.key}" for piece in row.pieces])
