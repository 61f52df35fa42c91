"""Known: the registry's hashes in the memory of this process, following the store in which all processes write."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import anyio
from anyio.to_thread import run_sync

from platemark.core.limits import Limits
from platemark.core.ports import Platform, Registry, Store
from platemark.core.registry import RegistryEntry
from platemark.imaging.fingerprint import TURNED_MORE, likest, ways
from platemark.imaging.hashtable import HashTable, Row

T = TypeVar("T")
_PREFIX = "reg_"
_NAMES = ("id", "project", "origin", "pdq", "quality", "core")
# A transaction may end after others with later ids, and the clocks of machines differ: so far back is read again.
_OVERLAP_MS = 120_000
_AT_ONCE = 5000
# Searches at a time; others wait, so that a flood of uploads leaves threads to everybody else.
_SEARCHES = 2


class Known:
    """Implements the port Registry: reads the registry once, then at each search what has come since.

    61 bytes an entry. What is deleted stays in memory until it matches or the process ends, and is never answered.
    """

    name = "registry"

    def __init__(self, store: Store, limits: Limits) -> None:
        self._store = store
        self._least = limits.pdq_min_quality
        self._table = HashTable()
        self._last = ""
        self._recent = set[str]()
        self._turn = anyio.Lock()
        self._threads = anyio.CapacityLimiter(_SEARCHES)

    async def warm(self) -> None:
        """Read what there is before somebody asks. Raises DatabaseUnavailable."""
        await self._follow()

    async def near(
        self, hashes: Sequence[str], most: int, *, limit: int, project: str | None = None, generated: bool = False
    ) -> list[tuple[str, int]]:
        """Ids of entries at most `most` bits from one of these PDQ hashes, best first, with the distance."""
        look = partial(self._table.near, hashes, most, limit, project=project, generated=generated)
        return [(_PREFIX + id, bits) for id, bits in await self._search(look)]

    async def parts(
        self, lows: Sequence[int], most: int, *, limit: int, project: str | None = None, generated: bool = False
    ) -> list[str]:
        """Ids of entries whose middle may be what a part shows, best first. `most` of 64 bits."""
        look = partial(self._table.parts, lows, most, limit, project=project, generated=generated)
        return [_PREFIX + id for id in await self._search(look)]

    async def _search(self, look: Callable[[], T]) -> T:
        await self._follow()
        return await run_sync(look, limiter=self._threads)

    def drop(self, entries: Sequence[str]) -> None:
        """Let entries that are gone match no more."""
        self._table.drop([id.removeprefix(_PREFIX) for id in entries])

    async def _follow(self) -> None:
        """Read what has come since the last time. Raises DatabaseUnavailable."""
        async with self._turn, self._store.reading() as read:
            after = _floor(self._last)
            while rows := await read.fields(RegistryEntry, _NAMES, after=after, limit=_AT_ONCE):
                after = rows[-1][0]
                if new := [row for row in rows if row[0] not in self._recent]:
                    await run_sync(self._take, new)

    def _take(self, rows: list[tuple[Any, ...]]) -> None:
        self._table.add([_row(self._least, *row) for row in rows])
        self._last = max(self._last, rows[-1][0])
        floor = _floor(self._last)
        self._recent = {id for id in (*self._recent, *(row[0] for row in rows)) if id > floor}


def _row(least: int, id: str, project: str, origin: str, pdq: str | None, quality: int | None, core: str | None) -> Row:
    usable = quality is not None and quality >= least
    return Row(id.removeprefix(_PREFIX), project, origin == "generated", pdq if usable else None, core)


def _floor(last: str) -> str:
    """The id from which on rows are read again: a UUIDv7 begins with its milliseconds."""
    digits = last.removeprefix(_PREFIX)[:12]
    return f"{_PREFIX}{max(0, int(digits, 16) - _OVERLAP_MS):012x}" if digits else ""


def registry_of(platform: Platform) -> Registry:
    """The platform's own, or one that reads everything anew where it has none."""
    return platform.registry or Known(platform.store, platform.limits)


async def lookalikes(
    platform: Platform, pdq: str, *, limit: int, project: str | None, generated: bool = False
) -> list[tuple[RegistryEntry, int, bool]]:
    """Entries that look nearly so, best first: with the distance, and whether they are turned or mirrored."""
    most = platform.limits.pdq_max_distance
    search = registry_of(platform).near(
        ways(pdq), most + TURNED_MORE, limit=limit, project=project, generated=generated
    )
    rows = await entries(platform, [id for id, _ in await search])
    found = [(row, likest(pdq, row.pdq or "", most)) for row in rows]
    return sorted(((row, *fit) for row, fit in found if fit), key=lambda each: each[1])


async def entries(platform: Platform, ids: Sequence[str]) -> list[RegistryEntry]:
    """The entries that are still there, in this order; the others match no more."""
    if not ids:
        return []
    async with platform.store.reading() as read:
        found = {entry.id: entry for entry in await read.all(RegistryEntry, id=tuple(ids))}
    if gone := [id for id in ids if id not in found]:
        registry_of(platform).drop(gone)
    return [found[id] for id in ids if id in found]
