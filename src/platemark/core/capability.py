"""Checks a request against a model (promise P3): every field is honoured, refused by name, or dropped aloud."""

from collections.abc import Callable, Iterable

from platemark.core.errors import FieldError, Unsupported
from platemark.core.generation import Parameters, Warning
from platemark.core.model import Capabilities, Model
from platemark.core.request import GenerationRequest

Check = Callable[[GenerationRequest, Capabilities], str | None]
# Fields that may be dropped on request: the picture is still what the prompt says.
_DROPPABLE = frozenset({"negative_prompt", "scheduler", "seed", "controls", "loras", "watermark", "strength", "mask"})


def check(
    request: GenerationRequest, model: Model, others: Iterable[Model], *, seed: int
) -> tuple[Parameters, tuple[str, ...], tuple[Warning, ...]]:
    """Parameters to run with, names of dropped fields, warnings.

    Raises Unsupported with one FieldError per field that cannot be honoured: the limit, and the models that can.
    """
    dropped: list[str] = []
    warnings: list[Warning] = []
    errors: list[FieldError] = []
    candidates = tuple(others)
    for field, complain in _CHECKS:
        message = complain(request, model.capabilities)
        if message is None:
            continue
        if request.on_unsupported == "drop" and field in _DROPPABLE:
            dropped.append(field)
            warnings.append(
                Warning(code="field_dropped", field=field, message=f"{field} was dropped: {model.id} {message}.")
            )
        else:
            able = [other.id for other in candidates if complain(request, other.capabilities) is None]
            errors.append(
                FieldError(pointer=f"/{field}", code="unsupported", message=f"{model.id} {message}. {_able(able)}")
            )
    if errors:
        raise Unsupported(f"{model.id} cannot honour {len(errors)} field(s) of this request.", errors=errors)
    return _parameters(request, model.capabilities, frozenset(dropped), seed), tuple(dropped), tuple(warnings)


def _able(models: list[str]) -> str:
    return f"Models that can: {', '.join(models)}." if models else "No configured model can."


def _parameters(request: GenerationRequest, can: Capabilities, dropped: frozenset[str], seed: int) -> Parameters:
    return Parameters(
        width=request.width or can.default_width,
        height=request.height or can.default_height,
        steps=request.steps or can.default_steps,
        cfg_scale=can.default_cfg_scale if request.cfg_scale is None else request.cfg_scale,
        seed=seed,
        n=request.n,
        scheduler=None if "scheduler" in dropped else request.scheduler,
        strength=None if "strength" in dropped else request.strength,
    )


def _operation(request: GenerationRequest, can: Capabilities) -> str | None:
    if request.operation in can.operations:
        return None
    return f"does not do {request.operation}; it does {', '.join(sorted(can.operations))}"


def _size(name: str) -> Check:
    def complain(request: GenerationRequest, can: Capabilities) -> str | None:
        value: int | None = getattr(request, name)
        if value is None or (can.min_size <= value <= can.max_size and value % can.size_multiple == 0):
            return None
        limits = f"{can.min_size} to {can.max_size} pixels in multiples of {can.size_multiple}"
        return f"takes a {name} of {limits}, not {value}"

    return complain


def _at_most(name: str, limit: str, noun: str) -> Check:
    def complain(request: GenerationRequest, can: Capabilities) -> str | None:
        value, most = getattr(request, name), getattr(can, limit)
        return None if value is None or value <= most else f"takes at most {most} {noun}, not {value}"

    return complain


def _flag(name: str, limit: str) -> Check:
    def complain(request: GenerationRequest, can: Capabilities) -> str | None:
        return (
            None
            if (not getattr(request, name) and getattr(request, name) != 0) or getattr(can, limit)
            else f"does not take {name}"
        )

    return complain


def _for_operations(name: str, *operations: str) -> Check:
    def complain(request: GenerationRequest, can: Capabilities) -> str | None:
        if getattr(request, name) is None or (request.operation in operations and request.operation in can.operations):
            return None
        return f"takes no {name} for {request.operation}"

    return complain


def _scheduler(request: GenerationRequest, can: Capabilities) -> str | None:
    if request.scheduler is None or request.scheduler in can.schedulers:
        return None
    return (
        f"does not offer the scheduler {request.scheduler!r}; it offers {', '.join(can.schedulers) or 'none by name'}"
    )


def _controls(request: GenerationRequest, can: Capabilities) -> str | None:
    missing = sorted({control.type for control in request.controls} - set(can.controls))
    return f"has no control of type {', '.join(missing)}" if missing else None


def _loras(request: GenerationRequest, can: Capabilities) -> str | None:
    missing = [] if can.any_lora else sorted({lora.id for lora in request.loras} - set(can.loras))
    return f"has no LoRA {', '.join(missing)}; it has {', '.join(can.loras) or 'none'}" if missing else None


def _watermark(request: GenerationRequest, can: Capabilities) -> str | None:
    return "is served without a pixel watermark so far" if request.watermark else None


_SOURCED = ("image_to_image", "inpaint", "outpaint", "upscale")
_CHECKS: tuple[tuple[str, Check], ...] = (
    ("operation", _operation),
    ("width", _size("width")),
    ("height", _size("height")),
    ("steps", _at_most("steps", "max_steps", "steps")),
    ("cfg_scale", _at_most("cfg_scale", "max_cfg_scale", "of guidance")),
    ("n", _at_most("n", "max_count", "pictures a request")),
    ("negative_prompt", _flag("negative_prompt", "negative_prompt")),
    ("seed", _flag("seed", "seed")),
    ("scheduler", _scheduler),
    ("image", _for_operations("image", *_SOURCED)),
    ("mask", _for_operations("mask", "inpaint", "outpaint")),
    ("strength", _for_operations("strength", "image_to_image", "inpaint", "outpaint")),
    *((side, _for_operations(side, "outpaint")) for side in ("left", "right", "up", "down")),
    ("controls", _controls),
    ("loras", _loras),
    ("watermark", _watermark),
)
