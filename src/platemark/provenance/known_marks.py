"""Watermarks that other makers' software leaves: fixed, public messages in the wavelets of a colour channel.

The method is `dwtDct` of the package invisible-watermark, which computes no cosine transform: of each 4 × 4 block of
the Haar approximation of U (of YUV) the greatest value after the first carries a bit: its size is moved to the first or
third quarter of a step of 36. Often another value is the greatest afterwards, so that blocks are weighed here by how
near to such a quarter they lie, instead of counted.

Any lossy encoding destroys such a mark, so only PNG and lossless WebP are looked at. Anybody can write one, and its
absence says nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import anyio
import anyio.to_thread
import numpy as np
from numpy.typing import NDArray

from platemark.core.base import JsonObject
from platemark.core.errors import InvalidImage, TooLarge
from platemark.core.inspection import Finding, FindingKind
from platemark.imaging.decode import open_picture

Bits = NDArray[np.bool_]
Votes = NDArray[np.float64]
_STEP = 36.0
# Rounding to eight bits moves a value by about one.
_NEAR = 2.5
# Two pixels a wavelet, four wavelets a block.
_BLOCK, _CELL = 4, 8
# The package refuses smaller pictures.
_MIN_PIXELS = 256 * 256
_STRIP = 64 * _CELL
# The message repeats from block to block: of a large picture its upper part says it hundreds of times.
_ENOUGH_PIXELS = 4 * 1024 * 1024
# The package gives OpenCV whole numbers, whose U has its middle at 128, or fractions, where it lies at one half. The
# middle decides which value of a block is the greatest, so both are tried.
_MIDDLES: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "whole": lambda u: np.rint(u + 128.0),
    "fractions": lambda u: u + 0.5,
}


@dataclass(frozen=True, slots=True)
class Scheme:
    """A message and how many of its bits have to match. By chance, one picture in ten million has so many of any."""

    name: str
    maker: str
    least: int
    message: Bits = field(repr=False)


def _bits(text: str) -> Bits:
    return np.array([digit == "1" for digit in text])


def _of_bytes(text: bytes) -> Bits:
    return _bits("".join(f"{byte:08b}" for byte in text))


# From CompVis/stable-diffusion and Stability-AI/stablediffusion (scripts/txt2img.py), diffusers (its watermarker of
# Stable Diffusion XL) and black-forest-labs/flux (util.py), whose bin() drops two leading zeros of 48.
SCHEMES = (
    Scheme("sd1_dwtdct136", "Stable Diffusion 1", 104, _of_bytes(b"StableDiffusionV1")),
    Scheme("sd2_dwtdct32", "Stable Diffusion 2", 31, _of_bytes(b"SDV2")),
    Scheme("sdxl_dwtdct48", "Stable Diffusion XL", 44, _bits("101100111110110010010000011110111011000110011110")),
    Scheme("flux_dwtdct46", "FLUX", 43, _bits("1010101111111010000111100111001111010100101110")),
)


class KnownMarks:
    """An `OriginDetector` for the marks of others. `max_bytes` and `max_pixels` bound what is decoded."""

    name, version = "known_marks", "1"
    kind: FindingKind = "third_party_watermark"

    def __init__(self, *, max_bytes: int, max_pixels: int, threads: int = 2) -> None:
        self._bounds = {"max_bytes": max_bytes, "max_pixels": max_pixels}
        self._limiter = anyio.CapacityLimiter(threads)

    async def look(self, data: bytes, media_type: str, /) -> Finding:
        """`present` with the scheme, or `absent` with the one that came nearest."""
        if not is_lossless(data, media_type):
            return _finding("not_evaluated", reason="the file is compressed with a loss, which destroys these marks")
        try:
            return await anyio.to_thread.run_sync(self._look, data, limiter=self._limiter)
        except (InvalidImage, TooLarge) as error:
            return _finding("not_evaluated", reason=error.detail)

    def _look(self, data: bytes) -> Finding:
        picture = open_picture(data, **self._bounds)
        if picture.width * picture.height < _MIN_PIXELS:
            return _finding("not_evaluated", reason="the picture is smaller than those that are marked in this way")
        return judge(np.asarray(picture.convert("RGB")))


def is_lossless(data: bytes, media_type: str) -> bool:
    """Whether a file holds its pixels as they were: a PNG, or a WebP of the lossless kind."""
    return media_type == "image/png" or (media_type == "image/webp" and b"VP8L" in data[:4096])


def judge(pixels: NDArray[np.uint8]) -> Finding:
    """What height × width × 3 levels say: the scheme that fits best by the share of its spare errors."""
    best: tuple[float, Scheme, int] | None = None
    for votes in blocks(pixels):
        for scheme in SCHEMES:
            matched = matching(votes, scheme.message)
            rank = (matched - scheme.least) / len(scheme.message)
            if best is None or rank > best[0]:
                best = rank, scheme, matched
    if best is None:
        return _finding("not_evaluated", reason="there is nothing to look at")
    rank, scheme, matched = best
    said: JsonObject = {"scheme": scheme.name, "matched_bits": matched, "of": len(scheme.message)}
    if rank < 0:
        return _finding("absent", **said)
    said["generator"] = scheme.maker
    return Finding(kind="third_party_watermark", status="present", direction="ai", weight="weak", detail=said)


def matching(votes: Votes, message: Bits) -> int:
    """How many bits of a message the blocks of a picture agree with."""
    sums = np.bincount(np.arange(len(votes)) % len(message), votes, minlength=len(message))
    return int(np.count_nonzero((sums > 0) == message))


def blocks(pixels: NDArray[np.uint8]) -> Iterator[Votes]:
    """What each block votes for, -1 to 1, row by row: once as of whole numbers, once as of fractions."""
    for middle in _MIDDLES.values():
        yield np.concatenate([_votes(middle(strip)) for strip in _strips(pixels)])


def _strips(pixels: NDArray[np.uint8]) -> Iterator[NDArray[np.float64]]:
    """U without its middle, of whole blocks; some rows at a time, because it is eight times as large."""
    width = pixels.shape[1] // _CELL * _CELL
    height = min(pixels.shape[0], max(_CELL, _ENOUGH_PIXELS // max(1, width))) // _CELL * _CELL
    for first in range(0, height, _STRIP):
        part = pixels[first : min(height, first + _STRIP), :width].astype(np.float64)
        bright = part @ np.array([0.299, 0.587, 0.114])
        yield 0.492 * (part[:, :, 2] - bright)


def _votes(u: NDArray[np.float64]) -> Votes:
    half = (u[0::2, 0::2] + u[0::2, 1::2] + u[1::2, 0::2] + u[1::2, 1::2]) / 2
    rows, columns = (side // _BLOCK for side in half.shape)
    cells = np.abs(half).reshape(rows, _BLOCK, columns, _BLOCK).swapaxes(1, 2).reshape(rows * columns, _BLOCK**2)
    place = cells[:, 1:].max(axis=1) % _STEP
    off = np.abs(place % (_STEP / 2) - _STEP / 4)
    return np.where(place > _STEP / 2, 1.0, -1.0) * np.exp(-((off / _NEAR) ** 2))


def _finding(status: str, **detail: object) -> Finding:
    return Finding(kind="third_party_watermark", status=status, detail=detail)
