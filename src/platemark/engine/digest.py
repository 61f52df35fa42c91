"""The revision of a model: one digest over the hashes of its files, so that a record names the exact weights."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from threading import Lock

from pydantic import TypeAdapter

from platemark.core.errors import ModelUnavailable

# What the libraries read. Cards and sample sheets may change without the model being another one.
_READ = frozenset({".json", ".model", ".safetensors", ".txt"})


class Revisions:
    """Digests of model folders. File hashes are kept in `cache` as long as size and time of change stay the same."""

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = cache
        self._lock = Lock()
        self._known = _load(cache)

    def of(self, folder: Path) -> str:
        """`sha256:` and 64 hexadecimal digits. Reads every changed file: call it in a thread.

        Raises ModelUnavailable when a file cannot be read.
        """
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _READ and path.is_file())
        with self._lock:
            before = len(self._known)
            try:
                lines = [f"{self._hash(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
            except OSError as error:
                raise ModelUnavailable(f"{error.filename} cannot be read: {error.strerror}.") from error
            if len(self._known) != before:
                self._save()
        return f"sha256:{hashlib.sha256(''.join(lines).encode()).hexdigest()}"

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


def _load(cache: Path | None) -> dict[str, str]:
    if cache is None:
        return {}
    with suppress(OSError, ValueError):
        return TypeAdapter(dict[str, str]).validate_json(cache.read_bytes())
    return {}
