"""Cropped: parts of pictures that were made here, found by the middle they show and confirmed on the pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

from anyio.to_thread import run_sync

from platemark.core.errors import InvalidRequest, NotFound, StorageUnavailable
from platemark.core.image import Image
from platemark.core.inspection import Match
from platemark.core.limits import Limits
from platemark.core.ports import Platform
from platemark.core.registry import RegistryEntry
from platemark.flows.known import entries, registry_of
from platemark.imaging.align import align, likeness, put_back, reduced
from platemark.imaging.decode import open_picture
from platemark.imaging.fingerprint import Pixels
from platemark.imaging.parts import Box, Part
from platemark.imaging.pixels import encode

# Measured by bench/registry.py: parts of the same picture are within 14 of 64 bits and 45 of 256, others rarely.
LOW_BITS, CORE_BITS = 14, 50
# Rows that are looked at closer, and pictures that are read for it.
_CANDIDATES, _READ = 64, 3
CORRELATION = 0.9


@dataclass(frozen=True, slots=True)
class _Candidate:
    entry: RegistryEntry
    place: Box
    bits: int


async def cropped(platform: Platform, project: str | None, data: bytes) -> list[Match]:
    """The picture that this one was cut out of, at most a tenth off each edge; none or one.

    Three stored pictures are read at most. Raises InvalidImage, TooLarge, DatabaseUnavailable.
    """
    seen, part, lows = await run_sync(_prepared, data, platform.limits)
    ids = await registry_of(platform).parts(lows, LOW_BITS, limit=_CANDIDATES, project=project, generated=True)
    rows = await entries(platform, ids)
    for candidate in (await run_sync(_candidates, part, rows))[:_READ]:
        if (match := await _confirmed(platform, seen, candidate)) is not None:
            return [match]
    return []


def _prepared(data: bytes, limits: Limits) -> tuple[Pixels, Part, list[int]]:
    picture = _open(data, limits)
    part = Part.of(picture)
    return reduced(picture), part, part.lows()


def _open(data: bytes, limits: Limits) -> Pixels:
    return open_picture(data, **limits.picture)


def _candidates(part: Part, rows: Sequence[RegistryEntry]) -> list[_Candidate]:
    """The likely ones, best first; one entry of each image."""
    first = {row.image: row for row in reversed(rows) if row.core}
    places = part.places([row.core or "" for row in first.values()])
    found = [_Candidate(row, place, bits) for row, (place, bits) in zip(first.values(), places, strict=True)]
    return sorted((each for each in found if each.bits <= CORE_BITS), key=lambda each: each.bits)


async def _confirmed(platform: Platform, seen: Pixels, candidate: _Candidate) -> Match | None:
    """The match, where the pixels at the place are the same."""
    entry = candidate.entry
    try:
        async with platform.store.reading() as read:
            image = await read.get(Image, entry.image)
        whole = await platform.blobs.get(f"{image.project}/{image.sha256}")
        found = await run_sync(_compared, seen, whole, candidate.place, platform.limits)
    except (NotFound, StorageUnavailable, InvalidRequest):
        # What cannot be read cannot confirm: no match rather than a guess.
        return None
    if found is None or found[1] > platform.limits.pdq_max_distance:
        return None
    box, bits = found
    return Match(image=entry.image, project=entry.project, exact=False, distance=bits, how="crop", box=box)


def _compared(seen: Pixels, data: bytes, place: Box, limits: Limits) -> tuple[Box, int] | None:
    whole = reduced(_open(data, limits))
    box = align(seen, whole, place)
    if box is None:
        return None
    correlation, bits = likeness(seen, whole, box)
    return (box, bits) if correlation >= CORRELATION else None


async def register(platform: Platform, data: bytes, match: Match) -> bytes:
    """A part put back at its place on a canvas of the whole picture's size, as PNG, for what is read by place.

    Around it lies its own mean colour, nothing of the stored picture. Raises NotFound, InvalidImage, TooLarge.
    """
    async with platform.store.reading() as read:
        image = await read.get(Image, match.image)

    def placed() -> bytes:
        part = _open(data, platform.limits)
        return encode(put_back(part, match.box or (0.0, 0.0, 1.0, 1.0), (image.width, image.height)), "png", 1)

    return await run_sync(placed)
