"""Renditions: a stored picture in another size or format, as pixels only."""

from PIL import Image

from platemark.core.image import MEDIA_TYPES
from platemark.core.model import OutputFormat
from platemark.imaging.decode import Normal, open_picture
from platemark.imaging.pixels import encode


def rendered(data: bytes, width: int | None, output_format: OutputFormat, *, max_bytes: int, max_pixels: int) -> Normal:
    """The picture at `width` pixels, never larger than it is, without metadata. Raises InvalidImage, TooLarge."""
    picture = open_picture(data, max_bytes=max_bytes, max_pixels=max_pixels)
    if width is not None and width < picture.width:
        height = max(1, round(picture.height * width / picture.width))
        picture = picture.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return Normal(encode(picture, output_format, 2), MEDIA_TYPES[output_format], picture.width, picture.height)
