"""Detector: pictures on lists of known ones, by their bytes and by how they look, also mirrored, turned or framed."""

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import anyio
import numpy as np
from numpy.typing import NDArray

from platemark.core.errors import InvalidRequest
from platemark.core.hashlist import KNOWN_HASH_MATCH, ListAt
from platemark.core.limits import Limits
from platemark.core.moderation import NOTHING_FOUND, Signal
from platemark.imaging.decode import open_picture
from platemark.imaging.fingerprint import Pixels, dihedral, pdq_of
from platemark.telemetry import logger

log = logger(__name__)
_DEFAULTS = Limits()
# Certain, and what a person has to look at: a match of a part, or of a list that asks for review.
CERTAIN, LIKELY = 1.0, 0.5
# Shares of the width and height that are cut off each side, to see through a frame or border.
_BORDERS = (0.05, 0.10)
# Hashes that are compared in one go: as many as stay in the processor's cache.
_BLOCK = 1 << 14
# Not a version of any list: whoever kept a measurement has to take it again.
_STALE = "stale"


class KnownHashes(Protocol):
    """Where the lists are kept."""

    async def lists(self) -> Sequence[ListAt]:
        """Every list that can match, at its present version."""
        ...

    def hashes(self, list_id: str, /) -> AsyncIterator[Sequence[tuple[str, str]]]:
        """Kind (`pdq`, `sha256`, `md5`) and hexadecimal hash of all that match, in pieces."""
        ...


@dataclass(frozen=True, slots=True)
class Hit:
    """A match. `how`: `exact`, `near` or `part`; `distance` in bits, 0 to 256."""

    owner: ListAt
    how: str
    distance: int

    @property
    def score(self) -> float:
        """1.0 where the list asks for a block and the whole picture matches, else 0.5."""
        return CERTAIN if self.how != "part" and self.owner.action == "block" else LIKELY


@dataclass(frozen=True, slots=True)
class Index:
    """The hashes of some lists, for searching: four columns of 64 bits, and the numbers of the lists they are of."""

    lists: tuple[ListAt, ...]
    columns: tuple[NDArray[np.uint64], ...]
    owners: NDArray[np.int32]
    exact: dict[bytes, tuple[int, ...]]

    @property
    def version(self) -> str:
        """Digest of which lists at which version."""
        return _version(self.lists)

    @property
    def size(self) -> int:
        """How many hashes there are."""
        return len(self.owners) + len(self.exact)

    def same(self, data: bytes) -> list[Hit]:
        """Lists that have these very bytes."""
        if not self.exact:
            return []
        digests = (hashlib.sha256(data).digest(), hashlib.md5(data, usedforsecurity=False).digest())
        owners = {owner for digest in digests for owner in self.exact.get(digest, ())}
        return [Hit(self.lists[owner], "exact", 0) for owner in owners]

    def near(self, hashes: Sequence[str], most: int, how: str) -> list[Hit]:
        """The nearest of each list that is at most `most` bits from one of the hashes."""
        best = dict[int, int]()
        queries = np.frombuffer(bytes.fromhex("".join(hashes)), dtype=np.uint64).reshape(-1, 4)
        for start in range(0, len(self.owners), _BLOCK):
            block = [column[start : start + _BLOCK] for column in self.columns]
            for query in queries:
                distances = _distances(block, query)
                for place in np.flatnonzero(distances <= most):
                    owner = int(self.owners[start + place])
                    best[owner] = min(best.get(owner, 256), int(distances[place]))
        return [Hit(self.lists[owner], how, distance) for owner, distance in best.items()]


def _distances(block: Sequence[NDArray[np.uint64]], query: NDArray[np.uint64]) -> NDArray[np.uint16]:
    # The first three add up to 192 at most and stay within a byte, which is four times as fast as sixteen bits.
    some = np.bitwise_count(block[0] ^ query[0])
    some += np.bitwise_count(block[1] ^ query[1])
    some += np.bitwise_count(block[2] ^ query[2])
    return np.add(some, np.bitwise_count(block[3] ^ query[3]), dtype=np.uint16)


def _version(lists: Sequence[ListAt]) -> str:
    said = "\n".join(sorted(f"{one.id} {one.version} {one.action} {one.purpose}" for one in lists))
    return hashlib.sha256(said.encode()).hexdigest()[:12]


async def build(source: KnownHashes, lists: Sequence[ListAt]) -> Index:
    """Read every hash of these lists."""
    pdqs, owners, exact = list[bytes](), list[NDArray[np.int32]](), dict[bytes, tuple[int, ...]]()
    for number, known in enumerate(lists):
        alone = (number,)
        async for some in source.hashes(known.id):
            rows = b"".join(bytes.fromhex(hash) for kind, hash in some if kind == "pdq")
            pdqs.append(rows)
            owners.append(np.full(len(rows) // 32, number, dtype=np.int32))
            for kind, hash in some:
                if kind != "pdq":
                    digest = bytes.fromhex(hash)
                    exact[digest] = (*exact[digest], number) if digest in exact else alone
    return await anyio.to_thread.run_sync(_arranged, tuple(lists), pdqs, owners, exact)


def _arranged(
    lists: tuple[ListAt, ...], pdqs: list[bytes], owners: list[NDArray[np.int32]], exact: dict[bytes, tuple[int, ...]]
) -> Index:
    table = np.frombuffer(b"".join(pdqs), dtype=np.uint64).reshape(-1, 4)
    columns = tuple(np.ascontiguousarray(table[:, word]) for word in range(4))
    numbers = np.concatenate(owners) if owners else np.empty(0, np.int32)
    return Index(lists, columns, numbers, exact)


class HashLists:
    """Measures one encoded image: KNOWN_HASH_MATCH, a signal for each list that has it; else that nothing was found.

    The lists are asked for their versions at most every `seconds`, and read again when one has changed; until they are
    read, what was read before answers. Where nobody imported a list, there is nothing to look in: that is no failure,
    and the evidence says `lists: 0`. Lists that cannot be read are: then it was not evaluated.
    """

    name = "hash_list"

    def __init__(
        self,
        source: KnownHashes,
        monotonic: Callable[[], float],
        *,
        seconds: float = 3.0,
        max_bytes: int = _DEFAULTS.max_image_bytes,
        max_pixels: int = _DEFAULTS.max_pixels,
        most: int = _DEFAULTS.pdq_max_distance,
        least_quality: int = _DEFAULTS.pdq_min_quality,
    ) -> None:
        self._source, self._monotonic, self._seconds = source, monotonic, seconds
        self._bounds = {"max_bytes": max_bytes, "max_pixels": max_pixels}
        self._most, self._least_quality = most, least_quality
        self._index: Index | None = None
        self._checked = float("-inf")
        self._lock = anyio.Lock()

    @property
    def version(self) -> str:
        """Digest of the lists' versions; `stale` when it was too long ago that somebody asked for them."""
        if self._index is None or self._monotonic() - self._checked > self._seconds:
            return _STALE
        return self._index.version

    async def look(self, data: bytes, /) -> Sequence[Signal]:
        """A signal for each list that matches; not evaluated where lists or bytes cannot be read."""
        index, failure = await self._current()
        if index is None:
            return [self._blind(_STALE, str(failure))]
        if not index.size:
            return [self._blind(index.version, failure) if failure else self._nothing(index)]
        try:
            hits = await anyio.to_thread.run_sync(self._search, index, data)
        except InvalidRequest as error:
            return [self._blind(index.version, error.detail)]
        if not hits and failure:
            return [self._blind(index.version, failure)]
        return [self._signal(index, hit) for hit in hits] or [self._nothing(index)]

    async def _current(self) -> tuple[Index | None, str | None]:
        """The lists as they are, or as they were with what stands in the way of reading them."""
        try:
            await self._refresh()
        except Exception as error:
            log.warning("hash_lists.unread", error=repr(error)[:200])
            return self._index, f"the lists could not be read: {type(error).__name__}"
        return self._index, None

    async def _refresh(self) -> None:
        if self._monotonic() - self._checked <= self._seconds:
            return
        # One reads; the others go on with what there is, unless there is nothing yet.
        if self._index is not None and self._lock.statistics().locked:
            return
        async with self._lock:
            if self._monotonic() - self._checked <= self._seconds:
                return
            lists = tuple(await self._source.lists())
            if self._index is None or _version(lists) != self._index.version:
                self._index = await build(self._source, lists)
            self._checked = self._monotonic()

    def _search(self, index: Index, data: bytes) -> list[Hit]:
        hits = index.same(data)
        if len(index.owners):
            picture = open_picture(data, **self._bounds)
            turned, quality = dihedral(picture)
            if quality >= self._least_quality:
                hits += index.near(turned, self._most, "near")
            inner = [hash for hash, quality in map(pdq_of, _inner(picture)) if quality >= self._least_quality]
            hits += index.near(inner, self._most, "part") if inner else []
        best = dict[str, Hit]()
        for hit in sorted(hits, key=lambda hit: (-hit.score, hit.distance)):
            best.setdefault(hit.owner.id, hit)
        return list(best.values())

    def _signal(self, index: Index, hit: Hit) -> Signal:
        evidence: dict[str, Any] = {
            "list": hit.owner.id,
            "purpose": hit.owner.purpose,
            "reason_code": hit.owner.reason_code,
            "kind": hit.how,
            "distance": hit.distance,
        }
        return self._said(index.version, KNOWN_HASH_MATCH, hit.score, evidence)

    def _nothing(self, index: Index) -> Signal:
        evidence = {"lists": len(index.lists), "hashes": index.size}
        return self._said(index.version, NOTHING_FOUND, 0.0, evidence)

    def _said(self, version: str, category: str, score: float, evidence: dict[str, Any]) -> Signal:
        return Signal(detector=self.name, version=version, category=category, score=score, evidence=evidence)

    def _blind(self, version: str, reason: str) -> Signal:
        return Signal(
            detector=self.name,
            version=version,
            category=KNOWN_HASH_MATCH,
            evaluated=False,
            evidence={"reason": reason},
        )


def _inner(picture: Pixels) -> list[Pixels]:
    """The picture without its border, by each of the shares."""
    found = list[Pixels]()
    for share in _BORDERS:
        x, y = round(picture.width * share), round(picture.height * share)
        if min(picture.width - 2 * x, picture.height - 2 * y) >= 32:
            found.append(picture.crop((x, y, picture.width - x, picture.height - y)))
    return found
