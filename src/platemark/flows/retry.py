"""Retry and dismiss: how a person ends the attention that a technical failure asks for."""

from platemark.core.errors import Conflict
from platemark.core.generation import Generation
from platemark.core.ports import Platform
from platemark.core.project import Principal
from platemark.flows import look
from platemark.flows.attempt import latest, outstanding
from platemark.flows.note import tell
from platemark.flows.routing import start_again


async def retry(platform: Platform, principal: Principal, generation_id: str) -> Generation:
    """Queue a failed generation again: fresh counts, its route from the start. Raises Conflict if it did not fail.

    Where the model that was asked last may still be asked what became of its work, it is asked that first.
    """
    principal.require("images:write")
    generation = await look.generation(platform, principal, generation_id)
    if generation.status != "failed":
        raise Conflict(
            f"Only a failed generation can be retried; this one is {generation.status}.", generation=generation.id
        )
    ticket = outstanding(await latest(platform, generation), generation)
    async with platform.store.transaction() as tx:
        generation = await tx.change(
            generation,
            **({} if ticket else start_again(generation)),
            status="queued",
            runs=generation.runs + 1,
            failures=0,
            crashes=0,
            needs_attention=False,
            error=None,
            finished_at=None,
            start_by=platform.clock.now() + platform.limits.start_within,
        )
        await tell(platform, tx, "generation.retried", generation, status="queued", key=principal.key)
    await platform.jobs.submit(generation)
    return generation


async def dismiss(platform: Platform, principal: Principal, generation_id: str) -> Generation:
    """Take the mark `needs_attention` off; dismissing twice is dismissing once."""
    principal.require("images:write")
    generation = await look.generation(platform, principal, generation_id)
    if not generation.needs_attention:
        return generation
    async with platform.store.transaction() as tx:
        generation = await tx.change(generation, needs_attention=False)
        await tell(platform, tx, "generation.dismissed", generation, status=generation.status, key=principal.key)
    return generation
