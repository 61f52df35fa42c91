"""Copies: other images of a project that are the same file, or nearly the same picture."""

from dataclasses import dataclass

import anyio

from platemark.core.errors import InvalidRequest, NotFound, StorageUnavailable
from platemark.core.image import Fingerprint, Image
from platemark.core.ports import Platform
from platemark.core.takedown import Found
from platemark.imaging.decode import open_picture
from platemark.imaging.fingerprint import dihedral, nearest


@dataclass(frozen=True, slots=True)
class Copy:
    """An image, and how it was found. `distance`: PDQ, 0 to 256."""

    image: str
    how: Found
    distance: int


async def copies_of(platform: Platform, image: Image) -> list[Copy]:
    """Live images of the same project with the same bytes or nearly the same picture, also turned or mirrored.

    The image itself is not among them.
    """
    async with platform.store.reading() as read:
        same = await read.all(Image, project=image.project, sha256=image.sha256, deleted_at=None)
        same += await read.all(Image, project=image.project, original_sha256=image.original_sha256, deleted_at=None)
        own = await read.find(Fingerprint, image.id)
    found = {each.id: Copy(each.id, "exact", 0) for each in same if each.id != image.id}
    if own is not None and own.quality >= platform.limits.pdq_min_quality:
        for copy in await _near(platform, own, await _ways(platform, image, own)):
            found.setdefault(copy.image, copy)
    return list(found.values())


async def _ways(platform: Platform, image: Image, own: Fingerprint) -> tuple[str, ...]:
    """The hashes of all eight ways that the picture can lie; the one that is known where its bytes cannot be read."""
    limits = platform.limits

    def turned(data: bytes) -> tuple[str, ...]:
        opened = open_picture(data, max_bytes=limits.max_image_bytes, max_pixels=limits.max_pixels)
        return dihedral(opened)[0]

    try:
        data = await platform.blobs.get(f"{image.project}/{image.sha256}")
        return (own.pdq, *await anyio.to_thread.run_sync(turned, data))
    except (NotFound, StorageUnavailable, InvalidRequest):
        return (own.pdq,)


async def _near(platform: Platform, own: Fingerprint, ways: tuple[str, ...]) -> list[Copy]:
    """Read and compared in pieces. Flat pictures collide, so those of little quality are not compared."""
    limits, last, found = platform.limits, "", list[Copy]()
    async with platform.store.reading() as read:
        while rows := await read.fields(Fingerprint, ("id", "pdq", "quality"), after=last, project=own.project):
            last = rows[-1][0]
            others = [row for row in rows if row[0] != own.id and row[2] >= limits.pdq_min_quality]
            distances = await anyio.to_thread.run_sync(_distances, ways, [row[1] for row in others])
            found += [
                Copy(row[0], "near", distance)
                for row, distance in zip(others, distances, strict=True)
                if distance <= limits.pdq_max_distance
            ]
    return found


def _distances(ways: tuple[str, ...], hashes: list[str]) -> list[int]:
    tables = [nearest(way, hashes) for way in ways] if hashes else []
    return [min(map(int, found)) for found in zip(*tables, strict=True)]
