"""The detector of known pictures: what it finds again, what it does not, and what it says when it cannot look."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from pictures import encoded, gradient, noise
from platemark.core.hashlist import ListAt
from platemark.core.moderation import Signal
from platemark.detectors.hash_lists import HashLists, build
from platemark.imaging.fingerprint import distance, pdq_of

ORIGINAL = noise(384, seed=3)


@dataclass
class Lists:
    """Lists in memory, and how often they were asked for."""

    known: dict[ListAt, list[tuple[str, str]]] = field(default_factory=dict[ListAt, list[tuple[str, str]]])
    fault: Exception | None = None
    asked: int = 0
    read: list[str] = field(default_factory=list[str])

    async def lists(self) -> Sequence[ListAt]:
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        return list(self.known)

    async def hashes(self, list_id: str, /) -> AsyncIterator[Sequence[tuple[str, str]]]:
        self.read.append(list_id)
        for one, hashes in self.known.items():
            if one.id == list_id:
                yield hashes


@dataclass
class Time:
    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


def listed(id: str = "hls_1", version: int = 1, **fields: Any) -> ListAt:
    given: dict[str, Any] = {"purpose": "takedown", "action": "block", "reason_code": "NCII", **fields}
    return ListAt(id=id, version=version, **given)


def with_original(**fields: Any) -> Lists:
    data = encoded(ORIGINAL)
    return Lists({listed(**fields): [("pdq", pdq_of(ORIGINAL)[0]), ("sha256", hashlib.sha256(data).hexdigest())]})


async def seen(lists: Lists, picture: Image.Image | bytes, **options: Any) -> list[Signal]:
    data = picture if isinstance(picture, bytes) else encoded(picture)
    return list(await HashLists(lists, Time(), **options).look(data))


COPIES = {
    "quality 30": encoded(ORIGINAL, "JPEG", quality=30),
    "webp": encoded(ORIGINAL, "WEBP", quality=50),
    "half": encoded(ORIGINAL.resize((192, 192))),
    "grey": encoded(ImageOps.grayscale(ORIGINAL).convert("RGB")),
    "mirrored": encoded(ImageOps.mirror(ORIGINAL), "JPEG"),
    "turned": encoded(ORIGINAL.rotate(90)),
    "upside down and small": encoded(ImageOps.flip(ORIGINAL).resize((200, 200)), "JPEG", quality=60),
}


@pytest.mark.parametrize("data", COPIES.values(), ids=COPIES.keys())
async def test_copies_are_found(data: bytes) -> None:
    (signal,) = await seen(with_original(), data)
    assert (signal.category, signal.score) == ("KNOWN_HASH_MATCH", 1.0)
    assert signal.evidence["kind"] == "near"
    assert 0 <= signal.evidence["distance"] <= 31
    assert {"list": "hls_1", "purpose": "takedown", "reason_code": "NCII"}.items() <= signal.evidence.items()


async def test_the_same_bytes_are_found_exactly() -> None:
    data = encoded(gradient(64, (0, 0, 0), (90, 0, 0)))
    for kind in ("sha256", "md5"):
        lists = Lists({listed(): [(kind, hashlib.new(kind, data).hexdigest())]})
        (signal,) = await seen(lists, data)
        assert (signal.score, signal.evidence["kind"]) == (1.0, "exact")


@pytest.mark.parametrize("seed", range(20, 32))
async def test_other_pictures_are_not_found(seed: int) -> None:
    (signal,) = await seen(with_original(), noise(256, seed=seed))
    assert (signal.category, signal.evaluated, signal.score) == ("none", True, 0.0)


@pytest.mark.parametrize("share", [0.05, 0.1])
async def test_a_frame_is_seen_through_for_review(share: float) -> None:
    side = round(384 / (1 - 2 * share))
    framed = Image.new("RGB", (side, side), (10, 200, 30))
    framed.paste(ORIGINAL, ((side - 384) // 2, (side - 384) // 2))
    (signal,) = await seen(with_original(), framed)
    assert (signal.evidence["kind"], signal.score) == ("part", 0.5)


async def test_flat_pictures_collide_and_are_not_compared() -> None:
    flat = gradient(256, (10, 10, 10), (12, 12, 12))
    lists = Lists({listed(): [("pdq", pdq_of(flat)[0])]})
    (signal,) = await seen(lists, flat)
    assert signal.category == "none"


async def test_no_evidence_holds_a_hash() -> None:
    lists = with_original(purpose="child_safety", reason_code="MINOR_SAFETY")
    for data in (encoded(ORIGINAL), COPIES["half"]):
        signals = await seen(lists, data)
        assert signals[0].evidence["purpose"] == "child_safety"
        assert not [hash for hashes in lists.known.values() for _, hash in hashes if hash in str(signals)]


async def test_each_list_that_matches_is_named_once() -> None:
    hashes = [("pdq", pdq_of(ORIGINAL)[0])]
    review = listed("hls_2", action="review", purpose="brand", reason_code="IP_TRADEMARK")
    signals = await seen(Lists({listed(): hashes, review: hashes}), COPIES["half"])
    assert {signal.evidence["list"]: signal.score for signal in signals} == {"hls_1": 1.0, "hls_2": 0.5}


async def test_where_nobody_imported_a_list_there_is_nothing_to_look_in() -> None:
    (signal,) = await seen(Lists(), ORIGINAL)
    assert (signal.evaluated, signal.category, signal.evidence) == (True, "none", {"lists": 0, "hashes": 0})


async def test_p5_lists_that_cannot_be_read_are_no_pass() -> None:
    (signal,) = await seen(Lists(fault=OSError("gone")), ORIGINAL)
    assert (signal.evaluated, signal.score) == (False, None)


async def test_p5_when_the_lists_fail_later_the_old_ones_still_match_but_nobody_passes() -> None:
    lists, time = with_original(), Time()
    detector = HashLists(lists, time)
    await detector.look(encoded(noise(64, seed=9)))
    lists.fault, time.seconds = OSError("gone"), 60.0
    (hit,) = await detector.look(encoded(ORIGINAL))
    (other,) = await detector.look(encoded(noise(64, seed=9)))
    assert (hit.score, other.evaluated) == (1.0, False)


async def test_bytes_that_are_no_picture_are_no_pass() -> None:
    (signal,) = await seen(with_original(), b"no picture")
    assert not signal.evaluated


async def test_a_new_version_is_read_soon_and_an_old_one_only_once() -> None:
    lists, time = with_original(), Time()
    detector = HashLists(lists, time, seconds=3.0)
    assert detector.version == "stale"
    await detector.look(encoded(ORIGINAL))
    first = detector.version
    for _ in range(3):
        await detector.look(encoded(ORIGINAL))
    assert (lists.asked, lists.read) == (1, ["hls_1"])
    lists.known = {listed(version=2): []}
    time.seconds = 4.0
    assert detector.version == "stale"
    (signal,) = await detector.look(encoded(ORIGINAL))
    assert signal.category == "none"
    assert detector.version == signal.version != first
    assert lists.read == ["hls_1", "hls_1"]


async def test_the_search_finds_what_comparing_one_by_one_finds() -> None:
    rng = np.random.default_rng(5)
    hashes = [rng.bytes(32).hex() for _ in range(40_000)]
    wanted = int(hashes[30_000], 16)
    for bits in (0, 20, 31, 32):
        mask = sum(1 << int(place) for place in rng.choice(256, bits, replace=False))
        query = f"{wanted ^ mask:064x}"
        index = await build(Lists({listed(): [("pdq", hash) for hash in hashes]}), [listed()])
        found = [hit.distance for hit in index.near([query], 31, "near")]
        assert found == ([min(distance(query, hash) for hash in hashes)] if bits <= 31 else [])
        assert distance(query, hashes[30_000]) == bits
    # The opposite of a hash is as far from it as can be, also where counts could run over.
    assert index.near([f"{wanted ^ (2**256 - 1):064x}"], 31, "near") == []
