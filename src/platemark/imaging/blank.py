"""Pictures that are none: one colour, black, or blurred beyond use, as some providers return instead of a refusal."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from platemark.imaging.decode import open_picture

Grey = NDArray[np.float32]

# Everything is measured on a grey copy of this many pixels a side, so that a number means the same for all sizes.
_SIDE = 256
# Levels of 255. Every pixel counts, so one small mark on a plain ground makes a picture.
_CONSTANT_RANGE = 6
_BLACK = 16
# Measured on 474 pictures: the sharpest edge of the softest one climbs .29 of the range from pixel to pixel; after a
# Gaussian blur of 2 % of the longer side nothing climbs more than .16, and 95 % climb less than .12.
_SOFT_EDGE = 0.12
# A gradient is smooth too. Blurred pictures still have blobs: of the spread in their grey levels, the part with 3 to 16
# waves across the picture is at least this share of the part with fewer waves (gradients: .03 to .16).
_BLOBS = 0.18


@dataclass(frozen=True, slots=True)
class Blankness:
    """`score` 0 to 1: how far the picture is of its kind; 0 where `kind` is None."""

    kind: Literal["black", "constant", "blurred"] | None
    score: float


def find_blankness(data: bytes, *, max_bytes: int, max_pixels: int) -> Blankness:
    """Look at one encoded image. Raises as `decode.inspect_bytes`."""
    return blankness_of(open_picture(data, max_bytes=max_bytes, max_pixels=max_pixels))


def blankness_of(picture: Image.Image) -> Blankness:
    """The same of pixels that `open_picture` gave."""
    image = picture.convert("RGB")
    extrema = _extrema(image)
    if max(high for _, high in extrema) <= _BLACK:
        return Blankness("black", 1.0)
    if max(high - low for low, high in extrema) <= _CONSTANT_RANGE:
        return Blankness("constant", 1.0)
    softness = _softness(np.asarray(_small_grey(image), dtype=np.float32))
    return Blankness("blurred" if softness else None, softness)


def _extrema(image: Image.Image) -> list[tuple[int, int]]:
    """Lowest and highest level of each channel."""
    return [channel.getextrema() for channel in image.split()]  # pyright: ignore[reportReturnType] - 8-bit channels


def _small_grey(image: Image.Image) -> Image.Image:
    return image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)


def _softness(grey: Grey) -> float:
    """0 for a picture with a crisp edge, or for a mere gradient; else how soft its sharpest edge is, up to 1."""
    spread = float(grey.max() - grey.min())
    sharpest = max(float(np.abs(np.diff(grey, axis=axis)).max()) for axis in (0, 1))
    edge = sharpest / max(spread, 1.0)
    if spread < 16 or edge > _SOFT_EDGE or _blob_share(grey) < _BLOBS:
        return 0.0
    return round(1 - edge / _SOFT_EDGE, 3)


def _blob_share(grey: Grey) -> float:
    # Mirrored, so that opposite borders of different brightness are no edge: half-waves 6 to 32 against those below 6.
    mirrored = np.concatenate([grey, grey[:, ::-1]], axis=1)
    spectrum = np.abs(np.fft.rfft2(np.concatenate([mirrored, mirrored[::-1]], axis=0))[:_SIDE, :_SIDE]) ** 2
    waves = np.hypot(*np.meshgrid(np.arange(_SIDE), np.arange(_SIDE)))
    blobs = spectrum[(waves >= 6) & (waves < 32)].sum()
    slopes = spectrum[(waves > 0) & (waves < 6)].sum()
    return float(np.sqrt(blobs / max(float(slopes), 1e-9)))
