"""How a picture is shown to the encoder of the origin classifier: pixels alone, one size for all.

And the ways in which pictures get worse on their way through the world, which it is trained and measured with.
"""

import io
import random

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Levels = NDArray[np.float32]
Picture = Image.Image

SIDE = 224
# No picture is larger than this on its way here when it is made worse.
_LONGEST = 768
# What CLIP was trained with: https://github.com/openai/CLIP, `_transform`.
_MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32)
_SPREAD = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32)
_BICUBIC, _LANCZOS = Image.Resampling.BICUBIC, Image.Resampling.LANCZOS


def flat(picture: Picture) -> Picture:
    """RGB; what shows through is white."""
    if picture.mode not in ("RGBA", "LA", "PA", "P"):
        return picture.convert("RGB")
    picture = picture.convert("RGBA")
    ground = Image.new("RGB", picture.size, "white")
    ground.paste(picture, mask=picture.getchannel("A"))
    return ground


def whole(picture: Picture) -> Picture:
    """The square in the middle of an RGB picture, as high or wide as the picture, in 224 × 224 pixels."""
    scale = SIDE / min(picture.size)
    width, height = (max(SIDE, round(length * scale)) for length in picture.size)
    small = picture.resize((width, height), _BICUBIC)
    left, up = round((width - SIDE) / 2), round((height - SIDE) / 2)
    return small.crop((left, up, left + SIDE, up + SIDE))


def levels(square: Picture) -> Levels:
    """1 × 3 × 224 × 224, normalised as CLIP wants it."""
    pixels = np.asarray(square, dtype=np.float32) / 255
    return np.ascontiguousarray(((pixels - _MEAN) / _SPREAD).transpose(2, 0, 1)[None], dtype=np.float32)


def quadrant(picture: Picture, which: int) -> Picture:
    """A quarter of a sheet of two by two pictures: 0 to 3, from the top left."""
    width, height = picture.width // 2, picture.height // 2
    left, up = which % 2 * width, which // 2 % 2 * height
    return picture.crop((left, up, left + width, up + height))


def degraded(picture: Picture, chance: random.Random) -> Picture:
    """What tests are made with: scaled to 0.6 to 1 of at most 768 pixels, then JPEG 65 to 92."""
    picture = _limited(picture)
    picture = picture.resize(_scaled(picture, chance.uniform(0.6, 1.0)), _BICUBIC)
    return _through(picture, "JPEG", chance.randint(65, 92))


def roughened(picture: Picture, chance: random.Random) -> Picture:
    """What training is done with: as `degraded`, at times mirrored, and one in five through WebP 50 to 90."""
    picture = _limited(picture)
    scale = chance.uniform(0.6, 1.0)
    picture = picture.resize(_scaled(picture, scale), chance.choice([_BICUBIC, _LANCZOS]))
    if chance.random() < 0.5:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if chance.random() < 0.2:
        return _through(picture, "WEBP", chance.randint(50, 90))
    return _through(picture, "JPEG", chance.randint(65, 92))


def _limited(picture: Picture) -> Picture:
    scale = _LONGEST / max(picture.size)
    return picture if scale >= 1 else picture.resize(_scaled(picture, scale), _BICUBIC)


def _scaled(picture: Picture, scale: float) -> tuple[int, int]:
    return max(1, round(picture.width * scale)), max(1, round(picture.height * scale))


def _through(picture: Picture, kind: str, quality: int) -> Picture:
    file = io.BytesIO()
    picture.save(file, kind, quality=quality)
    file.seek(0)
    return Image.open(file).convert("RGB")
