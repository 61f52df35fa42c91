"""The marks of what was published. The blocking class has its async twin below it."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from platemark.client import nouns
from platemark.client.drive import Async, Blocking
from platemark.client.effects import Steps
from platemark.client.wire import Server


def _export(server: Server, path: Path | str, since: datetime | None, overwrite: bool) -> Steps[Path]:
    table = Path(path).suffix == ".csv"
    query = {"format": "csv" if table else "jsonl"} | ({"since": since.isoformat()} if since else {})
    accept = "text/csv" if table else "application/x-ndjson"
    return nouns.export(server, path, overwrite=overwrite, route="/v1/provenance", query=query, accept=accept)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Which marks every published file of the project carries, verified again."""

    _link: Blocking

    def export(self, path: Path | str, *, since: datetime | None = None, overwrite: bool = False) -> Path:
        """Write one line a file, whole or not at all: JSON lines, or a table where `path` ends in .csv."""
        return self._link.run(_export(self._link.server, path, since, overwrite))


@dataclass(frozen=True, slots=True)
class AsyncProvenance:
    """Which marks every published file of the project carries; see `Provenance`."""

    _link: Async

    async def export(self, path: Path | str, *, since: datetime | None = None, overwrite: bool = False) -> Path:
        """Write one line a file, whole or not at all: JSON lines, or a table where `path` ends in .csv."""
        return await self._link.run(_export(self._link.server, path, since, overwrite))
