"""Erase: a person's words go, the record and its chain stay whole (promise P8)."""

from platemark.core.errors import Conflict
from platemark.core.generation import Generation, IdempotencyKey, PromptText
from platemark.core.ports import Platform
from platemark.core.project import Principal
from platemark.flows import look
from platemark.flows.note import tell


async def erase_text(platform: Platform, principal: Principal, generation_id: str) -> Generation:
    """Delete prompt, negative prompt and user id of a generation with their salt. Raises Conflict before its end."""
    principal.require("images:write")
    generation = await look.generation(platform, principal, generation_id)
    if not generation.done:
        raise Conflict(
            f"This generation is {generation.status}; cancel it or wait for its end before erasing its text."
        )
    async with platform.store.transaction() as tx:
        text = await tx.get(PromptText, generation.text)
        if text.erased_at is not None:
            return generation
        await tx.change(text, body=None, salt=None, erased_at=platform.clock.now())
        # Its fingerprint of the body could confirm a guess; without it the key stays taken.
        for key in await tx.all(IdempotencyKey, generation=generation.id):
            await tx.change(key, body_sha256="erased")
        generation = await tx.change(generation, user_sha256=None)
        await tell(platform, tx, "text.erased", generation, key=principal.key)
    return generation
