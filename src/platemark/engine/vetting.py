"""What may be opened: a model folder is vetted before any library reads it. Safetensors only, nothing from outside."""

import json
import os
import struct
from pathlib import Path

from platemark.core.errors import ModelUnavailable

_CODE_CARRIERS = frozenset({".bin", ".ckpt", ".joblib", ".msgpack", ".npy", ".npz", ".pickle", ".pkl", ".pt", ".pth"})
_MAX_HEADER = 100 * 1024 * 1024
_LENGTH = struct.Struct("<Q")


def vet(folder: Path) -> None:
    """Raise ModelUnavailable for a missing folder, a file that could run code, a link to the outside, a broken file."""
    if not folder.is_dir():
        raise ModelUnavailable(
            f"The model folder {folder} does not exist. Put a diffusers folder there, or correct its path in the "
            "setting `models`."
        )
    root = folder.resolve()
    for place, folders, files in os.walk(folder):
        for name in sorted(folders + files):
            _vet_link(root, Path(place, name))
        for name in sorted(files):
            _vet_file(Path(place, name))


def _vet_link(root: Path, path: Path) -> None:
    if path.is_symlink() and not path.resolve().is_relative_to(root):
        raise ModelUnavailable(
            f"{path} is a link to a place outside the model folder and was not followed. Put a copy of the file there."
        )


def _vet_file(path: Path) -> None:
    if path.suffix.lower() in _CODE_CARRIERS:
        raise ModelUnavailable(
            f"{path} is in a format that can run code when it is opened, so this model was refused. Remove the file if "
            "its .safetensors twin lies beside it; else convert it to safetensors."
        )
    if path.suffix.lower() == ".safetensors":
        _vet_safetensors(path)


def _vet_safetensors(path: Path) -> None:
    """The header names every tensor and its place, so a truncated or foreign file shows without reading the rest."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
            if length > min(size, _MAX_HEADER):
                raise ValueError("the header is longer than the file")
            header = json.loads(file.read(length))
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        expected = _LENGTH.size + length + max(ends, default=0)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, struct.error) as error:
        raise ModelUnavailable(
            f"{path} is not a readable safetensors file. It is damaged or something else under that name; "
            "fetch it again from where it came from."
        ) from error
    if size != expected:
        raise ModelUnavailable(
            f"{path} has {size} bytes where its header says {expected}: it was cut off while copying or changed "
            "afterwards. Fetch it again from where it came from."
        )
