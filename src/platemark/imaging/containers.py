"""Walks the blocks of PNG, JPEG and WebP files and puts them together again, without decoding a pixel."""

import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from platemark.core.errors import InvalidImage

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Real files have a few thousand at most; this bounds the time that a file of empty blocks can cost.
MAX_BLOCKS = 50_000
# A marker that ends entropy-coded data: not a stuffed zero, not a restart marker, not fill.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_JPEG_STANDALONE = frozenset({0x01, 0xD8, 0xD9, *range(0xD0, 0xD8)})
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_NAMES = {
    **{0xD8: "SOI", 0xD9: "EOI", 0xDA: "SOS", 0xFE: "COM"},
    **{0xE0 + n: f"APP{n}" for n in range(16)},
    **dict.fromkeys(_JPEG_FRAMES, "SOF"),
}


@dataclass(frozen=True, slots=True)
class Block:
    """One PNG chunk, JPEG segment (a scan with its data) or WebP chunk. `raw` includes its header, `body` does not."""

    name: str
    raw: memoryview
    body: memoryview


def read_blocks(data: bytes, media_type: str) -> tuple[list[Block], int]:
    """Every block in order, and the offset at which the image ends. Raises InvalidImage for a broken structure."""
    start, walk = _WALKERS[media_type]
    blocks = list(islice(walk(memoryview(data)), MAX_BLOCKS + 1))
    if len(blocks) > MAX_BLOCKS:
        raise InvalidImage(f"This image has more than {MAX_BLOCKS} blocks. Save it again with an image editor.")
    return blocks, start + sum(len(block.raw) for block in blocks)


def join_blocks(media_type: str, raws: Iterable[bytes | memoryview]) -> bytes:
    """A file of these blocks."""
    body = b"".join(raws)
    if media_type == "image/png":
        return PNG_SIGNATURE + body
    if media_type == "image/webp":
        return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body
    return body


def png_chunk(name: bytes, body: bytes) -> bytes:
    """One PNG chunk with its checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def jpeg_segment(marker: int, body: bytes) -> bytes:
    """One JPEG segment. `body` may have 65,533 bytes at most."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def webp_chunk(name: bytes, body: bytes) -> bytes:
    """One RIFF chunk, padded to an even length."""
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def inflate(data: bytes | memoryview, limit: int) -> bytes:
    """Zlib data, at most `limit` bytes of it. Raises InvalidImage when there is more, or when it is broken."""
    stream = zlib.decompressobj()
    try:
        out = stream.decompress(data, limit)
    except zlib.error as error:
        raise InvalidImage("Compressed metadata of this image is broken. Save it again without metadata.") from error
    if stream.unconsumed_tail:
        raise InvalidImage(
            f"Compressed metadata of this image unpacks to more than {limit} bytes. Save it again without metadata."
        )
    return out


def broken(format: str) -> InvalidImage:
    """The error for a file whose structure does not hold."""
    return InvalidImage(f"This {format} file is truncated or broken. Send the whole file, or save it again.")


def _png(data: memoryview) -> Iterator[Block]:
    at, name = len(PNG_SIGNATURE), ""
    while name != "IEND":
        if at + 12 > len(data):
            raise broken("PNG")
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 12 + length
        if end > len(data):
            raise broken("PNG")
        name = bytes(data[at + 4 : at + 8]).decode("latin-1")
        yield Block(name, data[at:end], data[at + 8 : end - 4])
        at = end


def _jpeg(data: memoryview) -> Iterator[Block]:
    at, name = 0, ""
    while name != "EOI":
        start = at
        while at + 1 < len(data) and data[at] == 0xFF and data[at + 1] == 0xFF:
            at += 1
        if at + 2 > len(data) or data[at] != 0xFF:
            raise broken("JPEG")
        marker = data[at + 1]
        name = _JPEG_NAMES.get(marker, f"FF{marker:02X}")
        end = at + 2 if marker in _JPEG_STANDALONE else _jpeg_end(data, at, name)
        yield Block(name, data[start:end], data[at + 4 : end])
        at = end


def _jpeg_end(data: memoryview, at: int, name: str) -> int:
    if at + 4 > len(data):
        raise broken("JPEG")
    end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
    if end > len(data):
        raise broken("JPEG")
    if name != "SOS":
        return end
    after = _JPEG_MARKER.search(data, end)
    if after is None:
        raise broken("JPEG")
    return after.start()


def _webp(data: memoryview) -> Iterator[Block]:
    if len(data) < 20:
        raise broken("WebP")
    stop = 8 + struct.unpack_from("<I", data, 4)[0]
    if stop > len(data):
        raise broken("WebP")
    at = 12
    while at + 8 <= stop:
        (length,) = struct.unpack_from("<I", data, at + 4)
        if at + 8 + length > stop:
            raise broken("WebP")
        # Some writers leave out the padding of the last chunk.
        end = min(at + 8 + length + length % 2, stop)
        name = bytes(data[at : at + 4]).decode("latin-1")
        yield Block(name, data[at:end], data[at + 8 : at + 8 + length])
        at = end


# Where the first block begins, and how to walk on from there.
_WALKERS = {"image/png": (len(PNG_SIGNATURE), _png), "image/jpeg": (0, _jpeg), "image/webp": (12, _webp)}
