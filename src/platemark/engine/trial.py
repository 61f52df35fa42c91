"""A short trial of one model through the engine: what it takes on this machine, measured now."""

import sys
import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from statistics import median

from platemark.core.base import JsonObject, Part
from platemark.core.generation import Parameters
from platemark.core.updates import Answered, Order
from platemark.engine.engine import Engine
from platemark.engine.models.folder import capabilities, read_folder
from platemark.engine.models.source import Source

_PROMPT = "a red house on a meadow"
_ROUNDS = 3


class Trial(Part):
    """Seconds; `alone` and `together` are a picture's share of the median of three rounds, after one unmeasured.

    `memory`: the most that the engine's process ever held, in bytes, where the system says it; `facts` are the engine's
    own words.
    """

    model: str
    size: int
    steps: int
    count: int
    load_seconds: float
    alone: float
    together: float
    memory: int | None
    facts: JsonObject


async def try_model(
    name: str,
    source: Source,
    *,
    size: int | None,
    steps: int | None,
    count: int | None,
    threads: int | None,
    tell: Callable[[str], None],
) -> Trial:
    """Draw with one model, alone and `count` at once (the most it takes when None). `size` in pixels a side.

    Raises what `Engine.draw` does, ModelUnavailable before anything is started.
    """
    folder = read_folder(source)
    can = capabilities(folder)
    side, each, many = size or can.default_width, steps or can.default_steps, count or can.max_count
    async with Engine.open({name: source}, threads=threads) as engine:

        async def draw(pictures: int, amount: int) -> tuple[float, JsonObject]:
            started, facts = time.perf_counter(), JsonObject()
            async with aclosing(engine.draw(_order(name, side, amount, can.default_cfg_scale, pictures))) as updates:
                async for update in updates:
                    facts = update.response if isinstance(update, Answered) else facts
            return time.perf_counter() - started, facts

        tell("loading")
        loading, _ = await draw(1, 1)
        tell(f"drawing {_ROUNDS} pictures of {side}×{side} in {each} steps, one by one")
        single = [(await draw(1, each))[0] for _ in range(_ROUNDS)]
        tell(f"drawing {_ROUNDS} times {many} at once")
        await draw(many, 1)
        several = [await draw(many, each) for _ in range(_ROUNDS)]
        return Trial(
            model=name,
            size=side,
            steps=each,
            count=many,
            load_seconds=round(loading, 3),
            alone=round(median(single), 3),
            together=round(median(seconds for seconds, _ in several) / many, 3),
            memory=_peak(engine.pid),
            facts=several[-1][1],
        )


def _order(model: str, side: int, steps: int, cfg_scale: float, pictures: int) -> Order:
    parameters = Parameters(width=side, height=side, steps=steps, cfg_scale=cfg_scale, seed=1, n=pictures)
    return Order(model, "text_to_image", _PROMPT, None, parameters, tuple(range(1, pictures + 1)), "trial")


def _peak(process: int | None) -> int | None:
    if process is None or sys.platform != "linux":
        return None
    try:
        lines = Path("/proc", str(process), "status").read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), None)
