"""The body of `POST /v1/generate`: strict, all problems at once. A model's limits are checked in `capability`."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError, PydanticKnownError

from platemark.core.model import Operation, OutputFormat

MAX_PROMPT = 20_000
MAX_SEED = 2**32 - 1
# Before the SHA-256 of a file part: what stands for its bytes, which never pass through here.
PART = "part:"
Lane = Literal["interactive", "batch"]
ResponseFormat = Literal["url", "b64_json"]
WatermarkMoment = Literal["output", "publication"]
# C0 and C1 controls but tab and newlines; then the characters that reorder or hide text (Unicode UAX #9).
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_DIRECTION = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def _clean(text: str) -> str:
    if _CONTROL.search(text) or _SURROGATE.search(text):
        raise PydanticCustomError("control_character", "contains a control character; remove it")
    if _DIRECTION.search(text):
        raise PydanticCustomError(
            "direction_control", "contains text direction controls, which can hide words; remove them"
        )
    return text


def _visible(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank", "must say what to draw")
    return text


def _no_number(value: Any) -> Any:
    # Python, and so pydantic's literals, take 1 for True.
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise PydanticKnownError("bool_type")
    return value


CleanText = Annotated[str, AfterValidator(_clean)]
Prompt = Annotated[str, Field(min_length=1, max_length=MAX_PROMPT), AfterValidator(_clean), AfterValidator(_visible)]
Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_clean)]
Source = Annotated[str, Field(min_length=1, description="An img_ id, an https URL, a data URI or base64.")]
Unit = Annotated[float, Field(ge=0, le=1)]


class StrictModel(BaseModel):
    """Unknown names are errors, and nothing is coerced."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Control(StrictModel):
    """One ControlNet guide. `start` and `end` are fractions of the steps."""

    type: Name
    image: Source
    strength: Annotated[float, Field(ge=0, le=2)] = 1.0
    start: Unit = 0.0
    end: Unit = 1.0
    preprocess: Annotated[
        bool, Field(description="True: `image` is a picture that the guide is made from; false: it is the guide.")
    ] = True


class Lora(StrictModel):
    """One LoRA with its scale."""

    id: Name
    scale: Annotated[float, Field(ge=-4, le=4)] = 1.0


class GenerationRequest(StrictModel):
    """What a client asks for. Only `prompt` is required; sizes in pixels."""

    prompt: Annotated[Prompt, Field(description="What to draw: subject, style, lighting, angle.")]
    negative_prompt: Annotated[CleanText, Field(max_length=MAX_PROMPT, description="What to avoid.")] | None = None
    model: Annotated[Name, Field(description="A model or alias; the configured default when absent.")] | None = None
    width: Annotated[int, Field(ge=16, le=16_384)] | None = None
    height: Annotated[int, Field(ge=16, le=16_384)] | None = None
    steps: Annotated[int, Field(ge=1, le=1_000)] | None = None
    cfg_scale: (
        Annotated[float, Field(ge=0, le=100, description="Guidance: how strictly to follow the prompt.")] | None
    ) = None
    seed: Annotated[int, Field(ge=0, le=MAX_SEED, description="Drawn and returned when absent.")] | None = None
    n: Annotated[int, Field(ge=1, le=64, description="How many pictures; seeds count up from `seed`.")] = 1
    operation: Operation = "text_to_image"
    image: Source | None = None
    mask: Source | None = None
    strength: Annotated[Unit, Field(description="1 ignores the source image.")] | None = None
    variation: (
        Annotated[
            Unit,
            Field(
                description="How far pictures may move away from the one of `seed`: 0 not at all, 1 not related to it."
            ),
        ]
        | None
    ) = None
    mask_grow: (
        Annotated[int, Field(ge=-512, le=512, description="Pixels by which the mask grows; negative shrinks it.")]
        | None
    ) = None
    mask_feather: (
        Annotated[int, Field(ge=0, le=512, description="Pixels over which the mask's edge fades into the source.")]
        | None
    ) = None
    left: Annotated[int, Field(ge=0, le=4_096)] | None = None
    right: Annotated[int, Field(ge=0, le=4_096)] | None = None
    up: Annotated[int, Field(ge=0, le=4_096)] | None = None
    down: Annotated[int, Field(ge=0, le=4_096)] | None = None
    controls: Annotated[tuple[Control, ...], Field(strict=False, max_length=8)] = ()
    loras: Annotated[tuple[Lora, ...], Field(strict=False, max_length=8)] = ()
    scheduler: Annotated[Name, Field(description="By the names of the field, such as `euler_a`.")] | None = None
    clip_skip: (
        Annotated[int, Field(ge=0, le=12, description="Layers of the text encoder that are left out at its end.")]
        | None
    ) = None
    guidance_rescale: (
        Annotated[Unit, Field(description="Takes back the contrast that strong guidance adds (arXiv 2305.08891).")]
        | None
    ) = None
    vae: Annotated[Name, Field(description="Another autoencoder of the model, by its name.")] | None = None
    reproducible: (
        Annotated[
            bool,
            Field(description="Drawn alone, never together with other requests: the same bits on the same machine."),
        ]
        | None
    ) = None
    lane: Lane = "interactive"
    user: Annotated[Name, Field(description="Opaque id of your end user.")] | None = None
    role: Annotated[Name, Field(description="Role of your end user; the key needs the scope roles:assert.")] | None = (
        None
    )
    audience: Name | None = None
    tags: Annotated[dict[Name, Annotated[CleanText, Field(max_length=200)]], Field(max_length=32)] = {}
    on_unsupported: Annotated[
        Literal["error", "drop"], Field(description="What to do with a field that the model cannot honour.")
    ] = "error"
    response_format: ResponseFormat = "url"
    output_format: OutputFormat = "png"
    watermark: (
        Annotated[
            Literal[True, False, "output", "publication"],
            BeforeValidator(_no_number),
            Field(
                description="Where the invisible watermark goes: true or `output` marks every output at once; false or "
                "`publication`, as when absent, only what is published."
            ),
        ]
        | None
    ) = None

    @property
    def marked_at(self) -> WatermarkMoment:
        """When the pictures are to be marked."""
        return "output" if self.watermark in (True, "output") else "publication"
