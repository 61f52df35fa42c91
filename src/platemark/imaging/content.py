"""What kind of picture this seems to be, where the origin classifier is known to be weak. Cheap, rough, only a warning.

Limits are set so that few of 249 photographs are warned about; docs/explanation/learned-classifier.md has the rates.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Content = Literal["small_image", "flat_image", "screenshot_like", "art_like", "upscaled"]
Grey = NDArray[np.float32]

SMALL = 256
_SIDE = 512
# Share of neighbouring pixels that differ by at most two levels of 255, in a cut at full size.
_SCREEN, _DRAWN = 0.90, 0.80
# Levels: a spread below this has nothing to tell by.
_FLAT = 8.0
# Share of a cut's spectrum, without its lowest waves, above half of the highest one.
_SOFT = 0.006


class Traits(NamedTuple):
    """Shorter side in pixels; share of equal neighbours; spread of grey levels; share of fine detail."""

    shorter: int
    equal: float
    spread: float
    fine: float


def traits_of(picture: Image.Image) -> Traits:
    """Measured on a square of at most 512 pixels from the middle, which is not scaled. `picture` is RGB."""
    side = min(*picture.size, _SIDE)
    left, up = (picture.width - side) // 2, (picture.height - side) // 2
    cut = picture.crop((left, up, left + side, up + side)).convert("L")
    grey = np.asarray(cut, dtype=np.float32)
    steps = np.abs(np.diff(grey, axis=1))
    equal = float((steps <= 2).mean()) if steps.size else 1.0
    return Traits(min(picture.size), equal, float(grey.std()), _fine(grey))


def warnings_of(traits: Traits) -> tuple[Content, ...]:
    """What makes a score worth less, the gravest first."""
    found: list[Content] = []
    if traits.shorter < SMALL:
        found.append("small_image")
    if traits.spread < _FLAT:
        found.append("flat_image")
    if traits.equal >= _SCREEN:
        found.append("screenshot_like")
    elif traits.equal >= _DRAWN:
        found.append("art_like")
    if traits.fine < _SOFT and "flat_image" not in found:
        found.append("upscaled")
    return tuple(found)


def _fine(grey: Grey) -> float:
    """0 for what has no detail finer than two pixels, as after an enlargement; 0 to 1."""
    side = min(grey.shape)
    if side < 8:
        return 1.0
    window = np.hanning(side).astype(np.float32)
    spectrum = np.abs(np.fft.rfft2((grey - grey.mean()) * window[:, None] * window[None, :])) ** 2
    waves = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :])
    body, high = spectrum[waves >= 0.02].sum(), spectrum[waves >= 0.3].sum()
    return float(high / max(float(body), 1e-9))
