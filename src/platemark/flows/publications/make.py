"""Make: the files of a release. Stored pixels → size, label and format → watermark → credential → read back → kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import anyio

from platemark.core.errors import SealFailed
from platemark.core.image import FORMATS, Blob, Image, Publication
from platemark.core.inspection import Finding
from platemark.core.model import OutputFormat
from platemark.core.ports import Platform, Transaction
from platemark.core.rendition import FULL, Rendition, Wanted, WatermarkState, name_of
from platemark.flows.keeping.delete import keep
from platemark.flows.seal import seal_release
from platemark.flows.unchecked import digest_of
from platemark.flows.watermark import Marked, mark_release
from platemark.imaging.label import labelled
from platemark.imaging.rendition import rendered
from platemark.telemetry import span

# Bytes of a release that was never written down are deleted then.
_FORGOTTEN_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Made:
    """One file of a release, kept but named by no row yet."""

    rendition: Rendition
    data: bytes = field(repr=False)

    @property
    def blob(self) -> Blob:
        """The row of its bytes."""
        of = self.rendition
        return Blob(
            id=f"{of.project}/{of.sha256}",
            project=of.project,
            sha256=of.sha256,
            size=of.size,
            media_type=of.media_type,
            created_at=of.created_at,
        )

    async def write(self, platform: Platform, tx: Transaction) -> None:
        """Name the bytes in the transaction of the release."""
        blob = self.blob
        if await tx.find(Blob, blob.id) is None:
            await tx.add(blob)
        await keep(platform, tx, blob, self.data)
        await tx.add(self.rendition)


@dataclass(frozen=True, slots=True)
class _Pixels:
    data: bytes = field(repr=False)
    media_type: str
    width: int
    height: int
    changes: tuple[str, ...] = ()


async def make(platform: Platform, image: Image, publication: Publication) -> tuple[Made, ...]:
    """Every file of the release, read back and kept; the picture itself first. Writes no row that names them.

    Raises SealFailed where one does not carry what it has to, NotFound, InvalidImage, StorageUnavailable.
    """
    stored = await platform.blobs.get(f"{image.project}/{image.sha256}")
    asked = {FULL: Wanted()} | {name_of(one): one for one in map(Wanted.model_validate, publication.wanted)}
    with span("release"):
        return tuple([await _one(platform, image, publication, stored, name, one) for name, one in asked.items()])


async def _one(
    platform: Platform, image: Image, publication: Publication, stored: bytes, name: str, wanted: Wanted
) -> Made:
    pixels = await _pixels(platform, image, publication, stored, wanted)
    marked = await mark_release(platform, image, publication, pixels.data, pixels.media_type)
    sealed = await seal_release(
        platform,
        image,
        marked.data,
        pixels.media_type,
        soft_binding=marked.binding,
        label=publication.label_text,
        changes=pixels.changes,
    )
    credential = await _read_back(platform, sealed, pixels.media_type, marked)
    made = Made(
        Rendition(
            id=platform.ids.new("rnd"),
            project=image.project,
            image=image.id,
            publication=publication.id,
            name=name,
            sha256=await anyio.to_thread.run_sync(digest_of, sealed),
            size=len(sealed),
            media_type=pixels.media_type,
            width=pixels.width,
            height=pixels.height,
            watermark=_carried(platform, marked),
            credential_state=str(credential.detail.get("credential_state")),
            credential_signer=credential.detail.get("signer"),
            created_at=platform.clock.now(),
        ),
        sealed,
    )
    await _put(platform, made)
    return made


async def _pixels(platform: Platform, image: Image, publication: Publication, stored: bytes, wanted: Wanted) -> _Pixels:
    """The stored file as it is, unless another size or format or a label is wanted: it was checked already."""
    output_format = wanted.format or FORMATS[image.media_type]
    label = publication.label_text if publication.burn_label else None
    done = {
        "resized": wanted.width is not None and wanted.width < image.width,
        "addedText": label is not None,
        "transcoded": output_format in _other(image),
    }
    changes = tuple(name for name, is_so in done.items() if is_so)
    if not changes:
        return _Pixels(stored, image.media_type, image.width, image.height)
    bounds = platform.limits.picture
    finish = partial(labelled, text=label, font=platform.limits.labelling.font) if label else None
    normal = await anyio.to_thread.run_sync(lambda: rendered(stored, wanted.width, output_format, finish, **bounds))
    return _Pixels(normal.data, normal.media_type, normal.width, normal.height, changes)


def _other(image: Image) -> Sequence[OutputFormat]:
    return [name for media_type, name in FORMATS.items() if media_type != image.media_type]


def _carried(platform: Platform, marked: Marked) -> WatermarkState:
    if marked.number is not None:
        return "on"
    return "off" if platform.watermark is None else "not_carried"


async def _read_back(platform: Platform, sealed: bytes, media_type: str, marked: Marked) -> Finding:
    """What leaves carries what it has to, or does not leave. Raises SealFailed."""
    found = next((one for one in await platform.provenance.read(sealed, media_type) if one.kind == "c2pa"), None)
    if found is None or not found.detail.get("own") or found.status not in ("trusted", "valid_untrusted"):
        status = found.status if found is not None else "absent"
        raise SealFailed(f"The credential of the released file does not read back ({status}). Nothing was published.")
    if marked.number is not None and platform.watermark is not None:
        mark = await platform.watermark.read(sealed)
        if mark.number != marked.number.number:
            raise SealFailed(f"The watermark of the released file does not read back ({mark.status}). Retry.")
    return found


async def _put(platform: Platform, made: Made) -> None:
    """Keep the bytes. Their row is doomed until a release names them, so that a crash leaves nothing for good."""
    blob = made.blob.model_copy(update={"doomed_at": platform.clock.now() + _FORGOTTEN_AFTER})
    async with platform.store.transaction() as tx:
        if await tx.find(Blob, blob.id) is None:
            await tx.add(blob)
    await platform.blobs.put(blob.id, made.data)
