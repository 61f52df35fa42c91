"""What may be opened: files are vetted before any library reads them. Safetensors only, nothing from outside."""

import os
from pathlib import Path

from platemark.core.errors import ModelUnavailable
from platemark.engine.models.headers import printable, read_header

# Adapters lie in these folders of a model; each is vetted by itself, so that a bad one leaves the model usable.
ADAPTER_FOLDERS = ("loras", "embeddings", "controlnets", "vaes")
_CODE_CARRIERS = frozenset({".bin", ".ckpt", ".joblib", ".msgpack", ".npy", ".npz", ".pickle", ".pkl", ".pt", ".pth"})
_WEIGHTS = ".safetensors"


def vet(folder: Path) -> None:
    """Raise ModelUnavailable for a missing folder, a file that could run code, a link to the outside, a broken file.

    The folders of its adapters are left to `vet_adapter`.
    """
    if folder.is_file():
        raise ModelUnavailable(
            f"{printable(folder)} is neither a diffusers folder nor a .safetensors checkpoint. Name one of these."
        )
    if not folder.is_dir():
        raise ModelUnavailable(
            f"The model folder {printable(folder)} does not exist. Put a diffusers folder there, or correct its path "
            "in the setting `models`."
        )
    root = _resolved(folder)
    for place, folders, files in os.walk(folder, onerror=_unreadable):
        for name in sorted(folders + files):
            _vet_link(root, Path(place, name))
        if Path(place) == folder:
            folders[:] = [name for name in folders if name not in ADAPTER_FOLDERS]
        for name in sorted(files):
            vet_file(Path(place, name))


def vet_adapter(path: Path, root: Path) -> None:
    """Vet one adapter, a file or a folder, that lies in the model folder `root`. Raises ModelUnavailable."""
    _vet_link(_resolved(root), path)
    if path.is_dir():
        vet(path)
    else:
        vet_file(path)


def vet_file(path: Path) -> None:
    """Raise ModelUnavailable for a file that could run code, and for a safetensors file that is not one."""
    if path.suffix.lower() in _CODE_CARRIERS:
        raise ModelUnavailable(
            f"{printable(path)} is in a format that can run code when it is opened, so this model was refused. Remove "
            "the file if its .safetensors twin lies beside it; else convert it to safetensors."
        )
    if path.suffix.lower() == _WEIGHTS:
        read_header(path)


def _vet_link(root: Path, path: Path) -> None:
    if not path.is_symlink():
        return
    target = _resolved(path)
    if not any(target.is_relative_to(allowed) for allowed in (root, *_blobs(root))):
        raise ModelUnavailable(
            f"{printable(path)} is a link to a place outside the model folder and was not followed. Put a copy of the "
            "file there."
        )


def _blobs(root: Path) -> tuple[Path, ...]:
    """A snapshot in a hub cache is made of links to the files of its repository: those are its own."""
    repository = root.parent.parent
    if root.parent.name == "snapshots" and repository.name.startswith("models--"):
        return (repository / "blobs",)
    return ()


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:
        raise ModelUnavailable(f"{printable(path)} is a link that leads to itself. Remove it.") from error


def _unreadable(error: OSError) -> None:
    raise ModelUnavailable(
        f"{printable(error.filename)} may not be read by this user ({error.strerror}). Give it read permission."
    ) from error
