"""Pictures as a watermark needs them: their brightness on one small square, and a change of it at full size."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from platemark.core.model import OutputFormat
from platemark.imaging.decode import open_picture
from platemark.imaging.pixels import encode, on_white

Levels = NDArray[np.float32]
Rows = Callable[[int, int], Levels]

SIDE = 512
_BLOCK = 8
# Levels of change from pixel to pixel below which everything counts as equally smooth.
_SMOOTH = 0.75
# What an edge hides, as a share of what texture hides that changes as much in every direction.
_EDGE = 0.2
# Of (texture + smooth): above 1, so that the change falls faster than what hides it.
_EXPONENT = 1.5
_LEAST, _MOST = 0.05, 3.0
# Rows that are changed at a time, so that memory does not grow with the picture.
_STRIP = 256


@dataclass(frozen=True, slots=True)
class Surface:
    """A picture, and on 512 × 512: its brightness on white, 0 to 255, and how much of a change shows, 0 to 1.

    `shows` is None where nothing is transparent.
    """

    picture: Image.Image = field(repr=False)
    brightness: Levels = field(repr=False)
    shows: Levels | None = field(repr=False)


def open_surface(data: bytes, *, max_bytes: int, max_pixels: int) -> Surface:
    """Decode a picture. Raises as `decode.inspect_bytes`."""
    return surface_of(open_picture(data, max_bytes=max_bytes, max_pixels=max_pixels))


def surface_of(picture: Image.Image) -> Surface:
    """The same of an upright RGB or RGBA picture."""
    opaque = picture.getchannel("A") if picture.mode == "RGBA" else None
    seen_through = opaque is not None and opaque.getextrema() != (255, 255)
    shows = _small(opaque) / np.float32(255) if opaque is not None and seen_through else None
    return Surface(picture, _small(on_white(picture).convert("L")), shows)


def worn(brightness: Levels, width: int, height: int) -> Levels:
    """The square as it is after a copy of half the size as JPEG 50; of 256 pixels where the picture has over 512."""
    half = min(1.0, SIDE / min(width, height)) / 2
    size = max(1, round(width * half)), max(1, round(height * half))
    copy = Image.fromarray(np.rint(brightness).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    file = io.BytesIO()
    copy.save(file, "JPEG", quality=50)
    return _small(Image.open(file))


def _small(channel: Image.Image) -> Levels:
    small = channel.resize((SIDE, SIDE), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return np.asarray(small, dtype=np.float32)


def texture(brightness: Levels) -> tuple[Levels, Levels]:
    """How much of a change each 8 × 8 block hides: weights of mean 1, as 64 × 64 and stretched to 512 × 512.

    By the eigenvalues of each block's structure tensor (Förstner and Gülch, 1987): the lesser says how much the
    brightness changes whatever way one looks, which hides a grain; the greater is large beside a bare edge too.
    """
    down, across = np.diff(brightness, axis=0, append=brightness[-1:]), np.diff(brightness, append=brightness[:, -1:])
    half_sum = (_means(across**2) + _means(down**2)) / 2
    half_gap = np.hypot((_means(across**2) - _means(down**2)) / 2, _means(across * down))
    hides = np.sqrt(np.maximum(half_sum - half_gap, 0) + _EDGE * (half_sum + half_gap))
    weights = (hides + _SMOOTH) ** _EXPONENT
    for _ in range(3):
        weights = np.clip(weights / weights.mean(), _LEAST, _MOST)
    weights = (weights / weights.mean()).astype(np.float32)
    return weights, _stretched(weights, SIDE, (0, SIDE), SIDE)


def _means(values: Levels) -> NDArray[np.float64]:
    return values.reshape(SIDE // _BLOCK, _BLOCK, SIDE // _BLOCK, _BLOCK).mean(axis=(1, 3), dtype=np.float64)


def _stretched(weights: Levels, width: int, rows: tuple[int, int], height: int) -> Levels:
    """The rows from `rows[0]` to before `rows[1]` of the weights stretched to `height` × `width`."""
    up, down = (row * weights.shape[0] / height for row in rows)
    flat = Image.fromarray(weights)
    box = (0, up, weights.shape[1], down)
    return np.asarray(flat.resize((width, rows[1] - rows[0]), Image.Resampling.BILINEAR, box=box), dtype=np.float32)


def changed(picture: Image.Image, rows: Rows, weights: Levels) -> tuple[Image.Image, float]:
    """The picture with a change added to all its colours, and the peak signal-to-noise ratio of the two in decibels.

    `rows(first, end)` gives the change of those rows in levels; it counts as the stretched `weights` say. Alpha stays.
    """
    levels = np.array(picture.convert("RGB"))
    height, width = levels.shape[:2]
    error = 0.0
    for first in range(0, height, _STRIP):
        end = min(height, first + _STRIP)
        delta = rows(first, end) * _stretched(weights, width, (first, end), height)
        new = np.clip(np.rint(levels[first:end] + delta[:, :, None]), 0, 255)
        error += float(np.sum(np.square(new - levels[first:end]), dtype=np.float64))
        levels[first:end] = new
    made = Image.fromarray(levels)
    if picture.mode == "RGBA":
        made.putalpha(picture.getchannel("A"))
    return made, decibels(error / levels.size)


def decibels(mean_square: float) -> float:
    """A mean squared error of levels as peak signal-to-noise ratio; 99 at most."""
    return 99.0 if mean_square <= 0 else min(99.0, 10 * float(np.log10(255**2 / mean_square)))


def file_of(picture: Image.Image, output_format: OutputFormat) -> bytes:
    """The picture as a file without metadata, as `decode.normalise` writes it."""
    return encode(picture, output_format, compress_level=2)
