"""What a reviewer sees of a picture before asking for more: so small and so blurred that it shows no detail."""

import io

from PIL import Image, ImageFilter

from platemark.imaging.decode import open_picture
from platemark.imaging.pixels import on_white

MEDIA_TYPE = "image/jpeg"
_LONGEST = 512
# Colours and the rough layout survive, faces and bodies do not. As a share of the longer side.
_RADIUS = 0.04
# The detail is gone before the blur: it cannot be sharpened back, whatever becomes of the file.
_GRAIN = 48


def veil(data: bytes, *, max_bytes: int, max_pixels: int, greyscale: bool = False) -> bytes:
    """A JPEG of at most 512 pixels a side, without metadata; transparent parts are white.

    Raises as `decode.inspect_bytes`. Decodes: call it in a thread.
    """
    picture = on_white(open_picture(data, max_bytes=max_bytes, max_pixels=max_pixels))
    size = _fitting(picture, _LONGEST)
    coarse = picture.resize(_fitting(picture, _GRAIN), Image.Resampling.BOX)
    blurred = coarse.resize(size, Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(_RADIUS * max(size)))
    out = io.BytesIO()
    (blurred.convert("L") if greyscale else blurred).save(out, "JPEG", quality=70)
    return out.getvalue()


def _fitting(picture: Image.Image, side: int) -> tuple[int, int]:
    """The picture's size, made smaller until neither side is longer than `side`."""
    scale = min(1.0, side / max(picture.size))
    return max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
