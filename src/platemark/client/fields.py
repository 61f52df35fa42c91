"""The fields of a generation request as keyword arguments, and how they become its JSON body."""

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypedDict, cast

from platemark.core.base import JsonObject
from platemark.core.errors import InvalidRequest

Source = str | bytes | Path
"""An `img_…` id, an https URL, a data URI or base64 as text; or encoded image bytes; or a file."""


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
    image: Source | None
    mask: Source | None
    strength: float | None
    left: int | None
    right: int | None
    up: int | None
    down: int | None
    controls: Sequence[Mapping[str, Any]]
    loras: Sequence[Mapping[str, Any]]
    scheduler: str | None
    lane: Literal["interactive", "batch"]
    user: str | None
    role: str | None
    audience: str | None
    tags: Mapping[str, str]
    on_unsupported: Literal["error", "drop"]
    output_format: Literal["png", "jpeg", "webp"]
    watermark: bool | None


def body(prompt: str, fields: Mapping[str, Any]) -> JsonObject:
    """The JSON body. Fields that are None are left out, so that the server's defaults hold."""
    given = {name: _plain(value) for name, value in fields.items() if value is not None}
    return {"prompt": prompt, **given}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        value = read(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return {name: _plain(entry) for name, entry in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in cast("Sequence[Any]", value)]
    return value


def read(path: Path) -> bytes:
    """The bytes of a file. Raises InvalidRequest naming it when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror or error}.") from error


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
