"""The child's desk: takes orders in, has batches of their pictures drawn, and tells each order what came of it."""

import queue
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from platemark.core.base import JsonObject
from platemark.core.errors import GenerationCanceled, PlatemarkError, ProviderError, ProviderRejected
from platemark.core.updates import Order, Picture, Preview, Progress
from platemark.engine.drawing.batching import Batch, Batches, Item, by_job, halves
from platemark.engine.serving.frames import unpack

Tell = Callable[[Item, Progress | Preview | Picture], None]
Canceled = Callable[[Item], bool]


class Work(Protocol):
    """What needs the libraries. Tests put something light in its place."""

    def key(self, order: Order, /) -> tuple[Hashable | None, int]:
        """What orders must have in common to share a batch (None: nothing will do), and the most pictures in one."""
        ...

    def load(self, model: str, /) -> None:
        """Have a model ready to draw with. Raises ModelUnavailable."""
        ...

    def draw(self, items: Sequence[Item], tell: Tell, canceled: Canceled, /) -> JsonObject:
        """Draw pictures of one key in one go; return the facts of the run. Raises GenerationCanceled when all are."""
        ...

    def relieve(self, model: str, /) -> None:
        """Give back the memory that drawing with this model does not need."""
        ...

    def facts(self) -> JsonObject:
        """What the record of an attempt says about the engine."""
        ...

    def held(self) -> JsonObject:
        """The models in memory."""
        ...

    def smallest(self, model: str, /) -> int:
        """The least width and height that a model draws."""
        ...


class Wire(Protocol):
    """The way to the parent. `inbox` has what came in, with its time; cancels are in `canceled` before that."""

    inbox: "queue.SimpleQueue[tuple[float, JsonObject, bytes]]"
    canceled: set[int]

    def send(self, header: JsonObject, body: bytes = b"", /) -> None:
        """Send one frame."""
        ...


@dataclass(slots=True, eq=False)
class _Job:
    """An order that was taken in: which of its pictures are not finished, and the facts of the batches so far."""

    model: str
    open: set[int]
    facts: JsonObject = field(default_factory=dict[str, Any])


class Desk:
    """Serves the orders of one parent, one batch at a time."""

    def __init__(self, wire: Wire, work: Work) -> None:
        self._wire, self._work = wire, work
        self._batches = Batches()
        self._jobs: dict[int, _Job] = {}
        self._told: JsonObject = {}

    def serve(self) -> None:
        """Take in what has come, waiting for it where nothing is due, and draw one batch if one is."""
        for came, header, body in self._arrivals(self._batches.wait(time.monotonic())):
            self._take_in(came, header, body)
        if batch := self._batches.take(time.monotonic()):
            self._draw(batch)

    def _arrivals(self, patience: float | None) -> Iterator[tuple[float, JsonObject, bytes]]:
        with suppress(queue.Empty):
            yield self._wire.inbox.get(patience != 0, patience)
            while True:
                yield self._wire.inbox.get_nowait()

    def _take_in(self, came: float, header: JsonObject, body: bytes) -> None:
        id = header["id"]
        if header["kind"] == "cancel":
            self._cancel(id)
            self._wire.canceled.discard(id)
            return
        order = unpack(header["order"], body)
        left = [index for index in range(len(order.seeds)) if index not in header["drawn"]]
        self._jobs[id] = _Job(order.model, set(left))
        if not left:
            self._end(id)
            return
        try:
            key, room = self._work.key(order)
        except Exception as error:
            self._fail(id, error)
        else:
            self._batches.add([Item(id, order, index) for index in left], key, room, came)

    def _draw(self, batch: Batch) -> None:
        """Draw a batch; what fails is divided until it is clear whose fault it is, so that nobody else suffers."""
        parts = deque([batch.items])
        ids = sorted({item.job for item in batch.items})
        self._wire.send({"kind": "batch", "ids": ids, "pictures": len(batch.items)})
        while parts:
            items = self._unfinished(parts.popleft())
            if items and (error := self._try(items)) is not None:
                parts.extendleft(reversed(self._divided(self._unfinished(items), error, batch.key)))
        if (held := self._work.held()) != self._told:
            self._told = held
            self._wire.send({"kind": "models", "facts": held})
        for id in self._jobs.keys() & ids:
            if id in self._wire.canceled:
                self._cancel(id)
            elif not self._jobs[id].open:
                self._end(id)

    def _try(self, items: Sequence[Item]) -> Exception | None:
        """Draw; give back what went wrong, free of the tensors that its frames hold."""
        try:
            self._work.load(items[0].order.model)
            self._wire.send({"kind": "started", "ids": sorted({item.job for item in items})})
            facts = self._work.draw(items, self._tell, self._canceled)
        except GenerationCanceled:
            pass
        except Exception as error:
            if not isinstance(error, PlatemarkError) and not out_of_memory(error):
                traceback.print_exc()
            for one in (error, error.__cause__, error.__context__):
                if one is not None:
                    traceback.clear_frames(one.__traceback__)
            return error
        else:
            self._note(items, facts)
        for item in items:
            self._finished(item)
        return None

    def _divided(self, items: Sequence[Item], error: Exception, key: Hashable) -> list[Sequence[Item]]:
        if not items:
            return []
        memory = out_of_memory(error)
        if memory:
            self._work.relieve(items[0].order.model)
            self._batches.shrink(key, max(1, len(items) // 2))
        parts = halves(items) if memory else by_job(items)
        if len(items) > 1 and len(parts) > 1:
            print(f"a batch of {len(items)} failed ({_name(error)}); it is divided", file=sys.stderr)
            return parts
        self._fail(items[0].job, error)
        return []

    def _unfinished(self, items: Sequence[Item]) -> list[Item]:
        return [
            item
            for item in items
            if (job := self._jobs.get(item.job)) and item.index in job.open and not self._canceled(item)
        ]

    def _tell(self, item: Item, update: Progress | Preview | Picture) -> None:
        self._wire.send(*_frame(item.job, update))
        if isinstance(update, Picture):
            self._finished(item)

    def _canceled(self, item: Item) -> bool:
        return item.job in self._wire.canceled

    def _finished(self, item: Item) -> None:
        if job := self._jobs.get(item.job):
            job.open.discard(item.index)

    def _note(self, items: Sequence[Item], facts: JsonObject) -> None:
        for id in {item.job for item in items} & self._jobs.keys():
            job = self._jobs[id]
            job.facts = together(job.facts, facts | {"batched_with": len(items)})

    def _end(self, id: int) -> None:
        job = self._jobs.pop(id)
        self._wire.send({"kind": "done", "id": id, "facts": self._work.facts() | job.facts})

    def _cancel(self, id: int) -> None:
        self._batches.drop(id)
        if self._jobs.pop(id, None):
            self._wire.send({"kind": "canceled", "id": id})

    def _fail(self, id: int, error: Exception) -> None:
        self._batches.drop(id)
        del self._jobs[id]
        self._wire.send(failure(id, error))


def failure(id: int, error: Exception) -> JsonObject:
    """The frame that says why an order failed. What is not an error of ours becomes one."""
    if out_of_memory(error):
        advice = "Ask for a smaller size, or draw on a machine with more memory."
        error = ProviderRejected(f"This picture does not fit into the memory of the engine. {advice}")
    elif not isinstance(error, PlatemarkError):
        error = ProviderError(f"The engine could not draw this ({_name(error)}); its log says why.")
    return {"kind": "failed", "id": id, "code": error.code, "detail": error.detail}


def together(before: JsonObject, facts: JsonObject) -> JsonObject:
    """The facts of several batches of one order: times add up, the larger batch counts, else the last one speaks."""
    joined = before | facts
    for name in before.keys() & facts.keys():
        if name.endswith("_ms"):
            joined[name] = before[name] + facts[name]
        elif name == "batched_with":
            joined[name] = max(before[name], facts[name])
    return joined


def out_of_memory(error: Exception) -> bool:
    """Whether it says that memory is short, in the words of Python or of the libraries."""
    return isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__ or "allocate memory" in str(error)


def _name(error: Exception) -> str:
    return type(error).__name__


def _frame(id: int, update: Progress | Preview | Picture) -> tuple[JsonObject, bytes]:
    match update:
        case Progress():
            facts: JsonObject = {"done": update.done, "total": update.total, "index": update.index}
            return {"kind": "progress", "id": id, "facts": facts}, b""
        case Preview():
            facts = {"media_type": update.media_type, "step": update.step, "index": update.index}
            return {"kind": "preview", "id": id, "facts": facts}, update.data
        case Picture():
            facts = {
                "media_type": update.media_type,
                "index": update.index,
                "seed": update.seed,
                "flags": update.flags,
                "warnings": [warning.model_dump() for warning in update.warnings],
            }
            return {"kind": "picture", "id": id, "facts": facts}, update.data
