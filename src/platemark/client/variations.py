"""More pictures like one that is there: its own request again, with noise that moves away from it."""

from functools import partial
from typing import Any

from platemark.client.effects import Steps, do
from platemark.client.nouns import get, route
from platemark.client.pictures import Picture, found
from platemark.client.wire import Server
from platemark.core.errors import InvalidRequest
from platemark.core.record import Record, RecordRequest

# What follows from the source, or is said anew.
_NOT_KEPT = frozenset({"n", "seed", "variation"})
_SIZED_BY_SOURCE = frozenset({"inpaint", "outpaint"})


def request_of(server: Server, of: Picture, n: int, strength: float) -> Steps[tuple[str, dict[str, Any]]]:
    """Prompt and fields that draw `n` pictures around this one, as far from it as `strength` says.

    Raises InvalidRequest for an upload, for erased text, and for a picture that is a variation itself.
    """
    id = yield from do(partial(found, of))
    if not isinstance(id, str) or not id.startswith("img_"):
        raise InvalidRequest("Variations are made of an image that Platemark drew. Give it, its generation or its id.")
    record = yield from get(server, Record, route("images", id, "record"))
    request = _drawn(record)
    fields = {name: value for name, value in request.parameters.items() if name not in _NOT_KEPT}
    if request.operation in _SIZED_BY_SOURCE:
        fields = {name: value for name, value in fields.items() if name not in ("width", "height")}
    fields |= _inputs(request)
    fields |= {"operation": request.operation, "model": request.model, "negative_prompt": request.negative_prompt}
    return request.prompt or "", {**fields, "seed": record.image.seed, "n": n, "variation": strength}


def _drawn(record: Record) -> RecordRequest:
    id, request = record.image.id, record.request
    if request is None:
        raise InvalidRequest(
            f"{id} is an upload, so nothing tells how to draw it again. Use "
            "generate(prompt, operation='image_to_image', image=…, strength=…)."
        )
    if request.prompt is None:
        raise InvalidRequest(f"The prompt of {id} was erased, so it cannot be drawn again.")
    if request.parameters.get("variation") and record.image.index:
        raise InvalidRequest(f"{id} is a variation itself. Make others of the image that it came from, at index 0.")
    return request


def _inputs(request: RecordRequest) -> dict[str, Any]:
    sources: dict[str, Any] = {each.role: each.image for each in request.inputs if each.role != "control"}
    guides = {each.index: each.image for each in request.inputs if each.role == "control"}
    controls = [
        {**control, "image": guides[index]} for index, control in enumerate(request.parameters.get("controls", ()))
    ]
    return {**sources, **({"controls": controls} if controls else {})}
