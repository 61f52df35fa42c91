"""Erase: a person's words go, the record and its chain stay whole (promise P8)."""

from typing import Any

from platemark.core.errors import Conflict
from platemark.core.generation import Generation, IdempotencyKey, PromptText
from platemark.core.hold import Hold
from platemark.core.image import Image
from platemark.core.ports import Platform, Transaction
from platemark.core.project import Principal
from platemark.core.takedown import OPEN, Takedown
from platemark.core.upload import Upload
from platemark.flows import look
from platemark.flows.keeping import forget, holds, takedown
from platemark.flows.note import emit, tell


async def erase_text(platform: Platform, principal: Principal, generation_id: str) -> Generation:
    """Delete prompt, negative prompt and user id of a generation with their salt.

    Raises Conflict before its end, LegalHold.
    """
    principal.require("images:write")
    generation = await look.generation(platform, principal, generation_id)
    if not generation.done:
        raise Conflict(
            f"This generation is {generation.status}; cancel it or wait for its end before erasing its text."
        )
    async with platform.store.transaction() as tx:
        return await wipe(platform, tx, generation, key=principal.key)


async def wipe(
    platform: Platform,
    tx: Transaction,
    generation: Generation,
    *,
    key: str | None = None,
    retention: str | None = None,
) -> Generation:
    """The words of a generation that has ended, by a key or by a class of retention. Raises LegalHold."""
    text = await tx.get(PromptText, generation.text)
    if text.erased_at is not None:
        return generation
    await holds.refuse(platform, tx, generation.project, generation=generation.id)
    await empty(platform, tx, text)
    await forget.ask(platform, tx, generation.id)
    # Its fingerprint of the body could confirm a guess; without it the key stays taken.
    for bound in await tx.all(IdempotencyKey, generation=generation.id):
        await tx.change(bound, body_sha256="erased")
    generation = await tx.change(generation, user_sha256=None)
    await tell(platform, tx, "text.erased", generation, key=key, retention=retention)
    return generation


async def empty(platform: Platform, tx: Transaction, text: PromptText) -> None:
    """Take words and salt out of their row."""
    await tx.change(text, body=None, salt=None, erased_at=platform.clock.now())


async def erase_words(platform: Platform, principal: Principal, image_id: str) -> Image:
    """Delete file name, caption and user id of an upload with their salt. Raises Conflict for others, LegalHold."""
    principal.require("images:write")
    image = await look.image(platform, principal, image_id)
    if image.origin != "uploaded":
        raise Conflict(
            f"{image.id} was generated: its words are those of {image.generation}. Erase them there: "
            f"DELETE /v1/generations/{image.generation}/text."
        )
    async with platform.store.transaction() as tx:
        for upload in await tx.all(Upload, image=image.id):
            await wipe_upload(platform, tx, upload, key=principal.key)
    return image


async def wipe_upload(
    platform: Platform, tx: Transaction, upload: Upload, *, key: str | None = None, retention: str | None = None
) -> None:
    """The words of an upload that is stored, by a key or by a class of retention. Raises LegalHold."""
    text = await tx.find(PromptText, upload.text) if upload.text else None
    if text is None or text.erased_at is not None or upload.image is None:
        return
    await holds.refuse(platform, tx, upload.project, image=upload.image)
    await empty(platform, tx, text)
    await tx.change(upload, user_sha256=None, body_sha256="erased" if upload.replay_key else None)
    image = await tx.get(Image, upload.image)
    await tell(platform, tx, "text.erased", image, upload=upload.id, key=key, retention=retention)


async def erase_statement(platform: Platform, principal: Principal, takedown_id: str) -> Takedown:
    """Delete what a claimant wrote, with its salt. Raises NotFound, Conflict while the notice is open, LegalHold."""
    principal.require("moderation:manage")
    async with platform.store.transaction() as tx:
        notice = await takedown.own(tx, principal, takedown_id)
        if notice.state in OPEN:
            raise Conflict(f"This notice is {notice.state}: decide about it before its statement is erased.")
        for row in await takedown.images_of(tx, notice):
            await holds.refuse(platform, tx, notice.project, image=row.image)
        await _empty(platform, tx, notice.project, notice.statement, takedown=notice.id, by=principal.actor)
    return notice


async def erase_note(platform: Platform, principal: Principal, hold_id: str) -> Hold:
    """Delete the note of a hold that has ended. Raises NotFound, and LegalHold where it or another one still keeps."""
    principal.require("moderation:manage")
    async with platform.store.transaction() as tx:
        hold = await holds.own(tx, principal, hold_id)
        await holds.refuse_same(platform, tx, hold)
        if hold.note is not None:
            await _empty(platform, tx, hold.project, hold.note, hold=hold.id, by=principal.actor)
    return hold


async def _empty(platform: Platform, tx: Transaction, project: str, text_id: str, **facts: Any) -> None:
    """Words that people wrote about a matter. Erasing twice is erasing once."""
    text = await tx.get(PromptText, text_id)
    if text.erased_at is None:
        await empty(platform, tx, text)
        await emit(platform, tx, "text.erased", project, facts)
