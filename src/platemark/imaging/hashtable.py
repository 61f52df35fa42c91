"""Hashes of many pictures in memory, compared one by one: exact, and quick enough for millions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from platemark.imaging.parts import low_of

# Hashes that are compared in one go: as many as stay in the processor's cache.
_BLOCK = 1 << 15
_FIRST = 1 << 10
# Looks for parts that are so near to each other share a first comparison. Measured with the looks of photographs:
# narrower leaves more first comparisons, wider lets more rows through them.
_APART = 14
_LIVE, _PICTURE, _PART, _GENERATED = 1, 2, 4, 8


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of a file. `id`: 32 hexadecimal digits; `pdq` and `core` are None where nothing may match them."""

    id: str
    project: str
    generated: bool
    pdq: str | None
    core: str | None


@dataclass(frozen=True, slots=True)
class _Columns:
    """61 bytes a row."""

    words: tuple[NDArray[np.uint64], ...]
    lows: NDArray[np.uint64]
    ids: NDArray[np.void]
    projects: NDArray[np.uint32]
    flags: NDArray[np.uint8]

    @classmethod
    def empty(cls, size: int) -> "_Columns":
        words = tuple(np.zeros(size, np.uint64) for _ in range(4))
        return cls(
            words, np.zeros(size, np.uint64), np.zeros(size, "V16"), np.zeros(size, np.uint32), np.zeros(size, np.uint8)
        )

    def all(self) -> tuple[NDArray[Any], ...]:
        return (*self.words, self.lows, self.ids, self.projects, self.flags)


class HashTable:
    """Grows in one thread while others search: what a search began with stays as it was, but for rows that died."""

    def __init__(self) -> None:
        self._columns = _Columns.empty(_FIRST)
        self._size = 0
        self._projects = dict[str, int]()

    def __len__(self) -> int:
        return self._size

    @property
    def nbytes(self) -> int:
        """Bytes of memory, those that are kept free for growth among them."""
        return sum(column.nbytes for column in self._columns.all())

    def add(self, rows: Sequence[Row]) -> None:
        """Append rows."""
        end = self._size + len(rows)
        if end > len(self._columns.flags):
            self._grow(max(end, 2 * self._size))
        columns, place = self._columns, slice(self._size, end)
        pdqs = b"".join(bytes.fromhex(row.pdq) if row.pdq else bytes(32) for row in rows)
        table = np.frombuffer(pdqs, dtype=np.uint64).reshape(-1, 4)
        for number, column in enumerate(columns.words):
            column[place] = table[:, number]
        columns.lows[place] = [low_of(row.core) if row.core else 0 for row in rows]
        columns.ids[place] = np.frombuffer(bytes.fromhex("".join(row.id for row in rows)), dtype="V16")
        columns.projects[place] = [self._projects.setdefault(row.project, len(self._projects)) for row in rows]
        columns.flags[place] = [_flags(row) for row in rows]
        self._size = end

    def _grow(self, size: int) -> None:
        wider = _Columns.empty(size)
        for old, new in zip(self._columns.all(), wider.all(), strict=True):
            new[: self._size] = old[: self._size]
        self._columns = wider

    def drop(self, ids: Sequence[str]) -> None:
        """Let rows match no more. Their place is free again after the next start."""
        gone = np.frombuffer(bytes.fromhex("".join(ids)), dtype="V16")
        self._columns.flags[: self._size][np.isin(self._columns.ids[: self._size], gone)] = 0

    def near(
        self, hashes: Sequence[str], most: int, limit: int, *, project: str | None = None, generated: bool = False
    ) -> list[tuple[str, int]]:
        """Ids of the nearest rows at most `most` bits from one of the hashes, best first, with the distance."""
        size, columns = self._size, self._columns
        queries = np.frombuffer(bytes.fromhex("".join(hashes)), dtype=np.uint64).reshape(-1, 4)
        best = dict[int, int]()
        for start in range(0, size, _BLOCK):
            block = [word[start : min(size, start + _BLOCK)] for word in columns.words]
            for query in queries:
                for place, bits in _within(block, query, most):
                    best[start + place] = min(best.get(start + place, 256), bits)
        rows = np.fromiter(best, dtype=np.int64, count=len(best))
        kept = self._kept(columns, rows, _PICTURE, project, generated)
        found = sorted((best[row], -row) for row in kept.tolist())[:limit]
        return [(_id(columns, -row), bits) for bits, row in found]

    def parts(
        self, lows: Sequence[int], most: int, limit: int, *, project: str | None = None, generated: bool = False
    ) -> list[str]:
        """Ids of the rows whose middle is at most `most` of 64 bits from one of these, best first."""
        size, columns, groups = self._size, self._columns, _groups(np.array(lows, dtype=np.uint64))
        rows, bits = list[NDArray[np.int64]](), list[NDArray[np.uint8]]()
        for start in range(0, size, _BLOCK):
            best = _nearest(columns.lows[start : min(size, start + _BLOCK)], groups, most)
            close = np.flatnonzero(best <= most)
            rows.append(close + start)
            bits.append(best[close])
        if not rows:
            return []
        found, distances = np.concatenate(rows), np.concatenate(bits)
        found = found[np.argsort(distances, kind="stable")]
        kept = self._kept(columns, found, _PART, project, generated)
        return [_id(columns, row) for row in kept[:limit].tolist()]

    def _kept(
        self, columns: _Columns, rows: NDArray[np.int64], kind: int, project: str | None, generated: bool
    ) -> NDArray[np.int64]:
        wanted = np.uint8(_LIVE | kind | (_GENERATED if generated else 0))
        rows = rows[columns.flags[rows] & wanted == wanted]
        return rows if project is None else rows[columns.projects[rows] == self._projects.get(project, -1)]


def _flags(row: Row) -> int:
    picture, part = _PICTURE if row.pdq else 0, _PART if row.core else 0
    return _LIVE | picture | part | (_GENERATED if row.generated else 0)


def _within(block: Sequence[NDArray[np.uint64]], query: NDArray[np.uint64], most: int) -> list[tuple[int, int]]:
    """Places and distances. Half of the bits say of nearly all rows that they are too far."""
    half = np.bitwise_count(block[0] ^ query[0])
    half += np.bitwise_count(block[1] ^ query[1])
    places = np.flatnonzero(half <= most)
    if not len(places):
        return []
    whole = half[places].astype(np.int64)
    for word, part in zip(block[2:], query[2:], strict=True):
        whole += np.bitwise_count(word[places] ^ part)
    return [(place, bits) for place, bits in zip(places.tolist(), whole.tolist(), strict=True) if bits <= most]


def _groups(lows: NDArray[np.uint64]) -> list[tuple[NDArray[np.uint64], int]]:
    """These numbers in groups, the middle one first in each; and how many bits the others are from it."""
    apart = np.bitwise_count(lows[:, None] ^ lows)
    near = apart <= _APART
    counted, left = near.astype(np.float32), np.ones(len(lows), dtype=bool)
    found = list[tuple[NDArray[np.uint64], int]]()
    while left.any():
        middle = int((counted @ left).argmax())
        mine = near[middle] & left
        found.append((np.append(lows[middle], lows[mine]), int(apart[middle][mine].max())))
        left &= ~mine
    return found


def _nearest(
    block: NDArray[np.uint64], groups: Sequence[tuple[NDArray[np.uint64], int]], most: int
) -> NDArray[np.uint8]:
    """Of each row the distance to the nearest number; 64 where it is more than `most`."""
    best = np.full(len(block), 64, np.uint8)
    for lows, reach in groups:
        # What is farther from the middle is, by the triangle inequality, too far from all of the group.
        close = np.flatnonzero(np.bitwise_count(block ^ lows[0]) <= most + reach)
        bits = np.bitwise_count(lows[1:, None] ^ block[close]).min(axis=0)
        best[close] = np.minimum(best[close], bits)
    return best


def _id(columns: _Columns, row: int) -> str:
    return columns.ids[row].tobytes().hex()
