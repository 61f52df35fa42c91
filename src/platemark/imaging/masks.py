"""Masks are L pictures: 255 is drawn anew, 0 is kept, between is blended."""

from math import isqrt

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

from platemark.core.errors import InvalidRequest

Levels = NDArray[np.uint8]

# Levels this near to an end mean that end: a mask that was saved as JPEG or drawn with a soft brush still keeps pixels.
_NEAR_END = 16
_SNAP = [0 if level <= _NEAR_END else 255 if level >= 255 - _NEAR_END else level for level in range(256)]


def read_mask(image: Image.Image) -> Image.Image:
    """A mask from any picture: transparent parts are drawn anew; a picture without any draws its white parts anew.

    The first is the source with a hole in it, as image editing APIs take it; the second the black and white mask of
    Stable Diffusion tools. Levels within 16 of an end are put at that end.
    """
    if image.has_transparency_data:
        drawn = ImageChops.invert(image.convert("RGBA").getchannel("A")).point(_SNAP)
        if drawn.getbbox():
            return drawn
    return image.convert("L").point(_SNAP)


def as_hole(mask: Image.Image) -> Image.Image:
    """The mask as image editing APIs take it: RGBA, the more transparent the more is drawn anew."""
    level = mask.convert("L")
    return Image.merge("RGBA", (level, level, level, ImageChops.invert(level)))


def grow(mask: Image.Image, pixels: int) -> Image.Image:
    """Each pixel takes the highest level within `pixels`, as the crow flies; negative shrinks, to the lowest level.

    What lies outside the picture does not count, so a mask that touches the border goes on touching it.
    """
    if pixels < 0:
        return ImageChops.invert(grow(ImageChops.invert(mask), -pixels))
    found = mask.getbbox()
    if not pixels or found is None:
        return mask.copy()
    left, up, right, down = found
    box = max(0, left - pixels), max(0, up - pixels), min(mask.width, right + pixels), min(mask.height, down + pixels)
    grown = Image.new("L", mask.size)
    grown.paste(Image.fromarray(_highest_in_disc(np.asarray(mask.crop(box)), pixels)), box)
    return grown


def _highest_in_disc(levels: Levels, radius: int) -> Levels:
    """The disc is a row for each distance up and down; a row of any length is the union of two of a power of two."""
    height, width = levels.shape
    runs = [np.pad(levels, ((0, 0), (radius, radius)))]
    while 2 ** len(runs) <= 2 * radius + 1:
        half = 2 ** (len(runs) - 1)
        runs.append(np.maximum(runs[-1][:, :-half], runs[-1][:, half:]))
    highest = np.zeros_like(levels)
    for away in range(min(radius + 1, height)):
        reach = isqrt(radius**2 - away**2)
        size = (2 * reach + 1).bit_length() - 1
        first, last = radius - reach, radius + reach + 1 - 2**size
        row = np.maximum(runs[size][:, first : first + width], runs[size][:, last : last + width])
        np.maximum(highest[away:], row[: height - away], out=highest[away:])
        np.maximum(highest[: height - away], row[away:], out=highest[: height - away])
    return highest


def feather(mask: Image.Image, pixels: int) -> Image.Image:
    """Fade the edge outwards over `pixels`, 0 or more.

    No level gets lower, so what was to be drawn still is, in full; outside of `grow(mask, pixels)` all stays 0.
    """
    blurred = grow(mask, pixels // 2)
    for _ in range(2):
        blurred = blurred.filter(ImageFilter.BoxBlur((pixels - pixels // 2) / 2))
    return ImageChops.lighter(mask, ImageChops.darker(blurred, grow(mask, pixels)))


def share(mask: Image.Image) -> float:
    """The share of pixels that will change, even a little: 0 to 1."""
    return 1 - mask.histogram()[0] / (mask.width * mask.height)


def composite(source: Image.Image, drawn: Image.Image, mask: Image.Image) -> Image.Image:
    """RGB: exactly the source's pixel where the mask is 0, exactly the drawn one where it is 255, between blended.

    Raises InvalidRequest when the three are not of one size.
    """
    if not source.size == drawn.size == mask.size:
        raise InvalidRequest(
            f"The source has {_size(source)} pixels, the drawn picture {_size(drawn)} and the mask {_size(mask)}. "
            "Send a mask of the source's size."
        )
    return Image.composite(drawn.convert("RGB"), source.convert("RGB"), mask)


def _size(image: Image.Image) -> str:
    return f"{image.width} × {image.height}"
