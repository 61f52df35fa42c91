"""Watermark: which number stands in which picture, and what a number that was read stands for."""

from dataclasses import dataclass, field

import anyio

from platemark.core.base import JsonObject
from platemark.core.errors import Conflict, InvalidImage, SealFailed, TooLarge
from platemark.core.generation import Generation, Warning
from platemark.core.image import Fingerprint, Image, Publication
from platemark.core.inspection import Finding
from platemark.core.ports import Mark, Platform, Reading, Transaction, Watermark
from platemark.core.watermark import NOT_CARRIED, NUMBER_BITS, WatermarkNumber
from platemark.imaging.decode import open_picture
from platemark.imaging.fingerprint import dihedral, distance

_DRAWS = 8
# Of 256 bits. The mark says which one picture to compare with, so this may be more than where many are searched:
# different pictures lie 88 apart and more (19,503 pairs, docs/explanation/registry.md).
_SAME_PICTURE = 80


@dataclass(frozen=True, slots=True)
class Marked:
    """A file that carries a number, or the file as it was, with a warning where a number was wanted."""

    data: bytes = field(repr=False)
    number: WatermarkNumber | None = None
    warnings: tuple[Warning, ...] = ()

    @property
    def binding(self) -> str | None:
        """The number as the credential's soft binding names it: ten hexadecimal digits."""
        return binding(self.number.number) if self.number else None


def binding(number: int) -> str:
    """A number as the credential's soft binding names it: ten hexadecimal digits."""
    return f"{number:0{NUMBER_BITS // 4}x}"


async def mark_output(
    platform: Platform, generation: Generation, image: str, data: bytes, media_type: str, index: int
) -> Marked:
    """An output of a generation that wants its pictures marked at once; others stay as they are.

    The number is in no row yet. Raises InvalidImage.
    """
    if generation.watermark != "output":
        return Marked(data)
    if platform.watermark is None:
        return Marked(data, warnings=(not_carried(index, "no watermark is configured here"),))
    async with platform.store.reading() as read:
        number = await _draw(platform, platform.watermark, read, generation.project, image, None)
    return await _mark(platform.watermark, number, data, media_type, index)


async def mark_release(
    platform: Platform, image: Image, publication: Publication, data: bytes, media_type: str
) -> Marked:
    """A file of a publication with its number: that of the image where its output was marked, else the publication's.

    Without a number where no watermark is configured, or with a warning where the picture cannot carry one.
    All files of a publication carry the same number, also when they are made again. Raises InvalidImage.
    """
    if platform.watermark is None:
        return Marked(data)
    async with platform.store.transaction() as tx:
        # Naming the project makes others wait who mark for it, too: each release has one number.
        rows = await tx.all(WatermarkNumber, project=image.project, image=image.id, order_by="id")
        standing = [row for row in rows if row.publication in (None, publication.id)]
        number = standing[0] if standing else await allot(platform, tx, image, publication)
    decibels = platform.limits.watermark_decibels.get(publication.audience or "")
    return await _mark(platform.watermark, number, data, media_type, image.index, decibels)


async def _mark(
    watermark: Watermark,
    number: WatermarkNumber,
    data: bytes,
    media_type: str,
    index: int,
    decibels: float | None = None,
) -> Marked:
    try:
        return Marked(await watermark.mark(data, media_type, number.number, decibels=decibels), number)
    except SealFailed as error:
        if error.reason_code != NOT_CARRIED:
            raise
        return Marked(data, warnings=(not_carried(index, "it is too small or too flat for one"),))


def not_carried(index: int, why: str) -> Warning:
    """The warning for a picture without the mark that was asked for."""
    return Warning(code=NOT_CARRIED, field="watermark", message=f"Picture {index} carries no watermark: {why}.")


async def allot(platform: Platform, tx: Transaction, image: Image, publication: Publication | None) -> WatermarkNumber:
    """A new number for an image, or for one publication of it, written in this transaction.

    Raises Conflict where no watermark is configured, or when somebody else drew the same number at the same moment.
    """
    if platform.watermark is None:
        raise Conflict("No watermark is configured, so no number can be given. Check before asking.")
    of = publication.id if publication else None
    number = await _draw(platform, platform.watermark, tx, image.project, image.id, of)
    await tx.add(number)
    return number


async def _draw(
    platform: Platform, watermark: Watermark, read: Reading, project: str, image: str, publication: str | None
) -> WatermarkNumber:
    for _ in range(_DRAWS):
        number = int(platform.ids.secret(NUMBER_BITS // 8), 16)
        if not await read.all(WatermarkNumber, number=number, limit=1):
            return WatermarkNumber(
                id=platform.ids.new("wmk"),
                project=project,
                image=image,
                publication=publication,
                number=number,
                version=watermark.version,
                key=watermark.key,
                created_at=platform.clock.now(),
            )
    raise Conflict(f"{_DRAWS} random numbers in a row were taken: the source of randomness is broken. Check the host.")


async def resolve(platform: Platform, number: int) -> WatermarkNumber | None:
    """What a number stands for in this installation, whosever it is; None for one that was not given here."""
    async with platform.store.reading() as read:
        return next(iter(await read.all(WatermarkNumber, number=number, limit=1)), None)


async def find(platform: Platform, project: str | None, data: bytes) -> Finding:
    """Our mark in a picture: `absent`, `present`, `crc_failed`, or `id_resolved` where its number is known here.

    `asset_id` and `publication` are told to the project whose image it is (`tenant_visible`), and to nobody else;
    `confirmed` says whether the picture is that image, None where that cannot be told. An upload that was marked when
    it was published is `present` with `origin` `uploaded`: that says nothing about how it was made.
    """
    if platform.watermark is None:
        return _finding("not_evaluated", reason="the watermark is switched off")
    try:
        mark = await platform.watermark.read(data)
    except (InvalidImage, TooLarge) as error:
        return _finding("not_evaluated", reason=error.detail)
    said: JsonObject = {
        "rho": round(mark.strength, 3),
        "threshold": mark.threshold,
        "version": platform.watermark.version,
        "asset_id": None,
        "tenant_visible": False,
    }
    row = await resolve(platform, mark.number) if mark.number is not None else None
    async with platform.store.reading() as read:
        image = await read.find(Image, row.image) if row else None
    if row is None or image is None:
        return _unresolved(mark, said)
    confirmed = await _confirmed(platform, image, data)
    said |= {"origin": image.origin, "confirmed": confirmed}
    if row.project == project:
        said |= {"asset_id": image.id, "publication": row.publication, "tenant_visible": True}
    if image.origin == "uploaded":
        return _finding("present", **said)
    return Finding(kind="own_watermark", status="id_resolved", direction="ai", weight="strong", detail=said)


def _finding(status: str, **detail: object) -> Finding:
    return Finding(kind="own_watermark", status=status, detail=detail)


def _unresolved(mark: Mark, said: JsonObject) -> Finding:
    if mark.status != "present":
        return _finding(mark.status, **said)
    # Written with our key, but not here: by another installation that shares it, or before a database was lost.
    return Finding(kind="own_watermark", status="present", direction="ai", weight="weak", detail=said)


async def _confirmed(platform: Platform, image: Image, data: bytes) -> bool | None:
    """Whether the picture looks like the image, however it lies; None where one of them is too flat to say."""
    async with platform.store.reading() as read:
        known = await read.find(Fingerprint, image.id)
    bounds = platform.limits.picture
    hashes, quality = await anyio.to_thread.run_sync(lambda: dihedral(open_picture(data, **bounds)))
    if known is None or min(known.quality, quality) < platform.limits.pdq_min_quality:
        return None
    return min(distance(known.pdq, each) for each in hashes) <= _SAME_PICTURE


async def record_of(read: Reading, image: Image, generation: Generation | None) -> JsonObject | None:
    """The record's part about marks: in the stored file, or in files that were published. None where there are none."""
    rows = await read.all(WatermarkNumber, image=image.id, order_by="id")
    own = next((row for row in rows if row.publication is None), None)
    said: JsonObject = {"publications": [row.publication for row in rows if row.publication]}
    if own is not None:
        return {"state": "on", "id": own.id, "version": own.version, "key": own.key, **said}
    if generation is not None and generation.watermark == "output":
        return {"state": "not_carried", **said}
    return {"state": "at_publication", **said} if rows else None
