"""The engine's child with its real loop and a stand-in for the libraries: the prompt says what happens."""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable

from platemark.core.base import JsonObject
from platemark.core.errors import GenerationCanceled, ModelUnavailable
from platemark.core.updates import Order, Picture, Preview, Progress
from platemark.engine.child import run

Tell = Callable[[Progress | Preview | Picture], None]


class Nothing:
    """Stands where the loaded pipelines are."""

    drawn = 0

    def get(self, name: str) -> None:
        if name == "local/absent":
            raise ModelUnavailable("The folder of local/absent is gone. Put it back.")

    def facts(self) -> JsonObject:
        return {"drawn": self.drawn, "environment": sorted(os.environ)}


def draw(nothing: Nothing, order: Order, tell: Tell, canceled: Callable[[], bool]) -> JsonObject:
    nothing.drawn += 1
    _misbehave(order.prompt)
    for step in range(1, order.parameters.steps + 1):
        if canceled():
            raise GenerationCanceled("Canceled.")
        if order.prompt == "for ever":
            time.sleep(0.01)
        tell(Progress(done=step, total=order.parameters.steps))
    for index, seed in enumerate(order.seeds):
        tell(Picture(data=b"picture", media_type="image/png", index=index, seed=seed))
    return {}


def _misbehave(prompt: str) -> None:
    match prompt:
        case "be killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "segfault":
            ctypes.string_at(0)
        case "leave":
            print("no space left in the pan", file=sys.stderr)
            os._exit(3)
        case "hang":
            time.sleep(3600)
        case "stumble":
            raise ValueError("inside")
        case "swell":
            raise MemoryError
        case "print":
            print("a library prints this where frames go")
        case _:
            pass


def open_nothing(_opening: JsonObject) -> Nothing:
    if "bare" in sys.argv:
        raise ImportError("No module named 'torch'", name="torch")
    return Nothing()


if __name__ == "__main__":
    run(open_nothing, draw)
