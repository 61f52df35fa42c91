"""Copies: other images of a project that are the same file, or nearly the same picture."""

from dataclasses import dataclass

from platemark.core.image import Fingerprint, Image
from platemark.core.ports import Platform
from platemark.core.takedown import Found
from platemark.flows.known import lookalikes

# A notice is decided by a person, who can look through no more.
_MOST = 10_000


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
        for copy in await _near(platform, own):
            found.setdefault(copy.image, copy)
    return list(found.values())


async def _near(platform: Platform, own: Fingerprint) -> list[Copy]:
    """By the registry's own search. Flat pictures collide, so those of little quality are not compared."""
    found = await lookalikes(platform, own.pdq, limit=_MOST, project=own.project)
    return [Copy(row.image, "near", bits) for row, bits, _ in found if row.image != own.id]
