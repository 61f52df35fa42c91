"""Files of adapters: read whole once they are vetted, and told from others that took their place."""

from pathlib import Path
from typing import Any

from safetensors import torch as safetensors_torch
from torch import Tensor

from platemark.core.errors import ModelUnavailable
from platemark.engine.models.vetting import vet_adapter

_library: Any = safetensors_torch
Stamp = tuple[str, int, int]


def stamp(path: Path) -> Stamp:
    """Place, time of the last change and size; of a folder those of its newest file. Raises ModelUnavailable."""
    try:
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        states = [file.stat() for file in files]
    except OSError as error:
        raise ModelUnavailable(f"{path} cannot be read ({error.strerror}). Put it back, or mend its rights.") from error
    if not states:
        raise ModelUnavailable(f"{path} does not exist any more. Put it back, or ask without it.")
    return str(path), max(state.st_mtime_ns for state in states), sum(state.st_size for state in states)


def read_tensors(path: Path, root: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file that belongs to the model folder `root`. Raises ModelUnavailable."""
    vet_adapter(path, root)
    try:
        return _library.load_file(path)
    except Exception as error:
        # What it raises has no common base, and the file was whole when it was vetted.
        raise ModelUnavailable(
            f"{path} cannot be read ({type(error).__name__}). Fetch it again from where it came from."
        ) from error
