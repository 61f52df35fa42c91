"""What people write beside a model: `platemark.json`, and JSON files in general."""

import json
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import ValidationError

from platemark.core.base import JsonObject, Part
from platemark.core.errors import ModelUnavailable
from platemark.engine.models.headers import printable

DECLARATION = "platemark.json"
Upscale = Literal["flat_art", "lanczos"]


class Declaration(Part):
    """`platemark.json` in a model folder: what its configuration files do not say. Sizes in pixels."""

    description: str = ""
    licence: str | None = None
    licence_note: str | None = None
    steps: int | None = None
    cfg_scale: float | None = None
    guidance_rescale: float = 0.0
    default_size: int | None = None
    max_size: int | None = None
    max_count: int = 4
    upscale: Upscale | None = None
    words: str | None = None


def read_declaration(folder: Path) -> Declaration:
    """That of a folder, or an empty one. Raises ModelUnavailable naming the fields that are wrong."""
    path = folder / DECLARATION
    if not path.is_file():
        return Declaration()
    try:
        return Declaration.model_validate(read_json(path))
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, problem["loc"])) for problem in error.errors()}))
        raise ModelUnavailable(f"{printable(path)} has unknown or wrong fields: {fields}. Correct them.") from error


def read_json(path: Path) -> JsonObject:
    """One object. Raises ModelUnavailable naming the file."""
    try:
        value: Any = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ModelUnavailable(
            f"{printable(path)} is missing, so this is not a complete diffusers folder. Fetch the whole folder, or "
            "correct its path in the setting `models`."
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelUnavailable(
            f"{printable(path)} cannot be read as JSON ({type(error).__name__}). Fetch it again."
        ) from error
    if not isinstance(value, dict):
        raise ModelUnavailable(f"{printable(path)} is not a JSON object. Fetch it again.")
    return cast("JsonObject", value)
