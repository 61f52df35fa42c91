"""Wait: hold a caller until a generation is done, without holding anything else."""

from platemark.core.generation import Generation
from platemark.core.ports import Platform

# Work may be done by another process; then only looking again tells.
_LOOK_AGAIN_SECONDS = 0.25


async def wait(platform: Platform, generation_id: str, seconds: float) -> Generation:
    """The generation once it is terminal or held, or as it is after `seconds`."""
    deadline = platform.clock.monotonic() + seconds
    while True:
        async with platform.store.reading() as read:
            generation = await read.get(Generation, generation_id)
        left = deadline - platform.clock.monotonic()
        if generation.done or generation.status == "held" or left <= 0:
            return generation
        await platform.notices.wait(generation_id, min(left, _LOOK_AGAIN_SECONDS))
