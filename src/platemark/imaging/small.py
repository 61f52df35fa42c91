"""Small versions of pictures, as bare pixels, for what cannot show a file."""

from dataclasses import dataclass, field

from PIL import Image

from platemark.imaging.decode import open_picture

_MAX_BYTES = 32 * 1024 * 1024
_MAX_PIXELS = 64_000_000


@dataclass(frozen=True, slots=True)
class Pixels:
    """`data` holds width × height × 3 bytes, RGB from the top left."""

    width: int
    height: int
    data: bytes = field(repr=False)


def shrink(data: bytes, width: int, height: int) -> Pixels:
    """The picture in at most `width` × `height` pixels, in its proportions; transparency becomes white.

    Raises InvalidImage, TooLarge.
    """
    picture = open_picture(data, max_bytes=_MAX_BYTES, max_pixels=_MAX_PIXELS)
    if picture.mode == "RGBA":
        ground = Image.new("RGB", picture.size, "white")
        ground.paste(picture, mask=picture.getchannel("A"))
        picture = ground
    scale = min(width / picture.width, height / picture.height, 1.0)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    small = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    return Pixels(small.width, small.height, small.tobytes())
