"""Pictures that a generation starts from, in the plain forms that providers get: RGB on white, masks as one channel."""

import io
from typing import Literal

from PIL import Image

from platemark.imaging.decode import open_picture
from platemark.imaging.guides import has_content
from platemark.imaging.masks import read_mask
from platemark.imaging.pixels import on_white

Role = Literal["image", "mask", "control"]
# PNG is only a wrapping here, on its way to another process: speed counts, not size.
_COMPRESS_LEVEL = 1


def open_source(data: bytes, role: Role, *, max_bytes: int, max_pixels: int) -> Image.Image:
    """The upright picture: RGB with transparent parts white; a mask as L, 255 where it is to be drawn anew.

    Raises InvalidImage and TooLarge as `inspect_bytes`.
    """
    picture = open_picture(data, max_bytes=max_bytes, max_pixels=max_pixels)
    return read_mask(picture) if role == "mask" else on_white(picture).convert("RGB")


def shows_something(picture: Image.Image, role: Role) -> bool:
    """False for a mask that selects nothing, and for a guide of one colour. Any picture may be an image."""
    if role == "mask":
        return picture.getbbox() is not None
    return role == "image" or has_content(picture)


def as_png(picture: Image.Image) -> bytes:
    """The picture as PNG without metadata."""
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=_COMPRESS_LEVEL)
    return out.getvalue()
