"""The fields of a generation request and of lists, as keyword arguments."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Required, TypedDict, cast

from platemark.client.pictures import Picture


class Control(TypedDict, total=False):
    """A ControlNet guide. `preprocess=False`: `image` is the guide itself; `start`, `end`: fractions of the steps."""

    type: Required[str]
    image: Required[Picture]
    strength: float
    start: float
    end: float
    preprocess: bool


class Lora(TypedDict, total=False):
    """A LoRA with its scale, 1 when absent."""

    id: Required[str]
    scale: float


class Fields(TypedDict, total=False):
    """Everything that `generate` takes besides the prompt; meanings as in the HTTP API. Sizes in pixels."""

    negative_prompt: str | None
    model: str | None
    width: int | None
    height: int | None
    steps: int | None
    cfg_scale: float | None
    seed: int | None
    n: int
    operation: Literal["text_to_image", "image_to_image", "inpaint", "outpaint", "upscale"]
    image: Picture | None
    mask: Picture | None
    strength: float | None
    variation: float | None
    mask_grow: int | None
    mask_feather: int | None
    left: int | None
    right: int | None
    up: int | None
    down: int | None
    controls: Sequence[Control | Mapping[str, Any]]
    loras: Sequence[Lora | Mapping[str, Any]]
    scheduler: str | None
    clip_skip: int | None
    guidance_rescale: float | None
    vae: str | None
    reproducible: bool | None
    lane: Literal["interactive", "batch"]
    user: str | None
    role: str | None
    audience: str | None
    tags: Mapping[str, str]
    on_unsupported: Literal["error", "drop"]
    output_format: Literal["png", "jpeg", "webp"]
    watermark: Literal[True, False, "output", "publication"] | None


class Filters(TypedDict, total=False):
    """What a list of generations can be narrowed to. Any of several statuses, all of the tags; zoned times."""

    status: str | Sequence[str]
    lane: str
    model: str
    user: str
    tags: Mapping[str, str]
    since: datetime
    until: datetime
    needs_attention: bool
    limit: int
    cursor: str | None


class ImageFilters(TypedDict, total=False):
    """What a list of images can be narrowed to. Any of several moderation states; times with their zone."""

    generation: str
    origin: str
    moderation_state: str | Sequence[str]
    since: datetime
    until: datetime
    limit: int
    cursor: str | None


def filters(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Filters as query parameters."""
    return {"tag" if name == "tags" else name: _parameter(value) for name, value in wanted.items() if value is not None}


def _parameter(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        pairs = cast("Mapping[str, str]", value)
        return [f"{name}:{text}" for name, text in pairs.items()]
    if isinstance(value, list | tuple):
        return list(cast("Sequence[str]", value))
    return str(value).lower() if isinstance(value, bool) else value
