"""Room around a picture: a larger canvas to outpaint on, cropping to cover a size, padding to a grid."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from platemark.core.errors import InvalidRequest

Box = tuple[int, int, int, int]
Whole = NDArray[np.int64]

# New ground mirrors the source less and less: its far end shows what lies this share of a side inside the edge. A full
# mirror would double whatever stands further in, a mere stretch would leave streaks.
_MIRRORED = 1 / 16
# The blur's radius as a share of the distance from the source, and the radii between which it is mixed.
_BLUR = 1 / 4
_RADII = (0, 1, 4, 16, 64)


def extend(
    source: Image.Image, left: int, right: int, up: int, down: int, *, overlap: int = 12
) -> tuple[Image.Image, Image.Image]:
    """A canvas of (width + left + right) × (height + up + down) in RGB, and its mask (L, 255 is drawn anew).

    The canvas holds the source byte for byte; around it lies a blurred continuation for a model to start from. The mask
    fades from 255 in the new ground to 0 over the `overlap` outermost pixels of the source, on the sides that are
    extended: blending by it changes that seam, and with `overlap=0` no pixel of the source. All in pixels, 0 or more;
    raises InvalidRequest for a negative number.
    """
    if min(left, right, up, down, overlap) < 0:
        raise InvalidRequest("A picture cannot be extended by less than nothing. Send 0 or more pixels for each side.")
    source = source.convert("RGB")
    columns, rows = _mirrored(source.width, left, right), _mirrored(source.height, up, down)
    canvas = Image.fromarray(np.asarray(source)[rows][:, columns])
    _blur(canvas, _beyond(source.width, left, right), _beyond(source.height, up, down))
    canvas.paste(source, (left, up))
    across, along = _ramp(source.width, left, right, overlap), _ramp(source.height, up, down, overlap)
    mask = np.maximum(across[None, :], along[:, None]) * 255 / (overlap + 1)
    return canvas, Image.fromarray(np.round(mask).astype(np.uint8))


def cover(image: Image.Image, width: int, height: int) -> Image.Image:
    """The picture scaled until it covers `width` × `height` pixels, and its middle cut out. Any mode."""
    return ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)


def pad_to(image: Image.Image, multiple: int) -> tuple[Image.Image, Box]:
    """The picture with its last column and row repeated until both sides are multiples, and the box of the original.

    Any mode of 8-bit channels. What is drawn at the padded size is brought back by `crop(box)`.
    """
    right, down = -image.width % multiple, -image.height % multiple
    pixels = np.asarray(image)
    padded = np.pad(pixels, ((0, down), (0, right), (0, 0))[: pixels.ndim], "edge")
    return Image.fromarray(padded), (0, 0, image.width, image.height)


def _beyond(size: int, before: int, after: int) -> Whole:
    """How far each place of an extended side lies outside the source: 0 within it."""
    place = np.arange(-before, size + after)
    return np.maximum(np.maximum(-place, place - size + 1), 0)


def _mirrored(size: int, before: int, after: int) -> Whole:
    """The place of the source that each place of an extended side shows."""
    place = np.arange(-before, size + after)
    band = max(1.0, size * _MIRRORED)
    step = np.maximum(_beyond(size, before, after) - 1, 0)
    depth = np.minimum(np.round(step * band / (step + band)), size - 1).astype(np.int64)
    return np.where(place < 0, depth, np.where(place >= size, size - 1 - depth, place))


def _blur(canvas: Image.Image, across: Whole, along: Whole) -> None:
    """Blur in place by the distance from the source. Mixing a few radii is as smooth as one for each pixel."""
    wanted = np.hypot(across[None, :].astype(np.float32), along[:, None].astype(np.float32)) * np.float32(_BLUR)
    sharp = canvas.copy()
    for smaller, radius in pairwise(_RADII):
        if wanted.max() <= smaller:
            return
        share = np.clip((wanted - smaller) / (radius - smaller), 0, 1)
        blurred = sharp.filter(ImageFilter.GaussianBlur(radius))
        canvas.paste(blurred, mask=Image.fromarray(np.round(share * 255).astype(np.uint8)))


def _ramp(size: int, before: int, after: int, overlap: int) -> Whole:
    """Up to overlap + 1 outside the source, and one less for each pixel inside a side that is extended."""
    place = np.arange(-before, size + after)
    first = overlap - place if before else np.zeros_like(place)
    last = overlap - (size - 1 - place) if after else np.zeros_like(place)
    return np.clip(np.maximum(first, last), 0, overlap + 1)
