"""What a file says about itself before a pixel is decoded: type by magic bytes, size, channels, frames."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from platemark.core.errors import InvalidImage
from platemark.imaging.containers import Block, broken

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (8, b"WEBP", "image/webp"),
    (0, b"GIF8", "image/gif"),
    (0, b"BM", "image/bmp"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (0, b"\0\0\x01\0", "image/x-icon"),
    (0, b"8BPS", "image/vnd.adobe.photoshop"),
    (0, b"\xff\x0a", "image/jxl"),
    (4, b"ftypavi", "image/avif"),
    (4, b"ftyphei", "image/heic"),
    (4, b"ftypmif1", "image/heic"),
    (0, b"%PDF", "application/pdf"),
    (0, b"PK\x03\x04", "application/zip"),
)
# A progressive JPEG has about ten. Each costs a pass over all pixels, so thousands of empty ones stop a server.
_MAX_SCANS = 100
_MARKUP = ((b"<svg", "image/svg+xml"), (b"<html", "text/html"), (b"<!doctype html", "text/html"))


@dataclass(frozen=True, slots=True)
class Header:
    """Size in pixels. `plain` is true for 8-bit RGB or RGBA, the form in which pictures are stored."""

    width: int
    height: int
    has_alpha: bool
    plain: bool
    animated: bool


def sniff(data: bytes) -> str | None:
    """The media type by magic bytes, also of types that are refused; None when nothing is recognised."""
    for at, magic, media_type in _MAGIC:
        if data.startswith(magic, at) and (media_type != "image/webp" or data.startswith(b"RIFF")):
            return media_type
    start = data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"<"):
        return next((media_type for tag, media_type in _MARKUP if tag in start), "text/xml")
    return None


def read_header(blocks: Sequence[Block], media_type: str) -> Header:
    """Raises InvalidImage when the size is missing, contradictory or zero."""
    header = _READERS[media_type](blocks)
    if header.width < 1 or header.height < 1:
        raise InvalidImage("This image has no pixels. Send an image of at least 1 × 1 pixel.")
    return header


def _png(blocks: Sequence[Block]) -> Header:
    headers = [block for block in blocks if block.name == "IHDR"]
    if len(headers) != 1 or blocks[0].name != "IHDR" or len(headers[0].body) != 13:
        raise broken("PNG")
    width, height, depth, colour = struct.unpack_from(">IIBB", headers[0].body)
    names = {block.name for block in blocks}
    return Header(
        width,
        height,
        has_alpha=colour in (4, 6) or "tRNS" in names,
        plain=depth == 8 and colour in (2, 6) and "tRNS" not in names,
        animated="acTL" in names or "fcTL" in names,
    )


def _jpeg(blocks: Sequence[Block]) -> Header:
    frames = [block for block in blocks if block.name == "SOF"]
    if len(frames) != 1 or len(frames[0].body) < 6:
        raise broken("JPEG")
    if sum(block.name == "SOS" for block in blocks) > _MAX_SCANS:
        raise InvalidImage(f"This JPEG has more than {_MAX_SCANS} scans. Save it again with an image editor.")
    depth, height, width, channels = struct.unpack_from(">BHHB", frames[0].body)
    return Header(width, height, has_alpha=False, plain=depth == 8 and channels == 3, animated=False)


def _webp(blocks: Sequence[Block]) -> Header:
    frames = [block for block in blocks if block.name in ("VP8 ", "VP8L")]
    if any(block.name in ("ANIM", "ANMF") for block in blocks):
        return Header(1, 1, has_alpha=False, plain=False, animated=True)
    if len(frames) != 1:
        raise broken("WebP")
    width, height, has_alpha = _webp_frame(frames[0])
    if blocks[0].name == "VP8X":
        canvas = blocks[0].body
        if len(canvas) < 10 or (width, height) != tuple(
            1 + int.from_bytes(canvas[at : at + 3], "little") for at in (4, 7)
        ):
            raise broken("WebP")
        has_alpha = has_alpha or any(block.name == "ALPH" for block in blocks)
    return Header(width, height, has_alpha=has_alpha, plain=True, animated=False)


def _webp_frame(block: Block) -> tuple[int, int, bool]:
    if block.name == "VP8 " and len(block.body) >= 10 and bytes(block.body[3:6]) == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", block.body, 6)
        return width & 0x3FFF, height & 0x3FFF, False
    if block.name == "VP8L" and len(block.body) >= 5 and block.body[0] == 0x2F:
        bits = int.from_bytes(block.body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF), bool(bits >> 28 & 1)
    raise broken("WebP")


_READERS = {"image/png": _png, "image/jpeg": _jpeg, "image/webp": _webp}
