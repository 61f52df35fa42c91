"""How a picture is shown to the image classifiers: which views of it, and as what numbers each network takes them."""

import io
from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Levels = NDArray[np.float32]

SIDE = 224
# Above this a small part of the picture would vanish at 224 pixels.
_LONG = 1024
# Crops overlap, so that what lies on a border of one is whole in another.
_CROP = 0.6
# Fewer pixels than this are the soft edge of a cut-out, not a place to hide something in.
_SEE_THROUGH_SHARE = 0.001
_BLUR_SIGMA, _BLUR_LEAST = 10.0, 0.2
_OPEN_NSFW_SIDE = 256
_OPEN_NSFW_MEAN = np.array([104, 117, 123], dtype=np.float32)


def shrunk(picture: Image.Image) -> Image.Image:
    """The picture with a long side of at most 2047 pixels: each view is scored on far fewer."""
    factor = max(picture.size) // _LONG
    return picture.reduce(factor) if factor > 1 else picture


def views_of(picture: Image.Image) -> Iterator[tuple[str, Image.Image]]:
    """Named RGB pictures that are scored one by one: the whole, and for large ones four overlapping corners.

    `picture` is RGB or RGBA. Where it can really be seen through, all of them on white and again on black: a colour
    that is hidden by transparency shows on one of them.
    """
    for ground in _grounds(picture):
        flat = _flat(picture, ground)
        suffix = f" on {ground}" if ground else ""
        yield f"whole{suffix}", flat
        if max(flat.size) > _LONG:
            yield from ((f"{name}{suffix}", flat.crop(box)) for name, box in _corners(*flat.size))


def _grounds(picture: Image.Image) -> tuple[str | None, ...]:
    if picture.mode != "RGBA":
        return (None,)
    opaque = picture.getchannel("A").histogram()
    seen_through = sum(opaque[:250]) / (picture.width * picture.height)
    return ("white", "black") if seen_through > _SEE_THROUGH_SHARE else ("white",)


def _flat(picture: Image.Image, ground: str | None) -> Image.Image:
    if ground is None:
        return picture
    flat = Image.new("RGB", picture.size, ground)
    flat.paste(picture, mask=picture.getchannel("A"))
    return flat


def _corners(width: int, height: int) -> Iterator[tuple[str, tuple[int, int, int, int]]]:
    across, down = round(width * _CROP), round(height * _CROP)
    for name, left, up in (
        ("top left", 0, 0),
        ("top right", width - across, 0),
        ("bottom left", 0, height - down),
        ("bottom right", width - across, height - down),
    ):
        yield name, (left, up, left + across, up + down)


def fitted(view: Image.Image) -> Levels:
    """1 × 3 × 224 × 224, RGB 0 to 255: the view in its proportions, before a blurred copy that fills the square."""
    scale = SIDE / max(view.size)
    width, height = (max(1, min(SIDE, round(length * scale))) for length in view.size)
    shown = np.asarray(_resized(view, width, height), dtype=np.float32)
    if (width, height) != (SIDE, SIDE):
        square = _blurred(np.asarray(_resized(view, SIDE, SIDE), dtype=np.float32))
        left, up = (SIDE - width) // 2, (SIDE - height) // 2
        square[up : up + height, left : left + width] = shown
        shown = square
    return np.ascontiguousarray(shown.transpose(2, 0, 1)[None])


def _resized(view: Image.Image, width: int, height: int) -> Image.Image:
    return view.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)


def _blurred(square: Levels) -> Levels:
    """A Gaussian along both axes; what lies outside is like the border."""
    blur = _blur_matrix()
    return np.rint(np.einsum("ij,kjc->kic", blur, np.tensordot(blur, square, 1), optimize=True)).astype(np.float32)


@cache
def _blur_matrix() -> Levels:
    """224 × 224: each row the weights of one output. The kernel ends where it falls below a fifth of its peak."""
    reach = int(np.sqrt(-2 * np.log(_BLUR_LEAST)) * _BLUR_SIGMA)
    offsets = np.arange(-reach, reach + 1)
    kernel = np.exp(-(offsets**2) / (2 * _BLUR_SIGMA**2))
    matrix = np.zeros((SIDE, SIDE))
    for row in range(SIDE):
        np.add.at(matrix[row], np.clip(row + offsets, 0, SIDE - 1), kernel / kernel.sum())
    return matrix.astype(np.float32)


def squeezed(view: Image.Image) -> Levels:
    """1 × 224 × 224 × 3, BGR around zero, as Yahoo's open_nsfw was trained: squeezed, cropped, once through JPEG."""
    border = (_OPEN_NSFW_SIDE - SIDE) // 2
    small = view.resize((_OPEN_NSFW_SIDE, _OPEN_NSFW_SIDE), Image.Resampling.BILINEAR)
    file = io.BytesIO()
    small.crop((border, border, border + SIDE, border + SIDE)).save(file, "JPEG")
    levels = np.asarray(Image.open(file), dtype=np.float32)
    return np.ascontiguousarray((levels[:, :, ::-1] - _OPEN_NSFW_MEAN)[None])
