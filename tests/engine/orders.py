"""Orders for the engine, and what comes of them."""

from dataclasses import dataclass, field, fields
from typing import Any

from platemark.core.base import JsonObject
from platemark.core.generation import Parameters
from platemark.core.updates import Answered, Order, Picture, Preview, Progress
from platemark.engine.engine import Engine

_OF_ORDER = {one.name for one in fields(Order)} - {"model", "prompt", "parameters", "seeds"}


def order(
    prompt: str = "a red house", *, model: str = "local/pocket", seeds: tuple[int, ...] = (1,), **asked: Any
) -> Order:
    """`asked` are fields of Parameters and of Order."""
    told = {name: asked.pop(name) for name in _OF_ORDER & set(asked)}
    chosen: dict[str, Any] = {
        "width": 128,
        "height": 128,
        "steps": 4,
        "cfg_scale": 3.0,
        "seed": seeds[0],
        "n": len(seeds),
    }
    parameters = Parameters(**(chosen | asked))
    facts: dict[str, Any] = {"operation": "text_to_image", "negative_prompt": None, "idempotency_key": "key"} | told
    return Order(model=model, prompt=prompt, parameters=parameters, seeds=seeds, **facts)


@dataclass
class Result:
    """Everything that one drawing gave."""

    pictures: list[Picture] = field(default_factory=list[Picture])
    progress: list[Progress] = field(default_factory=list[Progress])
    previews: list[Preview] = field(default_factory=list[Preview])
    response: JsonObject = field(default_factory=dict[str, Any])

    @property
    def warnings(self) -> list[str]:
        return [warning.code for warning in self.pictures[0].warnings]


async def drawn(engine: Engine, wanted: Order) -> Result:
    result = Result()
    async for update in engine.draw(wanted):
        match update:
            case Picture():
                result.pictures.append(update)
            case Progress():
                result.progress.append(update)
            case Preview():
                result.previews.append(update)
            case Answered():
                result.response = update.response
            case _:
                raise AssertionError(update)
    return result
