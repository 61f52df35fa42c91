"""The decode guard: bytes become a picture only within bounds that were checked before a pixel was decoded."""

import io
import zipfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial

from PIL import Image

from platemark.core.errors import InvalidImage, PlatemarkError, TooLarge
from platemark.core.image import MEDIA_TYPES
from platemark.core.model import OutputFormat
from platemark.imaging import tags
from platemark.imaging.containers import Block, join_blocks, read_blocks
from platemark.imaging.header import Header, read_header, sniff
from platemark.imaging.pixels import encode, make_plain, needs_conversion

__all__ = [
    "Facts",
    "Normal",
    "inspect_bytes",
    "inspect_header",
    "normalise",
    "open_picture",
    "read_picture",
    "remembering",
    "sniff",
]

MAX_METADATA_BYTES = 16 * 1024 * 1024
_READABLE = frozenset(MEDIA_TYPES.values())
_PICTURE_BLOCKS = {
    "image/png": frozenset({"IHDR", "PLTE", "tRNS", "IDAT", "IEND"}),
    "image/webp": frozenset({"VP8X", "VP8 ", "VP8L", "ALPH"}),
}
# After the end of a JPEG, cameras keep previews and clips: harmless, as they are cut off. These are not.
_FOREIGN = (b"PK\x03\x04", b"%PDF-", b"Rar!\x1a\x07", b"7z\xbc\xaf\x27\x1c", b"\x7fELF", b"<html", b"<script", b"<?php")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the guard found. Width and height in pixels as stored, before the EXIF orientation (1 to 8) is applied."""

    width: int
    height: int
    media_type: str
    frames: int
    has_alpha: bool
    exif_orientation: int


@dataclass(frozen=True, slots=True)
class Normal:
    """A picture as it is stored: 8-bit RGB or RGBA in sRGB, upright, without metadata.

    `pixels` are those that `data` decodes to; None where it was encoded with a loss.
    """

    data: bytes = field(repr=False)
    media_type: str
    width: int
    height: int
    pixels: Image.Image | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class _Checked:
    """A file that passed every check that needs no decoding. `picture` is the same file without anything but pixels."""

    media_type: str
    header: Header
    orientation: int
    profile: bytes | None
    picture: bytes


def inspect_bytes(data: bytes, *, max_bytes: int, max_pixels: int) -> Facts:
    """Check and fully decode one still image.

    Raises TooLarge for too many bytes or pixels; InvalidImage for everything that is not a whole, single-frame PNG,
    JPEG or WebP and nothing else at the same time.
    """
    checked = _check(data, max_bytes, max_pixels)
    _decode(checked)
    return _facts(checked)


def inspect_header(data: bytes, *, max_bytes: int, max_pixels: int) -> Facts:
    """Everything that can be checked without decoding: type, size, frames, and that it is nothing else too.

    Raises as `inspect_bytes`, but for pixels that are broken.
    """
    return _facts(_check(data, max_bytes, max_pixels))


def normalise(
    data: bytes, output_format: OutputFormat, *, max_bytes: int, max_pixels: int, compress_level: int = 2
) -> Normal:
    """Decode, turn upright, convert to sRGB, drop all metadata, encode. Raises as `inspect_bytes`.

    A file that is already of that form keeps its pixel data byte for byte. `compress_level` is zlib's, 0 to 9, for PNG.
    """
    checked = _check(data, max_bytes, max_pixels)
    image = _decode(checked)
    media_type = MEDIA_TYPES[output_format]
    ready = checked.header.plain and checked.orientation == 1 and not needs_conversion(checked.profile)
    if ready and checked.media_type == media_type:
        return Normal(checked.picture, media_type, image.width, image.height, image)
    with _pillow():
        image = make_plain(image, checked.profile, checked.orientation)
        encoded = encode(image, output_format, compress_level)
    return Normal(encoded, media_type, image.width, image.height, image if output_format == "png" else None)


@dataclass(slots=True)
class _Remembered:
    """A file that several look at in turn, and its decoded form once somebody has asked for it."""

    data: bytes = field(repr=False)
    found: tuple[Facts, Image.Image] | None = field(default=None, repr=False)


_REMEMBERED: ContextVar[_Remembered | None] = ContextVar("remembered", default=None)


@contextmanager
def remembering(data: bytes) -> Generator[Callable[[], None]]:
    """While it lasts, these very bytes are decoded once for all who ask, also on other threads; each gets a copy.

    What it yields lets go of the pixels early. Inside another one for the same bytes it changes nothing.
    """
    outer = _REMEMBERED.get()
    held = outer if outer is not None and outer.data is data else _Remembered(data)
    token = _REMEMBERED.set(held)
    try:
        yield partial(setattr, held, "found", None)
    finally:
        _REMEMBERED.reset(token)


def read_picture(data: bytes, *, max_bytes: int, max_pixels: int) -> tuple[Facts, Image.Image]:
    """Both what `inspect_bytes` finds and what `open_picture` gives, decoded once. Raises as `inspect_bytes`."""
    held = _REMEMBERED.get()
    mine = held if held is not None and held.data is data else None
    if mine is not None and mine.found is not None:
        facts, picture = mine.found
        if len(data) <= max_bytes and facts.width * facts.height <= max_pixels:
            return facts, picture.copy()
    checked = _check(data, max_bytes, max_pixels)
    image = _decode(checked)
    with _pillow():
        found = _facts(checked), make_plain(image, checked.profile, checked.orientation)
    if mine is not None:
        mine.found = found
        return found[0], found[1].copy()
    return found


def open_picture(data: bytes, *, max_bytes: int, max_pixels: int) -> Image.Image:
    """The pixels, upright, RGB or RGBA in sRGB. Raises as `inspect_bytes`."""
    return read_picture(data, max_bytes=max_bytes, max_pixels=max_pixels)[1]


def _facts(checked: _Checked) -> Facts:
    header = checked.header
    return Facts(header.width, header.height, checked.media_type, 1, header.has_alpha, checked.orientation)


def _check(data: bytes, max_bytes: int, max_pixels: int) -> _Checked:
    if len(data) > max_bytes:
        raise TooLarge(f"The image has {len(data)} bytes; at most {max_bytes} are accepted. Make it smaller.")
    media_type = _readable_type(data)
    blocks, end = read_blocks(data, media_type)
    header = read_header(blocks, media_type)
    if header.animated:
        raise InvalidImage("This image is animated. Send a single frame.")
    if header.width * header.height > max_pixels:
        raise TooLarge(
            f"The image has {header.width} × {header.height} pixels; at most {max_pixels} are accepted. Scale it down."
        )
    _check_polyglot(data, end, media_type)
    kept = _picture_blocks(blocks, media_type)
    if end - sum(map(len, kept)) > MAX_METADATA_BYTES:
        raise InvalidImage("This image carries more than 16 MiB of metadata. Save it again without metadata.")
    tags.check_sizes(blocks, media_type)
    exif = tags.read_exif(tags.find_exif(blocks, media_type))
    return _Checked(
        media_type,
        header,
        tags.orientation_of(exif),
        tags.find_profile(blocks, media_type),
        join_blocks(media_type, kept),
    )


def _readable_type(data: bytes) -> str:
    media_type = sniff(data)
    if media_type in _READABLE:
        return media_type
    if not data:
        raise InvalidImage("The image is empty: it has no bytes. Send a PNG, JPEG or WebP file.")
    what = f"This is {media_type}" if media_type else "These bytes are not of any image format that is known here"
    raise InvalidImage(f"{what}. Send a PNG, JPEG or WebP file.")


def _check_polyglot(data: bytes, end: int, media_type: str) -> None:
    rest = data[end:].lower() if media_type == "image/jpeg" else data[end:].strip(b"\0 \r\n")
    foreign = any(mark.lower() in rest for mark in _FOREIGN) if media_type == "image/jpeg" else bool(rest)
    if foreign or b"%PDF-" in data[:1024] or (b"PK\x01\x02" in data and zipfile.is_zipfile(io.BytesIO(data))):
        raise InvalidImage("This file is an image and something else at the same time. Save it again as an image only.")


def _picture_blocks(blocks: list[Block], media_type: str) -> list[bytes | memoryview]:
    if media_type == "image/jpeg":
        return [block.raw for block in blocks if not _is_jpeg_metadata(block)]
    kept = [block for block in blocks if block.name in _PICTURE_BLOCKS[media_type]]
    if media_type == "image/webp":
        return _webp_blocks(kept)
    return [block.raw for block in kept]


def _is_jpeg_metadata(block: Block) -> bool:
    # APP14 says how the channels are to be read.
    keeps = block.name == "APP14" or (block.name == "APP0" and bytes(block.body[:5]) == b"JFIF\0")
    return not keeps and (block.name.startswith("APP") or block.name == "COM")


def _webp_blocks(kept: list[Block]) -> list[bytes | memoryview]:
    if not any(block.name == "ALPH" for block in kept):
        return [block.raw for block in kept if block.name != "VP8X"]
    # The extended header announces metadata that is no longer there: only its alpha flag stays.
    return [bytes(b.raw[:8]) + b"\x10\0\0\0" + bytes(b.raw[12:18]) if b.name == "VP8X" else b.raw for b in kept]


def _decode(checked: _Checked) -> Image.Image:
    header = checked.header
    with _pillow():
        image = Image.open(io.BytesIO(checked.picture), formats=("PNG", "JPEG", "WEBP"))
        if image.size != (header.width, header.height):
            raise InvalidImage("The size in this file contradicts its content. Save it again with an image editor.")
        image.load()
    return image


@contextmanager
def _pillow() -> Generator[None]:
    try:
        yield
    except PlatemarkError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError) as error:
        raise TooLarge("The image has more pixels than can be decoded here. Scale it down.") from error
    except Exception as error:
        # Pillow's parsers raise whatever they meet: ValueError, OSError, SyntaxError, struct.error, IndexError …
        raise InvalidImage("This image is truncated or broken and cannot be decoded. Save it again.") from error
