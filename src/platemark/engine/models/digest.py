"""The revision of a model: one digest over the hashes of its files, so that a record names the exact weights."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Lock

from pydantic import TypeAdapter

from platemark.core.errors import ModelUnavailable
from platemark.engine.models.headers import printable
from platemark.engine.models.source import Source

# What the libraries read. Cards and sample sheets may change without the model being another one.
_READ = frozenset({".json", ".model", ".safetensors", ".txt"})


class Revisions:
    """Digests of model folders. File hashes are kept in `cache` as long as size and time of change stay the same."""

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = cache
        self._lock = Lock()
        self._known = _load(cache)

    def of(self, place: Path | Source) -> str:
        """`sha256:` and 64 hexadecimal digits, over the model and its adapters. Reads every changed file: call it in a
        thread.

        Raises ModelUnavailable when a file cannot be read, or is not the one that the source names by its SHA-256.
        """
        source = Source.of(place)
        if source.missing:
            raise ModelUnavailable(source.missing)
        files = {name: path for name, path in _files(source) if path.is_file()}
        with self._lock:
            before = len(self._known)
            try:
                lines = [f"{self._hash(path)}  {name}\n" for name, path in files.items()]
                if source.sha256 and source.is_file and self._hash(source.path) != source.sha256:
                    raise ModelUnavailable(
                        f"{printable(source.path)} is not the file that the setting `models` names by its SHA-256. "
                        "Fetch that one, or correct `sha256` when you trust the new one."
                    )
            except OSError as error:
                raise ModelUnavailable(f"{printable(str(error.filename))} cannot be read: {error.strerror}.") from error
            if len(self._known) != before:
                self._save()
        digest = hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
        if source.sha256 and not source.is_file and digest != source.sha256:
            raise ModelUnavailable(
                f"{printable(source.path)} has the revision {digest}, not the one that the setting `models` names by "
                "`sha256`. Fetch that one, or correct `sha256` when you trust the new one."
            )
        return f"sha256:{digest}"

    def _hash(self, path: Path) -> str:
        facts = path.stat()
        key = f"{path.resolve()}|{facts.st_size}|{facts.st_mtime_ns}"
        if key not in self._known:
            with path.open("rb") as file:
                self._known[key] = hashlib.file_digest(file, "sha256").hexdigest()
        return self._known[key]

    def _save(self) -> None:
        """The cache only saves time, so a folder that cannot be written is no error."""
        if self._cache is None:
            return
        with suppress(OSError):
            self._cache.parent.mkdir(parents=True, exist_ok=True)
            draft = self._cache.with_suffix(".draft")
            draft.write_text(json.dumps(self._known))
            draft.replace(self._cache)


def _files(source: Source) -> Iterator[tuple[str, Path]]:
    """Every file that the libraries read, under a name that does not depend on where the model lies."""
    if source.is_file:
        yield "model.safetensors", source.path
        yield from _inside(source.config, "config/")
    else:
        yield from _inside(source.path, "")
    for kind in ("loras", "embeddings", "controlnets", "vaes"):
        named: dict[str, Path] = getattr(source, kind)
        for name, path in sorted(named.items()):
            if path.is_dir():
                yield from _inside(path, f"{kind}:{name}/")
            else:
                yield f"{kind}:{name}", path


def _inside(folder: Path | None, prefix: str) -> Iterator[tuple[str, Path]]:
    if folder is not None:
        for path in sorted(path for path in folder.rglob("*") if path.suffix.lower() in _READ):
            yield prefix + path.relative_to(folder).as_posix(), path


def _load(cache: Path | None) -> dict[str, str]:
    if cache is None:
        return {}
    with suppress(OSError, ValueError):
        return TypeAdapter(dict[str, str]).validate_json(cache.read_bytes())
    return {}
