"""The engine's child with its real loop and a stand-in for the libraries: the prompt says what happens."""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Hashable, Sequence

from platemark.core.base import JsonObject
from platemark.core.errors import GenerationCanceled, ModelUnavailable
from platemark.core.updates import Order, Picture, Progress
from platemark.engine.drawing.batching import Item
from platemark.engine.serving.child import run
from platemark.engine.serving.desk import Canceled, Tell


class Fake:
    """Draws nothing, in batches of orders with equal numbers of steps."""

    def __init__(self) -> None:
        self.drawn = 0
        self.batches: list[list[str]] = []
        self.relieved = 0

    def key(self, order: Order) -> tuple[Hashable | None, int]:
        if order.model == "local/absent":
            raise ModelUnavailable("The folder of local/absent is gone. Put it back.")
        return order.parameters.steps, 8

    def load(self, model: str) -> None:
        pass

    def draw(self, items: Sequence[Item], tell: Tell, canceled: Canceled) -> JsonObject:
        self.drawn += 1
        self.batches.append([item.order.prompt for item in items])
        for item in items:
            _misbehave(item.order, len(items))
        steps, left = items[0].order.parameters.steps, list(items)
        for step in range(1, steps + 1):
            left = [item for item in left if not canceled(item)]
            if not left:
                raise GenerationCanceled("Canceled.")
            if "for ever" in (item.order.prompt for item in left):
                time.sleep(0.01)
            for item in left:
                tell(item, Progress(done=step, total=steps, index=item.index))
        for item in left:
            data = item.order.image or b"picture"
            tell(item, Picture(data=data, media_type="image/png", index=item.index, seed=item.order.seeds[item.index]))
        return {"drawing_ms": 1}

    def relieve(self, model: str) -> None:
        self.relieved += 1

    def facts(self) -> JsonObject:
        seen = {"drawn": self.drawn, "batches": self.batches, "relieved": self.relieved}
        return seen | {"environment": sorted(os.environ)}

    def held(self) -> JsonObject:
        return {"models": {"local/pocket": {"place": "device", "bytes": 7}}}

    def smallest(self, model: str) -> int:
        return 8


def _misbehave(order: Order, pictures: int) -> None:
    match order.prompt:
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
        case "large" if pictures > 2:
            raise MemoryError
        case "print":
            print("a library prints this where frames go")
        case _:
            pass


def open_fake(_opening: JsonObject) -> Fake:
    if "bare" in sys.argv:
        raise ImportError("No module named 'torch'", name="torch")
    return Fake()


if __name__ == "__main__":
    run(open_fake)
