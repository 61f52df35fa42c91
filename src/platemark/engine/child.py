"""The child process that draws: `python -m platemark.engine.child`, started by the engine, never by hand.

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
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from platemark.core.base import JsonObject
from platemark.core.errors import (
    GenerationCanceled,
    ModelUnavailable,
    PlatemarkError,
    ProviderError,
    ProviderRejected,
)
from platemark.core.generation import Parameters
from platemark.core.updates import Order, Picture, Preview, Progress
from platemark.engine.folder import capabilities
from platemark.engine.frames import read_frame, write_frame

_PR_SET_PDEATHSIG = 1
Open = Callable[[JsonObject], Any]
Draw = Callable[[Any, Order, Callable[[Progress | Preview | Picture], None], Callable[[], bool]], JsonObject]


class Channel:
    """Both directions to the parent. Orders queue up; cancels take effect at once."""

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source, self._sink = source, sink
        self.orders: queue.SimpleQueue[JsonObject] = queue.SimpleQueue()
        self.canceled: set[int] = set()

    def listen(self) -> None:
        """Read until the parent is gone, then end this process at once: nobody waits for what it draws."""
        while frame := read_frame(self._source):
            header = frame[0]
            if header["kind"] == "cancel":
                self.canceled.add(header["id"])
            else:
                self.orders.put(header)
        os._exit(0)

    def send(self, header: JsonObject, body: bytes = b"") -> None:
        """Send one frame; end this process when nobody reads it."""
        try:
            write_frame(self._sink, header, body)
        except OSError:
            os._exit(0)

    def tell(self, id: int, update: Progress | Preview | Picture) -> None:
        """Send one update of a drawing."""
        match update:
            case Progress():
                facts = {"done": update.done, "total": update.total, "index": update.index}
                self.send({"kind": "progress", "id": id, "facts": facts})
            case Preview():
                facts = {"media_type": update.media_type, "step": update.step, "index": update.index}
                self.send({"kind": "preview", "id": id, "facts": facts}, update.data)
            case Picture():
                facts = {
                    "media_type": update.media_type,
                    "index": update.index,
                    "seed": update.seed,
                    "flags": update.flags,
                    "warnings": [warning.model_dump() for warning in update.warnings],
                }
                self.send({"kind": "picture", "id": id, "facts": facts}, update.data)


def main() -> None:
    """Draw what the parent asks for until it is gone."""
    run(open_pipelines, draw, import_libraries)


def run(opens: Open, draws: Draw, prepares: Callable[[], object] = lambda: None) -> None:
    """The loop around the functions that need the libraries. `prepares` runs while the parent is still busy."""
    _die_with(int(sys.argv[-1]))
    channel = _take_over_standard_streams()
    threading.Thread(target=channel.listen, name="parent", daemon=True).start()
    with suppress(ImportError):
        prepares()
    opening = channel.orders.get()
    try:
        pipelines = opens(opening)
    except ImportError as error:
        refuse(channel, f"The local engine needs {error.name}. Install platemark with its extra: platemark[local].")
        return
    channel.send({"kind": "ready", "facts": pipelines.facts()})
    if opening["warm"]:
        _warm_up(channel, pipelines, draws, opening["warm"])
    while True:
        answer(channel, pipelines, draws, channel.orders.get())


def refuse(channel: Channel, reason: str) -> None:
    """Answer every order with one reason: this machine cannot draw at all."""
    channel.send({"kind": "ready", "facts": {}})
    while True:
        _fail(channel, channel.orders.get()["id"], ModelUnavailable(reason))


def answer(channel: Channel, pipelines: Any, draws: Draw, request: JsonObject) -> None:
    """Draw one order and say how it ended. What is not an error of ours becomes one; its traceback goes to the log."""
    id = request["id"]
    order = _order(request["order"])

    def canceled() -> bool:
        return id in channel.canceled

    try:
        if canceled():
            raise GenerationCanceled("Canceled before it was started.")
        pipelines.get(order.model)
        channel.send({"kind": "started", "id": id})
        response = draws(pipelines, order, lambda update: channel.tell(id, update), canceled)
        channel.send({"kind": "done", "id": id, "facts": pipelines.facts() | response})
    except GenerationCanceled:
        channel.send({"kind": "canceled", "id": id})
    except PlatemarkError as error:
        _fail(channel, id, error)
    except Exception as error:
        _fail_unexpectedly(channel, id, error)
    finally:
        channel.canceled.discard(id)


def draw(
    pipelines: Any, order: Order, tell: Callable[[Progress | Preview | Picture], None], canceled: Callable[[], bool]
) -> JsonObject:
    """Draw one order with the libraries; return the facts of the run."""
    from platemark.engine.drawing import Drawing

    return Drawing(order, pipelines.get(order.model), tell, canceled).run()


def import_libraries() -> Any:
    """Import what takes seconds; return the module that uses it."""
    gc.disable()  # there is nothing to collect yet, and looking for it takes a tenth of the time
    try:
        return importlib.import_module("platemark.engine.pipelines")
    finally:
        gc.freeze()
        gc.enable()


def open_pipelines(opening: JsonObject) -> Any:
    """Set the libraries up for the parent's models."""
    module = import_libraries()
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(opening["threads"])
    torch.set_num_interop_threads(1)
    return module.Pipelines({name: Path(folder) for name, folder in opening["models"].items()})


def _warm_up(channel: Channel, pipelines: Any, draws: Draw, model: str) -> None:
    """Load one model and draw one step, so that the first request does not wait for it. Failing is for that request."""
    try:
        size = capabilities(pipelines.get(model).folder).min_size
        parameters = Parameters(width=size, height=size, steps=1, cfg_scale=2.0, seed=0, n=1)
        order = Order(model, "text_to_image", "", None, parameters, (0,), "")
        draws(pipelines, order, lambda _: None, lambda: False)
    except Exception as error:
        channel.send({"kind": "cold", "facts": {"model": model, "reason": f"{type(error).__name__}: {error}"}})
    else:
        channel.send({"kind": "warm", "facts": {"model": model}})


def _order(facts: JsonObject) -> Order:
    typed: JsonObject = {"parameters": Parameters.model_validate(facts["parameters"]), "seeds": tuple(facts["seeds"])}
    return Order(**(facts | typed))


def _fail(channel: Channel, id: int, error: PlatemarkError) -> None:
    channel.send({"kind": "failed", "id": id, "code": error.code, "detail": error.detail})


def _fail_unexpectedly(channel: Channel, id: int, error: Exception) -> None:
    if _out_of_memory(error):
        advice = "Ask for a smaller size or fewer pictures at once, or draw on a machine with more memory."
        _fail(channel, id, ProviderRejected(f"This picture does not fit into the memory of the engine. {advice}"))
    else:
        traceback.print_exc()
        _fail(channel, id, ProviderError(f"The engine could not draw this ({type(error).__name__}); its log says why."))


def _out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__ or "allocate memory" in str(error)


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
