"""Writing files whole or not at all: first beside the target, then under its name."""

import contextlib
import errno
import os
import secrets
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO, Self

from platemark.core.errors import Conflict, InvalidRequest, StorageFull, StorageUnavailable
from platemark.core.image import EXTENSIONS

_ENDINGS = {
    "image/png": frozenset({".png"}),
    "image/jpeg": frozenset({".jpg", ".jpeg"}),
    "image/webp": frozenset({".webp"}),
}


def destination(path: Path | str, name: str, media_type: str) -> Path:
    """Where an image goes: into `path` as `name` when that is a directory or ends in a slash, else to `path` itself.

    A missing extension is added. Raises InvalidRequest when the path ends in that of another kind of image.
    """
    target = Path(path).expanduser()
    extension = "." + EXTENSIONS.get(media_type, "bin")
    if target.is_dir() or str(path).endswith(("/", os.sep)):
        return target / (name + extension)
    ending = target.suffix.lower()
    if ending in _ENDINGS.get(media_type, {extension}):
        return target
    if any(ending in endings for endings in _ENDINGS.values()):
        raise InvalidRequest(
            f"{target.name} would hold {media_type}. Name it {target.stem}{extension}, or ask for another "
            "output_format."
        )
    return target.with_name(target.name + extension)


def refuse_taken(target: Path, overwrite: bool) -> None:
    """Raise Conflict when `target` exists and may not be replaced; devices, pipes and folders never may."""
    if target.exists() and not target.is_file():
        raise Conflict(f"{target} is no ordinary file. Choose another name.")
    if target.exists() and not overwrite:
        raise Conflict(f"{target} exists. Choose another name, or let it be replaced (overwrite=True, --overwrite).")


def save(target: Path, data: bytes, *, overwrite: bool) -> Path:
    """Write `data` to `target`; missing folders are made. Raises as WholeFile does."""
    with WholeFile(target, overwrite=overwrite) as file:
        file.write(data)
        file.finish()
    return target


class WholeFile:
    """A file that gets its name when it is finished, and is gone when it is left unfinished.

    Raises Conflict when the name is taken and may not be replaced, StorageFull and StorageUnavailable.
    """

    def __init__(self, target: Path, *, overwrite: bool) -> None:
        refuse_taken(target, overwrite)
        self._target, self._overwrite = target, overwrite
        self._partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        with self._explained():
            target.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = self._partial.open("xb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._file.closed:
            self._discard()

    def _discard(self) -> None:
        self._file.close()
        self._partial.unlink(missing_ok=True)

    def write(self, data: bytes) -> None:
        """Append."""
        with self._explained():
            self._file.write(data)

    def finish(self) -> None:
        """Bring everything to the disk, then give it its name."""
        with self._explained():
            self._file.flush()
            os.fsync(self._file.fileno())
            if self._overwrite:
                self._partial.replace(self._target)
            else:
                self._take_free_name()
            self._discard()

    def _take_free_name(self) -> None:
        try:
            # A link fails where the name is taken, even since a moment ago; a rename would replace what is there.
            os.link(self._partial, self._target)
        except FileExistsError:
            refuse_taken(self._target, overwrite=False)
            raise
        except OSError:
            # A file system without hard links: there the check lies a moment before the rename.
            refuse_taken(self._target, overwrite=False)
            self._partial.rename(self._target)

    @contextlib.contextmanager
    def _explained(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            kind = StorageFull if error.errno == errno.ENOSPC else StorageUnavailable
            raise kind(f"{self._target} cannot be written: {error.strerror or error}.") from error
