"""Settings that generators hide in a picture itself: in the lowest bits of its alpha plane ("stealth PNG info").

NovelAI writes so, and so does an extension of the Stable Diffusion web UI. Bits run down the columns: 15 bytes that
name the form, the length of the text in bits (four bytes, big-endian), and the text, plain or as gzip.
"""

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from platemark.core.errors import InvalidImage, TooLarge
from platemark.imaging.containers import Block
from platemark.imaging.decode import open_picture
from platemark.imaging.header import read_header

MAX_PIXELS = 64_000_000
MAX_TEXT_BYTES = 1024 * 1024
_MAX_FILE_BYTES = 256 * 1024 * 1024
_PLAIN, _PACKED = b"stealth_pnginfo", b"stealth_pngcomp"
_HEAD_BITS = (len(_PLAIN) + 4) * 8
_GZIP = 16 + zlib.MAX_WBITS


def stealth_text(data: bytes, blocks: Sequence[Block], media_type: str) -> str | None:
    """The hidden text, None where there is none. Looks only at PNG and WebP with alpha of at most 64 megapixels.

    Decodes the picture, once with all others that look at it. Never more than a mebibyte of text; what is broken, or
    unpacks to more, is none.
    """
    try:
        header = read_header(blocks, media_type)
        if media_type == "image/jpeg" or not header.has_alpha or header.width * header.height > MAX_PIXELS:
            return None
        picture = open_picture(data, max_bytes=_MAX_FILE_BYTES, max_pixels=MAX_PIXELS)
    except (InvalidImage, TooLarge):
        return None
    if picture.mode != "RGBA":
        return None
    return _read(np.asarray(picture.getchannel("A")))


def _read(alpha: NDArray[np.uint8]) -> str | None:
    head = _bytes(alpha, 0, _HEAD_BITS)
    form, size = head[: len(_PLAIN)], int.from_bytes(head[len(_PLAIN) :], "big")
    if form not in (_PLAIN, _PACKED) or size > min(alpha.size - _HEAD_BITS, MAX_TEXT_BYTES * 8):
        return None
    body = _bytes(alpha, _HEAD_BITS, size)
    return _unpack(body if form == _PLAIN else _gunzip(body))


def _bytes(alpha: NDArray[np.uint8], start: int, count: int) -> bytes:
    """The lowest bits of `count` pixels from `start`, counted down the columns."""
    height = alpha.shape[0]
    first, last = start // height, -(-(start + count) // height)
    columns = alpha[:, first:last].T.reshape(-1) & 1
    at = start - first * height
    return np.packbits(columns[at : at + count]).tobytes()


def _gunzip(body: bytes) -> bytes | None:
    stream = zlib.decompressobj(_GZIP)
    try:
        text = stream.decompress(body, MAX_TEXT_BYTES)
    except zlib.error:
        return None
    return None if stream.unconsumed_tail else text


def _unpack(text: bytes | None) -> str | None:
    try:
        return text.decode("utf-8") if text else None
    except UnicodeDecodeError:
        return None
