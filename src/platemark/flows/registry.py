"""Registry: the images that were made here, by which a file, a copy or a part of one is known again."""

from collections.abc import Sequence

import anyio

from platemark.core.base import JsonObject
from platemark.core.image import Fingerprint, Image
from platemark.core.inspection import Finding, Match
from platemark.core.ports import Platform, Transaction
from platemark.core.registry import RegistryEntry
from platemark.flows.cropped import cropped, register
from platemark.flows.known import lookalikes
from platemark.imaging.decode import open_picture
from platemark.imaging.fingerprint import Pixels, look_of

__all__ = ["enter", "entry_of", "fingerprint_of", "forget", "matches", "register", "registry_finding"]
# An image may have several entries, and some may be gone: more are asked for than are answered.
_SPARE = 8


async def fingerprint_of(platform: Platform, image: Image, data: bytes, pixels: Pixels | None = None) -> Fingerprint:
    """How an image looks, from its encoded pixels, or from `pixels` where they are decoded already.

    Parts are known again only of what was made here: of uploads, the middle is not hashed.
    """
    limits, parts = platform.limits, image.origin == "generated"

    def look() -> tuple[str, int, str | None]:
        picture = pixels or open_picture(data, **limits.picture)
        return look_of(picture, parts=parts)

    digits, quality, core = await anyio.to_thread.run_sync(look)
    return Fingerprint(id=image.id, project=image.project, sha256=image.sha256, pdq=digits, quality=quality, core=core)


def entry_of(platform: Platform, image: Image, sha256: str, looks: Fingerprint | None = None) -> RegistryEntry:
    """An entry for a file of an image: without `looks`, only the very file is known again. Make it when it is written.

    Published forms of a picture look as the picture does, which has its own entry: their hash is enough.
    """
    return RegistryEntry(
        id=platform.ids.new("reg"),
        project=image.project,
        image=image.id,
        origin=image.origin,
        sha256=sha256,
        pdq=looks and looks.pdq,
        quality=looks and looks.quality,
        core=looks and looks.core,
    )


async def enter(
    platform: Platform, tx: Transaction, image: Image, sha256: str, looks: Fingerprint | None = None
) -> None:
    """Register a further file of an image, in the transaction that makes it known. Twice is once."""
    if not await tx.all(RegistryEntry, image=image.id, sha256=sha256, limit=1):
        await tx.add(entry_of(platform, image, sha256, looks))


async def forget(tx: Transaction, image: Image) -> None:
    """Take everything out that the registry has of an image."""
    await tx.remove_all(RegistryEntry, image=image.id)


async def matches(
    platform: Platform, project: str | None, wanted: Fingerprint, data: bytes | None = None, *, most: int = 5
) -> list[Match]:
    """Generated images that are the same file, or else nearly the same picture, or else what `data` was cut out of.

    Best first, each image once. `project`: whose caller asks; a project is told of its own images only (promise P9).
    None is for the operator, and for what answers without naming images: all projects are searched.
    `data`: the bytes of the picture; without them parts are not looked for. Pictures below the least PDQ quality are
    known by their file alone. Raises InvalidImage, TooLarge, DatabaseUnavailable.
    """
    own = {} if project is None else {"project": project}
    async with platform.store.reading() as read:
        same = await read.all(
            RegistryEntry, sha256=wanted.sha256, origin="generated", limit=most * _SPARE, order_by="image", **own
        )
    if same:
        found = [Match(image=row.image, project=row.project, exact=True, distance=0, how="file") for row in same]
        return _once(found)[:most]
    if wanted.quality < platform.limits.pdq_min_quality:
        return []
    near = _once(await _near(platform, project, wanted, most))[:most]
    return near if near or data is None else await cropped(platform, project, data)


async def _near(platform: Platform, project: str | None, wanted: Fingerprint, most: int) -> list[Match]:
    found = await lookalikes(platform, wanted.pdq, limit=most * _SPARE, project=project, generated=True)
    return [
        Match(
            image=row.image,
            project=row.project,
            exact=False,
            distance=bits,
            how="turned" if turned else "picture",
        )
        for row, bits, turned in found
    ]


def _once(found: Sequence[Match]) -> list[Match]:
    """The first of each image."""
    first = dict[str, Match]()
    for match in found:
        first.setdefault(match.image, match)
    return list(first.values())


def registry_finding(matches: Sequence[Match], project: str | None = None) -> Finding:
    """What the registry says of the matches, best first.

    `project`: who is told; of what another project made, only that this installation did (`tenant_visible: false`).
    None: whoever may know of all.
    """
    if not matches:
        return Finding(kind="registry", status="none", detail={"pdq_distance": None, "tenant_visible": False})
    best = matches[0]
    visible = project is None or best.project == project
    detail: JsonObject = {"pdq_distance": best.distance, "how": "file" if best.exact else best.how}
    if best.box is not None:
        detail |= {"box": [round(edge, 4) for edge in best.box], "turned": best.turned}
    named = best.image if visible else None
    return Finding(
        kind="registry",
        status="exact" if best.exact else "near",
        direction="ai",
        weight="conclusive" if best.exact else "strong",
        detail={**detail, "image": named, "asset_id": named, "tenant_visible": visible},
    )
