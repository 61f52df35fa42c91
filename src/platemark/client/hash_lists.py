"""Lists of known pictures, for operators. The blocking class has its async twin below it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from platemark.client import nouns
from platemark.client.drive import Async, Blocking
from platemark.client.effects import Steps, do
from platemark.client.wire import Call, Server, body_of, perform
from platemark.core.hashfile import Format
from platemark.core.hashlist import HashKind, ListAction, Purpose
from platemark.core.resource import HashImportResource, HashListResource, WithdrawnResource

# Seconds: a million hashes take a while to be written down.
_PATIENCE = 3600.0
_ALL: tuple[HashKind, ...] = ("pdq", "sha256", "md5")


def _create(
    server: Server, name: str, source: str, purpose: str, action: str, reason_code: str, kinds: Sequence[str]
) -> Steps[HashListResource]:
    body = {"name": name, "source": source, "purpose": purpose, "action": action, "reason_code": reason_code}
    return nouns.act(server, HashListResource, "/v1/hash-lists", {**body, "kinds": list(kinds)})


def _import(server: Server, known: str, file: Path | bytes, said: dict[str, Any]) -> Steps[HashImportResource]:
    data = (yield from do(partial(file.read_bytes))) if isinstance(file, Path) else file
    params = {name: value for name, value in said.items() if value is not None}
    call = Call(
        "POST",
        nouns.route("hash-lists", known, "import"),
        params,
        headers={"Content-Type": "application/octet-stream"},
        content=data,
        read_timeout=_PATIENCE,
    )
    return nouns.parse(HashImportResource, body_of((yield from perform(server, call))))


def _decide(server: Server, batch: str, verb: str) -> Steps[HashImportResource]:
    return nouns.act(server, HashImportResource, nouns.route("hash-list-imports", batch, verb), repeatable=True)


def _withdraw(server: Server, known: str, hashes: Sequence[str]) -> Steps[WithdrawnResource]:
    path = nouns.route("hash-lists", known, "withdraw")
    return nouns.act(server, WithdrawnResource, path, {"hashes": list(hashes)}, repeatable=True)


def _said(format: Format, rows: int | None, sha256: str | None, hmac: str | None, replace: bool) -> dict[str, Any]:
    return {
        "format": format,
        "rows": rows,
        "sha256": sha256,
        "hmac": hmac,
        "replace": "true" if replace else None,
    }


@dataclass(frozen=True, slots=True)
class HashLists:
    """Lists of known pictures.

    >>> known = client.hash_lists.create("intimate images", "StopNCII", reason_code="NCII", kinds=["pdq"])
    >>> client.hash_lists.import_file(known.id, Path("stopncii.json"))
    """

    _link: Blocking

    def list(self) -> list[HashListResource]:
        """All of the installation, the removed ones too."""
        return self._link.run(nouns.listing(self._link.server, HashListResource, "/v1/hash-lists"))

    def create(
        self,
        name: str,
        source: str,
        *,
        purpose: Purpose = "other",
        action: ListAction = "block",
        reason_code: str = "KNOWN_HASH_MATCH",
        kinds: Sequence[HashKind] = _ALL,
    ) -> HashListResource:
        """A new list, which matches nothing until a file is imported."""
        return self._link.run(_create(self._link.server, name, source, purpose, action, reason_code, kinds))

    def import_file(
        self,
        known: str,
        file: Path | bytes,
        *,
        format: Format = "auto",
        rows: int | None = None,
        sha256: str | None = None,
        hmac: str | None = None,
        replace: bool = False,
    ) -> HashImportResource:
        """Read a file into a list; what is said of it is checked first. It may wait for a second person."""
        return self._link.run(_import(self._link.server, known, file, _said(format, rows, sha256, hmac, replace)))

    def imports(self, known: str) -> "list[HashImportResource]":
        """Every file that was read into a list."""
        path = nouns.route("hash-lists", known, "imports")
        return self._link.run(nouns.listing(self._link.server, HashImportResource, path))

    def confirm(self, batch: str) -> HashImportResource:
        """Let a proposed import match."""
        return self._link.run(_decide(self._link.server, batch, "confirm"))

    def refuse(self, batch: str) -> HashImportResource:
        """Delete a proposed import."""
        return self._link.run(_decide(self._link.server, batch, "refuse"))

    def withdraw(self, known: str, hashes: Sequence[str]) -> WithdrawnResource:
        """Hashes that are to match no longer, at once."""
        return self._link.run(_withdraw(self._link.server, known, hashes))

    def remove(self, known: str) -> HashListResource:
        """Delete a list with all its hashes."""
        return self._link.run(nouns.delete(self._link.server, HashListResource, nouns.route("hash-lists", known)))


@dataclass(frozen=True, slots=True)
class AsyncHashLists:
    """Lists of known pictures; see `HashLists`."""

    _link: Async

    async def list(self) -> list[HashListResource]:
        """All of the installation, the removed ones too."""
        return await self._link.run(nouns.listing(self._link.server, HashListResource, "/v1/hash-lists"))

    async def create(
        self,
        name: str,
        source: str,
        *,
        purpose: Purpose = "other",
        action: ListAction = "block",
        reason_code: str = "KNOWN_HASH_MATCH",
        kinds: Sequence[HashKind] = _ALL,
    ) -> HashListResource:
        """A new list, which matches nothing until a file is imported."""
        return await self._link.run(_create(self._link.server, name, source, purpose, action, reason_code, kinds))

    async def import_file(
        self,
        known: str,
        file: Path | bytes,
        *,
        format: Format = "auto",
        rows: int | None = None,
        sha256: str | None = None,
        hmac: str | None = None,
        replace: bool = False,
    ) -> HashImportResource:
        """Read a file into a list; what is said of it is checked first. It may wait for a second person."""
        said = _said(format, rows, sha256, hmac, replace)
        return await self._link.run(_import(self._link.server, known, file, said))

    async def imports(self, known: str) -> "list[HashImportResource]":
        """Every file that was read into a list."""
        path = nouns.route("hash-lists", known, "imports")
        return await self._link.run(nouns.listing(self._link.server, HashImportResource, path))

    async def confirm(self, batch: str) -> HashImportResource:
        """Let a proposed import match."""
        return await self._link.run(_decide(self._link.server, batch, "confirm"))

    async def refuse(self, batch: str) -> HashImportResource:
        """Delete a proposed import."""
        return await self._link.run(_decide(self._link.server, batch, "refuse"))

    async def withdraw(self, known: str, hashes: Sequence[str]) -> WithdrawnResource:
        """Hashes that are to match no longer, at once."""
        return await self._link.run(_withdraw(self._link.server, known, hashes))

    async def remove(self, known: str) -> HashListResource:
        """Delete a list with all its hashes."""
        path = nouns.route("hash-lists", known)
        return await self._link.run(nouns.delete(self._link.server, HashListResource, path))
