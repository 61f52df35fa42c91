"""Checks a request against a model (promise P3): every field is honoured, refused by name, or dropped aloud."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from platemark.core.errors import FieldError, InvalidRequest, Unsupported
from platemark.core.generation import ControlUse, LoraUse, Parameters, Warning
from platemark.core.model import Capabilities, Model
from platemark.core.request import GenerationRequest
from platemark.core.sizes import SIDES, result_size

Check = Callable[[GenerationRequest, Capabilities], str | None]
# Fields that say nothing to a model: how the answer comes, who asks, and what to do with what cannot be honoured.
FREE = frozenset(
    {"prompt", "model", "lane", "user", "role", "audience", "tags", "on_unsupported", "response_format"}
    | {"output_format", "watermark"}
)
# Fields that may be dropped on request: the picture is still what the prompt says.
_DROPPABLE = frozenset(
    {"negative_prompt", "scheduler", "seed", "controls", "loras", "strength", "mask", "variation"}
    | {"mask_grow", "mask_feather", "clip_skip", "guidance_rescale", "vae", "reproducible"}
)


@dataclass(frozen=True, slots=True)
class Checked:
    """A request that its model can honour, but for the fields that were dropped aloud."""

    request: GenerationRequest
    model: Model
    dropped: tuple[str, ...]
    warnings: tuple[Warning, ...]

    def parameters(self, seed: int, source: tuple[int, int] | None = None) -> Parameters:
        """What to run with. `source` is the size of the upright source, in pixels, where the request has one.

        Raises InvalidRequest and Unsupported when the result's size does not fit the source or the model.
        """
        width, height = result_size(self.request, self.model, source)
        return _parameters(self.kept, self.model.capabilities, seed, width, height)

    @property
    def kept(self) -> GenerationRequest:
        """The request without what was dropped."""
        fields = GenerationRequest.model_fields
        return self.request.model_copy(update={name: fields[name].default for name in self.dropped})


def check(request: GenerationRequest, model: Model, others: Iterable[Model]) -> Checked:
    """Everything that can be told without looking at a source.

    Raises Unsupported with one FieldError per field that cannot be honoured: the limit, and the models that can; fields
    that are missing stand there too, or in an InvalidRequest where they are all that is wrong.
    """
    dropped: list[str] = []
    warnings: list[Warning] = []
    errors = _missing(request)
    candidates = tuple(others)
    for field, complain in CHECKS:
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
    if errors and all(error.code == "missing" for error in errors):
        raise InvalidRequest(f"{request.operation} needs more: {errors[0].pointer} {errors[0].message}.", errors=errors)
    if errors:
        raise Unsupported(f"{model.id} cannot honour {len(errors)} field(s) of this request.", errors=errors)
    return Checked(request, model, tuple(dropped), tuple(warnings))


def _missing(request: GenerationRequest) -> list[FieldError]:
    """What the operation cannot do without, whatever the model."""
    errors = [
        FieldError(pointer=f"/{name}", code="missing", message=f"is required for {request.operation}; add it")
        for name in _NEEDS.get(request.operation, ())
        if getattr(request, name) is None
    ]
    if request.operation == "outpaint" and not any(getattr(request, side) for side in SIDES):
        message = "says no side to extend; give left, right, up or down in pixels"
        errors.append(FieldError(pointer="/operation", code="missing", message=message))
    return errors


def _able(models: list[str]) -> str:
    return f"Models that can: {', '.join(models)}." if models else "No configured model can."


def _parameters(kept: GenerationRequest, can: Capabilities, seed: int, width: int, height: int) -> Parameters:
    outpaint = kept.operation == "outpaint"
    return Parameters(
        width=width,
        height=height,
        steps=kept.steps or can.default_steps,
        cfg_scale=can.default_cfg_scale if kept.cfg_scale is None else kept.cfg_scale,
        seed=seed,
        n=kept.n,
        controls=tuple(ControlUse(**control.model_dump(exclude={"image"})) for control in kept.controls),
        loras=tuple(LoraUse(**lora.model_dump()) for lora in kept.loras),
        **{side: (getattr(kept, side) or 0) if outpaint else None for side in SIDES},
        **{name: getattr(kept, name) for name in _AS_THEY_ARE},
    )


_AS_THEY_ARE = (
    "scheduler",
    "strength",
    "variation",
    "mask_grow",
    "mask_feather",
    "clip_skip",
    "guidance_rescale",
    "vae",
    "reproducible",
)


def _operation(request: GenerationRequest, can: Capabilities) -> str | None:
    if request.operation in can.operations:
        return None
    return f"does not do {request.operation}; it does {', '.join(sorted(can.operations))}"


def _size(name: str) -> Check:
    def complain(request: GenerationRequest, can: Capabilities) -> str | None:
        value: int | None = getattr(request, name)
        # What starts from a source is padded to the model's grid and cut back.
        multiple = can.size_multiple if request.operation == "text_to_image" else 1
        if value is None or (can.min_size <= value <= can.max_size and value % multiple == 0):
            return None
        limits = f"{can.min_size} to {can.max_size} pixels" + (f" in multiples of {multiple}" if multiple > 1 else "")
        return f"takes a {name} of {limits}, not {value}"

    return complain


def _at_most(name: str, limit: str, noun: str) -> Check:
    def complain(request: GenerationRequest, can: Capabilities) -> str | None:
        value, most = getattr(request, name), getattr(can, limit)
        return None if value is None or value <= most else f"takes at most {most} {noun}, not {value}"

    return complain


def _flag(name: str, limit: str) -> Check:
    def complain(request: GenerationRequest, can: Capabilities) -> str | None:
        # False and an empty text ask for nothing; 0 is a number that was asked for.
        asked = getattr(request, name)
        return None if asked in (None, "") or asked is False or getattr(can, limit) else f"does not take {name}"

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
    if not request.controls:
        return None
    missing = sorted({control.type for control in request.controls} - set(can.controls))
    if missing:
        return f"has no control of type {', '.join(missing)}; it has {', '.join(can.controls) or 'none'}"
    if request.operation not in _CONTROLLED:
        return f"takes no controls for {request.operation}"
    if len(request.controls) > can.max_controls:
        return f"takes at most {can.max_controls} controls, not {len(request.controls)}"
    backwards = [control.type for control in request.controls if control.start >= control.end]
    return f"cannot use {', '.join(backwards)}: its start must lie before its end" if backwards else None


def _loras(request: GenerationRequest, can: Capabilities) -> str | None:
    ids = [lora.id for lora in request.loras]
    missing = [] if can.any_lora else sorted(set(ids) - set(can.loras))
    if missing:
        return f"has no LoRA {', '.join(missing)}; it has {', '.join(can.loras) or 'none'}"
    if len(ids) > can.max_loras:
        return f"takes at most {can.max_loras} LoRAs, not {len(ids)}"
    twice = sorted({id for id in ids if ids.count(id) > 1})
    return f"takes each LoRA once; {', '.join(twice)} stands twice" if twice else None


def _vae(request: GenerationRequest, can: Capabilities) -> str | None:
    if request.vae is None or request.vae in can.vaes:
        return None
    return f"has no autoencoder {request.vae!r}; it has {', '.join(can.vaes) or 'none but its own'}"


def _mask_edge(name: str) -> Check:
    def complain(request: GenerationRequest, can: Capabilities) -> str | None:
        misplaced = _for_operations(name, "inpaint")(request, can)
        return misplaced or _flag(name, "mask_edges")(request, can)

    return complain


_NEEDS = {
    "image_to_image": ("image",),
    "inpaint": ("image", "mask"),
    "outpaint": ("image",),
    "upscale": ("image",),
}
_CONTROLLED = ("text_to_image", "image_to_image", "inpaint")
CHECKS: tuple[tuple[str, Check], ...] = (
    ("operation", _operation),
    ("width", _size("width")),
    ("height", _size("height")),
    ("steps", _at_most("steps", "max_steps", "steps")),
    ("cfg_scale", _at_most("cfg_scale", "max_cfg_scale", "of guidance")),
    ("n", _at_most("n", "max_count", "pictures a request")),
    ("negative_prompt", _flag("negative_prompt", "negative_prompt")),
    ("seed", _flag("seed", "seed")),
    ("scheduler", _scheduler),
    ("image", _for_operations("image", *_NEEDS)),
    ("mask", _for_operations("mask", "inpaint")),
    ("strength", _for_operations("strength", *_NEEDS)),
    *((side, _for_operations(side, "outpaint")) for side in SIDES),
    ("controls", _controls),
    ("loras", _loras),
    ("variation", _flag("variation", "variation")),
    ("mask_grow", _mask_edge("mask_grow")),
    ("mask_feather", _mask_edge("mask_feather")),
    ("clip_skip", _flag("clip_skip", "clip_skip")),
    ("guidance_rescale", _flag("guidance_rescale", "guidance_rescale")),
    ("vae", _vae),
    ("reproducible", _flag("reproducible", "reproducible")),
)
