"""How large the result of a request is: given, or from its source. Pixels."""

from platemark.core.errors import FieldError, InvalidRequest, Unsupported
from platemark.core.model import Model
from platemark.core.request import GenerationRequest

SIDES = ("left", "right", "up", "down")
UPSCALE = 2
# These two keep the source's pixels where nothing is drawn, so their size is not free.
_FIXED = ("inpaint", "outpaint")


def result_size(request: GenerationRequest, model: Model, source: tuple[int, int] | None) -> tuple[int, int]:
    """Width and height. Only one given: the other keeps the source's proportions.

    Raises InvalidRequest when they contradict the source, Unsupported when they lie outside the model's limits.
    """
    can = model.capabilities
    if source is None or request.operation == "text_to_image":
        return request.width or can.default_width, request.height or can.default_height
    size = _of_source(request, source)
    if contradictions := [*_contradictions(request, source, size)]:
        raise InvalidRequest(f"{contradictions[0].pointer} {contradictions[0].message}.", errors=contradictions)
    _check_limits(request, model, size, source)
    return size


def _of_source(request: GenerationRequest, source: tuple[int, int]) -> tuple[int, int]:
    width, height = source
    if request.operation == "outpaint":
        left, right, up, down = (getattr(request, side) or 0 for side in SIDES)
        return width + left + right, height + up + down
    if request.operation == "inpaint":
        return source
    scale = UPSCALE if request.operation == "upscale" else 1
    if request.width is None and request.height is None:
        return width * scale, height * scale
    return (
        request.width or max(1, round(width * (request.height or height) / height)),
        request.height or max(1, round(height * (request.width or width) / width)),
    )


def _contradictions(request: GenerationRequest, source: tuple[int, int], size: tuple[int, int]) -> list[FieldError]:
    asked = {"width": request.width, "height": request.height}
    what = f"the source has {source[0]} × {source[1]} pixels"
    errors: list[FieldError] = []
    for name, from_source, result in zip(asked, source, size, strict=True):
        given = asked[name]
        if request.operation in _FIXED and given not in (None, result):
            message = f"must be {result} or be left out: {what}, and {request.operation} keeps them"
            errors.append(FieldError(pointer=f"/{name}", code="size_mismatch", message=message))
        if request.operation == "upscale" and result < from_source:
            message = f"must be at least {from_source}: {what}, and upscale makes no picture smaller"
            errors.append(FieldError(pointer=f"/{name}", code="size_mismatch", message=message))
    return errors


def _check_limits(request: GenerationRequest, model: Model, size: tuple[int, int], source: tuple[int, int]) -> None:
    can = model.capabilities
    errors: list[FieldError] = []
    for name, value in zip(("width", "height"), size, strict=True):
        if not can.min_size <= value <= can.max_size:
            message = (
                f"{model.id} makes a {name} of {can.min_size} to {can.max_size} pixels, not {value}, which follows "
                f"from the source of {source[0]} × {source[1]}. {_advice(request)}"
            )
            errors.append(FieldError(pointer="/image", code="unsupported", message=message))
    if errors:
        raise Unsupported(f"{model.id} cannot make a result of {size[0]} × {size[1]} pixels.", errors=errors)


def _advice(request: GenerationRequest) -> str:
    if request.operation in _FIXED:
        return "Send a source of another size."
    return "Give width and height, or send a source of another size."
