"""Registry: the images that were made here, by which a file is known again."""

from collections.abc import Sequence

import anyio

from platemark.core.image import Fingerprint, Image
from platemark.core.inspection import Finding, Match
from platemark.core.ports import Platform
from platemark.imaging.fingerprint import Pixels, nearest, pdq, pdq_of


async def fingerprint_of(platform: Platform, image: Image, data: bytes, pixels: Pixels | None = None) -> Fingerprint:
    """The registry's entry for an image from its encoded pixels, or from `pixels` where they are decoded already."""
    limits = platform.limits

    def look() -> tuple[str, int]:
        if pixels is not None:
            return pdq_of(pixels)
        return pdq(data, max_bytes=limits.max_image_bytes, max_pixels=limits.max_pixels)

    digits, quality = await anyio.to_thread.run_sync(look)
    return Fingerprint(id=image.id, project=image.project, sha256=image.sha256, pdq=digits, quality=quality)


async def matches(platform: Platform, project: str, wanted: Fingerprint) -> list[Match]:
    """Generated images of this project that are the same file, or nearly the same picture, best first."""
    async with platform.store.reading() as read:
        known = await read.all(Fingerprint, project=project)
        near = await anyio.to_thread.run_sync(
            _near, wanted, known, platform.limits.pdq_max_distance, platform.limits.pdq_min_quality
        )
        found = [await read.get(Image, match.image) for match in near]
    return [match for match, image in zip(near, found, strict=True) if image.origin == "generated"]


def _near(wanted: Fingerprint, known: Sequence[Fingerprint], max_distance: int, min_quality: int) -> list[Match]:
    exact = [
        Match(image=entry.id, project=entry.project, exact=True, distance=0)
        for entry in known
        if entry.sha256 == wanted.sha256
    ]
    usable = [entry for entry in known if entry.quality >= min_quality]
    if wanted.quality < min_quality or not usable:
        return exact
    distances = nearest(wanted.pdq, [entry.pdq for entry in usable])
    close = [
        Match(image=entry.id, project=entry.project, exact=False, distance=int(distance))
        for distance, entry in zip(distances, usable, strict=True)
        if distance <= max_distance
    ]
    return exact + sorted(close, key=lambda match: match.distance)[:5]


def registry_finding(matches: Sequence[Match]) -> Finding:
    """What the registry says of the matches, best first."""
    if not matches:
        return Finding(kind="registry", status="none")
    best = matches[0]
    return Finding(
        kind="registry",
        status="exact" if best.exact else "near",
        direction="ai",
        weight="conclusive" if best.exact else "strong",
        detail={"image": best.image, "pdq_distance": best.distance},
    )
