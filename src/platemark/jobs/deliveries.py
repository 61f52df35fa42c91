"""What waits for others, in the background: files for their targets, vendors that are to delete; and releases."""

import anyio

from platemark.core.ports import Platform
from platemark.flows.keeping import forget
from platemark.flows.publications import deliver, release
from platemark.telemetry import logger

log = logger(__name__)
_BREATH_SECONDS = 0.2


async def post(platform: Platform, every: float) -> None:
    """Look after them, for ever: when something is told in this process, and every so many seconds."""
    while True:
        busy = 0
        for chore in (release.finish_due, deliver.carry_out, forget.finish):
            try:
                busy += await chore(platform)
            except Exception:
                log.exception("post.failed", chore=chore.__name__)
        if busy:
            # More may be due; what cannot even be tried must not keep us busy.
            await anyio.sleep(_BREATH_SECONDS)
        else:
            await platform.notices.wait(deliver.TOPIC, every)
