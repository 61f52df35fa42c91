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
from platemark.imaging.align import align, likeness, mirrored, put_back, reduced
from platemark.imaging.decode import open_picture
from platemark.imaging.fingerprint import Pixels
from platemark.imaging.parts import Box, Part, mirrored_box, mirrored_core, mirrored_low
from platemark.imaging.pixels import encode

# Measured by bench/registry.py: parts of the same picture are within 14 of 64 bits and 45 of 256, others rarely.
LOW_BITS, CORE_BITS = 14, 50
# Rows that are looked at closer for each way to lie, and pictures that are read for it.
_CANDIDATES, _READ = 64, 3
CORRELATION = 0.9
# How a part may lie: as it was, or else mirrored (left and right exchanged).
LYING = (False, True)


@dataclass(frozen=True, slots=True)
class _Candidate:
    entry: RegistryEntry
    place: Box
    bits: int
    turned: bool


async def cropped(platform: Platform, project: str | None, data: bytes, lying: Sequence[bool] = LYING) -> list[Match]:
    """The picture that this one was cut out of, at most a tenth off each edge; none or one.

    `lying`: whether the part is taken to be mirrored, in the order in which that is believed; three stored pictures
    are read at most for each. Raises InvalidImage, TooLarge, DatabaseUnavailable.
    """
    seen, part, lows = await run_sync(_prepared, data, platform.limits)
    sought = [mirrored_low(low) if turned else low for turned in lying for low in lows]
    most = _CANDIDATES * len(lying)
    ids = await registry_of(platform).parts(sought, LOW_BITS, limit=most, project=project, generated=True)
    rows = await entries(platform, ids)
    for candidate in await run_sync(_candidates, part, rows, lying) if rows else ():
        if (match := await _confirmed(platform, seen, candidate)) is not None:
            return [match]
    return []


def _prepared(data: bytes, limits: Limits) -> tuple[Pixels, Part, list[int]]:
    picture = _open(data, limits)
    part = Part.of(picture)
    return reduced(picture), part, part.lows()


def _open(data: bytes, limits: Limits) -> Pixels:
    return open_picture(data, **limits.picture)


def _candidates(part: Part, rows: Sequence[RegistryEntry], lying: Sequence[bool]) -> list[_Candidate]:
    """Those that are read, best first for each way to lie; one entry of each image."""
    first = {row.image: row for row in reversed(rows) if row.core}
    asked = [(row, turned) for turned in lying for row in first.values()]
    # A mirrored part of a picture is a part of the mirrored picture.
    places = part.places([mirrored_core(row.core or "") if turned else row.core or "" for row, turned in asked])
    found = [
        _Candidate(row, mirrored_box(place) if turned else place, bits, turned)
        for (row, turned), (place, bits) in zip(asked, places, strict=True)
        if bits <= CORE_BITS
    ]
    found.sort(key=lambda each: each.bits)
    return [each for turned in lying for each in [one for one in found if one.turned == turned][:_READ]]


async def _confirmed(platform: Platform, seen: Pixels, candidate: _Candidate) -> Match | None:
    """The match, where the pixels at the place are the same."""
    entry = candidate.entry
    try:
        async with platform.store.reading() as read:
            image = await read.get(Image, entry.image)
        whole = await platform.blobs.get(f"{image.project}/{image.sha256}")
        found = await run_sync(_compared, seen, whole, candidate, platform.limits)
    except (NotFound, StorageUnavailable, InvalidRequest):
        # What cannot be read cannot confirm: no match rather than a guess.
        return None
    if found is None or found[1] > platform.limits.pdq_max_distance:
        return None
    box, bits = found
    return Match(
        image=entry.image,
        project=entry.project,
        exact=False,
        distance=bits,
        how="crop",
        box=box,
        turned=candidate.turned,
    )


def _compared(seen: Pixels, data: bytes, candidate: _Candidate, limits: Limits) -> tuple[Box, int] | None:
    whole = reduced(_open(data, limits))
    seen = mirrored(seen) if candidate.turned else seen
    box = align(seen, whole, candidate.place)
    if box is None:
        return None
    correlation, bits = likeness(seen, whole, box)
    return (box, bits) if correlation >= CORRELATION else None


async def register(platform: Platform, data: bytes, match: Match) -> bytes:
    """A part put back at its place on a canvas of the whole picture's size, as PNG, for what is read by place.

    A mirrored one is mirrored back. Around it lies its own mean colour, nothing of the stored picture.
    Raises NotFound, InvalidImage, TooLarge.
    """
    async with platform.store.reading() as read:
        image = await read.get(Image, match.image)

    def placed() -> bytes:
        part = _open(data, platform.limits)
        part = mirrored(part) if match.turned else part
        return encode(put_back(part, match.box or (0.0, 0.0, 1.0, 1.0), (image.width, image.height)), "png", 1)

    return await run_sync(placed)
