"""`models.toml` in the data directory: models that `platemark models add` wrote down, read by the settings."""

import json
import os
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from platemark.core.errors import Misconfigured
from platemark.settings import MODELS_FILE, LocalModel, LocalModels

_Models: TypeAdapter[dict[str, LocalModel]] = TypeAdapter(LocalModels)
_HEAD = (
    "# Written by `platemark models add` and `remove`: comments are lost. Models of your own go to platemark.toml.\n"
)


def read_models(data: Path) -> dict[str, LocalModel]:
    """The models of the file by name; none where there is no file. Raises Misconfigured when it cannot be read."""
    path = data / MODELS_FILE
    try:
        return _Models.validate_python(tomllib.loads(path.read_text(encoding="utf-8")).get("models", {}))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise Misconfigured(f"{path} cannot be read ({type(error).__name__}). Mend it, or move it away.") from error


def check_model(name: str, facts: Mapping[str, Any]) -> LocalModel:
    """One model as the settings would read it. Raises ValidationError."""
    return _Models.validate_python({name: dict(facts)})[name]


def write_models(data: Path, models: Mapping[str, LocalModel]) -> Path:
    """Replace the file, whole or not at all. Raises OSError."""
    path = data / MODELS_FILE
    data.mkdir(parents=True, exist_ok=True)
    text = _HEAD + "".join(_table(name, model) for name, model in sorted(models.items()))
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=data, prefix=".models-", delete=False) as draft:
        try:
            draft.write(text)
            draft.flush()
            os.fsync(draft.fileno())
            Path(draft.name).replace(path)
        except BaseException:
            Path(draft.name).unlink(missing_ok=True)
            raise
    return path


def _table(name: str, model: LocalModel) -> str:
    facts: dict[str, Any] = model.model_dump(mode="json", exclude_defaults=True)
    plain = {field: value for field, value in facts.items() if not isinstance(value, dict)}
    lines = [f"\n[models.{_quoted(name)}]", *(f"{field} = {_quoted(value)}" for field, value in plain.items())]
    for field in facts.keys() - plain.keys():
        lines.append(f"\n[models.{_quoted(name)}.{field}]")
        lines += [f"{_quoted(id)} = {_quoted(path)}" for id, path in facts[field].items()]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A basic string: TOML escapes as JSON does, and one letter more."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
