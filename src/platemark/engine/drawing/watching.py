"""What is told while a batch is drawn: progress of each picture, and a preview now and then."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from platemark.core.updates import Picture, Preview, Progress
from platemark.engine.drawing.batching import Item
from platemark.engine.drawing.previews import MEDIA_TYPE, Previews
from platemark.engine.memory.loaded import Loaded

_PROGRESS_SECONDS = 0.05
Tell = Callable[[Item, Progress | Preview | Picture], None]


class Watcher:
    """Tells of the pictures `items`. They are drawn in `parts` runs, one after the other, that count as one."""

    def __init__(self, loaded: Loaded, items: Sequence[Item], tell: Tell, parts: int = 1) -> None:
        self._items, self._tell, self._parts = items, tell, parts
        self._part, self._last = 0, float("-inf")
        self._previews = Previews(loaded) if parts == 1 and any(item.order.previews for item in items) else None
        self._previewed = -1

    def next_part(self) -> None:
        """The run is over; the next one goes on counting."""
        self._part += 1

    def __call__(self, live: Sequence[int], done: int, total: int, pipeline: Any, latents: Tensor) -> None:
        """After each step; `live` are the rows of `latents` as places in `items`."""
        done, total = self._part * total + done, self._parts * total
        now = time.monotonic()
        # Quick steps are told together: every message takes a moment of a core that draws.
        if now - self._last >= _PROGRESS_SECONDS or done == total:
            self._last = now
            for item in {id(item): item for item in (self._items[row] for row in live)}.values():
                self._tell(item, Progress(done=done, total=total, index=item.index))
        if self._previews is not None and done < total and self._previews.due():
            self._preview(live, done, pipeline, latents)

    def _preview(self, live: Sequence[int], step: int, pipeline: Any, latents: Tensor) -> None:
        """Of one picture, by turns: as many previews a second are made for a batch as for one picture."""
        asking = [place for place, row in enumerate(live) if self._items[row].order.previews]
        if self._previews is None or not asking:
            return
        place = next((place for place in asking if live[place] > self._previewed), asking[0])
        self._previewed = live[place]
        item = self._items[live[place]]
        data = self._previews.make(pipeline, latents, place)
        self._tell(item, Preview(data=data, media_type=MEDIA_TYPE, step=step, index=item.index))
