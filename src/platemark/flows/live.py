"""Progress and previews of a running generation, thinned out so that they cost little."""

import hashlib
from dataclasses import dataclass, field

from platemark.core.generation import Generation
from platemark.core.ports import Platform
from platemark.core.updates import Preview, Progress
from platemark.flows.note import tell

_PROGRESS_SECONDS = 0.2
# What is done sooner needs no preview, and each costs a few milliseconds of the work that it shows.
_PREVIEW_AFTER_SECONDS = 1.0


@dataclass
class Live:
    """The stream of one call. Keys of the previews it wrote are kept so that they can be deleted at its end."""

    platform: Platform
    generation: Generation
    previews: set[str] = field(default_factory=set[str])
    _last: float = float("-inf")
    _began: float | None = None

    async def progress(self, update: Progress) -> None:
        """Tell at most every fifth of a second, and always the last step."""
        self._since_began()
        now = self.platform.clock.monotonic()
        if now - self._last < _PROGRESS_SECONDS and update.done < update.total:
            return
        self._last = now
        async with self.platform.store.transaction() as tx:
            await tell(
                self.platform,
                tx,
                "generation.progress",
                self.generation,
                status="running",
                index=update.index,
                done=update.done,
                total=update.total,
            )
        self.platform.notices.tell(self.generation.id)

    async def preview(self, update: Preview) -> None:
        """Keep the bytes under their hash until the call ends; the event names them. None in the first second."""
        if self._since_began() < _PREVIEW_AFTER_SECONDS:
            return
        digest = hashlib.sha256(update.data).hexdigest()
        key = f"{self.generation.project}/{digest}"
        await self.platform.blobs.put(key, update.data)
        self.previews.add(key)
        async with self.platform.store.transaction() as tx:
            await tell(
                self.platform,
                tx,
                "generation.preview",
                self.generation,
                status="running",
                index=update.index,
                step=update.step,
                sha256=digest,
                media_type=update.media_type,
            )
        self.platform.notices.tell(self.generation.id)

    def _since_began(self) -> float:
        """Seconds since the first update of this call."""
        now = self.platform.clock.monotonic()
        self._began = now if self._began is None else self._began
        return now - self._began

    async def close(self) -> None:
        """Previews are gone once there is something better, or nothing."""
        for key in self.previews:
            await self.platform.blobs.delete(key)
        self.previews.clear()
