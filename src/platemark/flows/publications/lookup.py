"""Lookup: what anybody may know of a published picture, by its id or by a copy of it. Nothing is kept of who asks."""

from dataclasses import dataclass
from typing import Literal

import anyio

from platemark.core.errors import NotFound
from platemark.core.generation import Generation
from platemark.core.image import Fingerprint, Image, Publication
from platemark.core.ports import Platform, Reading
from platemark.core.rendition import Rendition
from platemark.flows import watermark
from platemark.flows.registry import matches
from platemark.flows.seal import source_type_of
from platemark.flows.unchecked import digest_of
from platemark.imaging.decode import open_picture
from platemark.imaging.fingerprint import pdq_of

How = Literal["file", "watermark", "picture"]
_NOBODY = "lookup"


@dataclass(frozen=True, slots=True)
class Statement:
    """A published picture, its files and what it is by its origin (an IPTC NewsCodes URI; None for uploads)."""

    publication: Publication
    image: Image
    renditions: tuple[Rendition, ...]
    source_type: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """What a copy was known by, and the picture; the very file first, then our mark in it, then what it looks like."""

    how: How
    statement: Statement


async def statement(platform: Platform, id: str) -> Statement:
    """Of a publication, or of the newest one of an image. Raises NotFound for all that is not published now."""
    async with platform.store.reading() as read:
        found = await (_of_publication(read, id) if id.startswith("pub_") else _of_image(read, id))
    if found is None:
        raise NotFound("There is no published picture with this id.")
    return found


async def _of_publication(read: Reading, id: str) -> Statement | None:
    publication = await read.find(Publication, id)
    if publication is None or publication.state != "published":
        return None
    image = await read.get(Image, publication.image)
    if not image.readable:
        return None
    generation = await read.find(Generation, image.generation) if image.generation else None
    source = source_type_of(generation.operation) if generation else None
    renditions = await read.all(Rendition, publication=id, order_by="id")
    return Statement(publication, image, tuple(renditions), source)


async def _of_image(read: Reading, id: str) -> Statement | None:
    releases = await read.all(Publication, image=id, state="published", order_by="id")
    return await _of_publication(read, releases[-1].id) if releases else None


async def lookup(platform: Platform, data: bytes) -> Found | None:
    """The published picture that this file is a copy of; None proves nothing. Raises InvalidImage, TooLarge."""
    digest = await anyio.to_thread.run_sync(digest_of, data)
    async with platform.store.reading() as read:
        for one in await read.all(Rendition, sha256=digest, deleted_at=None):
            if found := await _of_publication(read, one.publication):
                return Found("file", found)
    return await _marked(platform, data) or await _alike(platform, data, digest)


async def _marked(platform: Platform, data: bytes) -> Found | None:
    """By the number in its pixels, where the picture is the one that the number was given to."""
    mark = await platform.watermark.read(data) if platform.watermark else None
    number = await watermark.resolve(platform, mark.number) if mark and mark.number is not None else None
    if number is None:
        return None
    finding = await watermark.find(platform, number.project, data)
    # A mark can be moved to another picture: where nobody can compare them, nothing is said in public.
    if finding.detail.get("confirmed") is not True:
        return None
    async with platform.store.reading() as read:
        found = await _of_publication(read, number.publication) if number.publication else None
        found = found or await _of_image(read, number.image)
    return Found("watermark", found) if found else None


async def _alike(platform: Platform, data: bytes, digest: str) -> Found | None:
    """By what it looks like: smaller, encoded again, or a part of the picture."""
    bounds = platform.limits.picture
    digits, quality = await anyio.to_thread.run_sync(lambda: pdq_of(open_picture(data, **bounds)))
    wanted = Fingerprint(id=_NOBODY, project=_NOBODY, sha256=digest, pdq=digits, quality=quality)
    async with platform.store.reading() as read:
        for match in await matches(platform, None, wanted, data):
            if found := await _of_image(read, match.image):
                return Found("picture", found)
    return None
