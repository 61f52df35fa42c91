"""Renditions: a stored picture in another size or format, or with a label in it, as pixels only."""

from collections.abc import Callable

from PIL import Image

from platemark.core.image import MEDIA_TYPES
from platemark.core.model import OutputFormat
from platemark.imaging.decode import Normal, open_picture
from platemark.imaging.pixels import encode


def rendered(
    data: bytes,
    width: int | None,
    output_format: OutputFormat,
    finish: Callable[[Image.Image], Image.Image] | None = None,
    *,
    max_bytes: int,
    max_pixels: int,
) -> Normal:
    """The picture at `width` pixels, never larger than it is, without metadata. `finish`: done to it at that size.

    Raises InvalidImage, TooLarge.
    """
    picture = open_picture(data, max_bytes=max_bytes, max_pixels=max_pixels)
    if width is not None and width < picture.width:
        picture = picture.resize(scaled(*picture.size, width), Image.Resampling.LANCZOS, reducing_gap=3.0)
    if finish is not None:
        picture = finish(picture)
    return Normal(encode(picture, output_format, 2), MEDIA_TYPES[output_format], picture.width, picture.height)


def scaled(width: int, height: int, wanted: int | None) -> tuple[int, int]:
    """The size of a picture of `width` × `height` at `wanted` pixels of width, never larger than it is."""
    if wanted is None or wanted >= width:
        return width, height
    return wanted, max(1, round(height * wanted / width))
