"""Pictures on their way to somebody else's service: small JPEGs with nothing in them but pixels."""

import io

from PIL import Image

from platemark.imaging.decode import open_picture

_QUALITIES = (90, 75, 55)


def posted(data: bytes, *, max_side: int, min_side: int, most: int, max_bytes: int, max_pixels: int) -> list[bytes]:
    """The picture as JPEG without metadata, its sides within bounds, of at most `most` bytes where that can be.

    One with transparent parts comes twice, on white and on black, so that nothing hides in them. `max_bytes` and
    `max_pixels` bound what is decoded. Raises InvalidImage, TooLarge.
    """
    picture = open_picture(data, max_bytes=max_bytes, max_pixels=max_pixels)
    scale = min(1.0, max_side / max(picture.size))
    scale = max(scale, min(min_side / min(picture.size), max_side / max(picture.size)))
    width, height = (max(1, round(side * scale)) for side in picture.size)
    if (width, height) != picture.size:
        picture = picture.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return [_jpeg(_on(picture, ground), most) for ground in (("white", "black") if picture.mode == "RGBA" else ("",))]


def _on(picture: Image.Image, ground: str) -> Image.Image:
    if not ground:
        return picture
    made = Image.new("RGB", picture.size, ground)
    made.paste(picture, mask=picture.getchannel("A"))
    return made


def _jpeg(picture: Image.Image, most: int) -> bytes:
    data = b""
    for quality in _QUALITIES:
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=quality)
        data = out.getvalue()
        if len(data) <= most:
            break
    return data
