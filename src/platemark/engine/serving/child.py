"""The child process that draws: `python -m platemark.engine.serving.child`, started by the engine, never by hand.

Reads frames from standard input and answers on standard output; ends when its parent does, however that happens.
"""

import ctypes
import faulthandler
import gc
import importlib
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from typing import Any, BinaryIO

from platemark.core.base import JsonObject
from platemark.core.errors import ModelUnavailable
from platemark.core.generation import Parameters
from platemark.core.updates import Order
from platemark.engine.drawing.batching import Item, room_for
from platemark.engine.models.folder import capabilities
from platemark.engine.models.source import Source
from platemark.engine.serving.desk import Canceled, Desk, Tell, Work, failure
from platemark.engine.serving.frames import read_frame, write_frame

_PR_SET_PDEATHSIG = 1
Open = Callable[[JsonObject], Work]


class Channel:
    """Both directions to the parent. Orders queue up; cancels take effect at once."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source, self._sink = source, sink
        self.inbox: queue.SimpleQueue[tuple[float, JsonObject, bytes]] = queue.SimpleQueue()
        self.canceled: set[int] = set()

    def listen(self) -> None:
        """Read until the parent is gone, then end this process at once: nobody waits for what it draws."""
        while frame := read_frame(self._source):
            header, body = frame
            if header["kind"] == "cancel":
                self.canceled.add(header["id"])
            self.inbox.put((time.monotonic(), header, body))
        os._exit(0)

    def send(self, header: JsonObject, body: bytes = b"") -> None:
        """Send one frame; end this process when nobody reads it."""
        try:
            write_frame(self._sink, header, body)
        except OSError:
            os._exit(0)


class Libraries:
    """Work with the real libraries, on the models that the parent named."""

    def __init__(self, opening: JsonObject) -> None:
        module = import_libraries()
        torch: Any = importlib.import_module("torch")
        torch.set_num_threads(opening["threads"])
        torch.set_num_interop_threads(1)
        self._drawing: Any = importlib.import_module("platemark.engine.drawing.draw")
        self._operations: Any = importlib.import_module("platemark.engine.drawing.operations")
        folders = {name: Source.of(place) for name, place in opening["models"].items()}
        self._pipelines: Any = module.Pipelines(folders, memory=opening["memory"], speed=opening["speed"])

    def key(self, order: Order) -> tuple[Hashable | None, int]:
        """By the drawing's own words, and by the pixels that are really drawn."""
        folder = self._pipelines.folder(order.model)
        width, height = self._operations.plan_of(order, folder).drawn
        return self._operations.compatibility(order, folder), room_for(width * height, self._pipelines.device)

    def load(self, model: str) -> None:
        """On the device, at the cost of others."""
        self._pipelines.get(model)

    def draw(self, items: Sequence[Item], tell: Tell, canceled: Canceled) -> JsonObject:
        """One call of a pipeline."""
        loaded = self._pipelines.get(items[0].order.model)
        with self._pipelines.watched():
            return self._drawing.draw_batch(loaded, items, tell, canceled)

    def relieve(self, model: str) -> None:
        """Other models leave the device."""
        self._pipelines.relieve(model)

    def facts(self) -> JsonObject:
        """Device, number format and versions."""
        return self._pipelines.facts()

    def held(self) -> JsonObject:
        """The models in memory with their bytes, and the limits."""
        return self._pipelines.held()

    def smallest(self, model: str) -> int:
        """The least width and height that it draws."""
        return capabilities(self._pipelines.folder(model)).min_size


def main() -> None:
    """Draw what the parent asks for until it is gone."""
    run(Libraries, import_libraries)


def run(opens: Open, prepares: Callable[[], object] = lambda: None) -> None:
    """The loop around what needs the libraries. `prepares` runs while the parent is still busy."""
    _die_with(int(sys.argv[-1]))
    channel = _take_over_standard_streams()
    threading.Thread(target=channel.listen, name="parent", daemon=True).start()
    with suppress(ImportError):
        prepares()
    opening = channel.inbox.get()[1]
    try:
        work = opens(opening)
    except ImportError as error:
        refuse(channel, f"The local engine needs {error.name}. Install platemark with its extra: platemark[local].")
        return
    channel.send({"kind": "ready", "facts": work.facts()})
    if opening["warm"]:
        _warm_up(channel, work, opening["warm"])
    desk = Desk(channel, work)
    while True:
        desk.serve()


def refuse(channel: Channel, reason: str) -> None:
    """Answer every order with one reason: this machine cannot draw at all."""
    channel.send({"kind": "ready", "facts": {}})
    while True:
        header = channel.inbox.get()[1]
        if header["kind"] == "draw":
            channel.send(failure(header["id"], ModelUnavailable(reason)))


def import_libraries() -> Any:
    """Import what takes seconds; return the module that uses it."""
    gc.disable()  # there is nothing to collect yet, and looking for it takes a tenth of the time
    try:
        return importlib.import_module("platemark.engine.memory.pipelines")
    finally:
        gc.freeze()
        gc.enable()


def _warm_up(channel: Channel, work: Work, model: str) -> None:
    """Load one model and draw one step, so that the first request does not wait for it. Failing is for that request."""
    try:
        work.load(model)
        size = work.smallest(model)
        parameters = Parameters(width=size, height=size, steps=1, cfg_scale=2.0, seed=0, n=1)
        order = Order(model, "text_to_image", "", None, parameters, (0,), "")
        work.draw([Item(0, order, 0)], lambda _item, _update: None, lambda _item: False)
    except Exception as error:
        channel.send({"kind": "cold", "facts": {"model": model, "reason": f"{type(error).__name__}: {error}"}})
    else:
        channel.send({"kind": "warm", "facts": {"model": model}})


def _take_over_standard_streams() -> Channel:
    """Keep the two pipes for frames alone: what libraries print goes to standard error."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    faulthandler.enable()
    return Channel(source, sink)


def _die_with(parent: int) -> None:
    """Ask Linux to kill this process with its parent; elsewhere the end of the pipe does it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


if __name__ == "__main__":
    main()
