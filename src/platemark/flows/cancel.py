"""Cancel: at once where nothing runs; otherwise asked for, and done within a step."""

from platemark.core.errors import Conflict, GenerationCanceled
from platemark.core.generation import Generation
from platemark.core.ports import Platform
from platemark.core.project import Principal
from platemark.flows import look
from platemark.flows.end import end, ended
from platemark.flows.note import tell


async def cancel(platform: Platform, principal: Principal, generation_id: str) -> Generation:
    """Cancel a generation; canceling twice is canceling once. Raises Conflict when it has ended otherwise."""
    principal.require("images:write")
    generation = await look.generation(platform, principal, generation_id)
    async with platform.store.transaction() as tx:
        generation = await tx.get(Generation, generation.id)
        if generation.status == "canceled":
            return generation
        if generation.done:
            raise Conflict(
                f"This generation has {generation.status} already and cannot be canceled.", generation=generation.id
            )
        if generation.status == "running":
            generation = await tx.change(
                generation, cancel_requested_at=generation.cancel_requested_at or platform.clock.now()
            )
            await tell(platform, tx, "generation.cancel_requested", generation, status="running", key=principal.key)
        else:
            error = GenerationCanceled("The caller canceled this generation before it was started.")
            generation = await end(platform, tx, generation, "canceled", error=error)
    if generation.done:
        ended(platform, generation)
    platform.notices.tell(f"cancel {generation.id}")
    return generation
