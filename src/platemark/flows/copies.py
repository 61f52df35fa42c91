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
        own = await read.find(Fingerprint, image.id)
        known = await read.all(Fingerprint, project=image.project) if own else []
    found = {each.id: Copy(each.id, "exact", 0) for each in same if each.id != image.id}
    if own is not None:
        limits = platform.limits
        ways = await _ways(platform, image, own)
        near = await anyio.to_thread.run_sync(_near, own, ways, known, limits.pdq_max_distance, limits.pdq_min_quality)
        for copy in near:
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


def _near(own: Fingerprint, ways: tuple[str, ...], known: list[Fingerprint], most: int, quality: int) -> list[Copy]:
    """Flat pictures collide, so those of little quality are not compared."""
    others = [each for each in known if each.id != own.id and each.quality >= quality]
    if own.quality < quality or not others:
        return []
    tables = [nearest(way, [each.pdq for each in others]) for way in ways]
    distances = [min(map(int, found)) for found in zip(*tables, strict=True)]
    return [
        Copy(each.id, "near", distance) for each, distance in zip(others, distances, strict=True) if distance <= most
    ]
