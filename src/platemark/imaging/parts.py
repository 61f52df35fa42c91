"""Parts: a hash of the middle of a picture, found again in whatever was cut out around that middle."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.floating[Any]]
# Left, top, right and bottom, as shares of width and height.
Box = tuple[float, float, float, float]

# The middle begins so far from each edge.
_MARGIN = 0.15
# At most so much is looked for to be cut off each edge.
CUT = 0.10
# Grey levels a side, whatever the shape of the picture, and averages of the middle a side, as PDQ has them.
_SIDE, _CELLS = 256, 64
# Lowest frequencies a side; the lowest half of them bear twice the error in place.
_WAVES, _LOW = 16, 8
_COARSE, _FINE = 0.05, 0.025
# The first, third, fifth … frequency across, in each byte.
_ODD_CORE, _ODD_LOW = int("aa" * 32, 16), int("aa" * 8, 16)
# As PDQ's own quality: a picture below has too little detail for a match to mean anything.
LEAST_QUALITY = 50


def core_of(picture: Image.Image) -> str | None:
    """The hash of the middle 70 % a side, 64 hexadecimal digits; None where it is too flat to be known again.

    Signs of the 16 × 16 lowest frequencies of the cosine transform that PDQ uses (without its median), in rows.
    """
    grey = _grey(picture)
    averages = _windows(((_MARGIN, 1 - _MARGIN),))
    middle = averages @ grey @ averages.T
    if _quality(middle) < LEAST_QUALITY:
        return None
    waves = _cosines()
    return np.packbits((waves @ middle @ waves.T).ravel() > 0).tobytes().hex()


def low_of(core: str) -> int:
    """The 8 × 8 lowest frequencies of such a hash, 64 bits, by which candidates are found."""
    return int.from_bytes(bytes.fromhex(core)[0 : 2 * _LOW : 2], "little")


def mirrored_core(core: str) -> str:
    """The hash of the mirror image's middle, from the hash alone: every other frequency across changes its sign."""
    return f"{int(core, 16) ^ _ODD_CORE:064x}"


def mirrored_low(low: int) -> int:
    """The same for `low_of`."""
    return low ^ _ODD_LOW


def mirrored_box(box: Box) -> Box:
    """Where a place of the mirror image lies in the picture."""
    left, top, right, bottom = box
    return 1 - right, top, 1 - left, bottom


@dataclass(frozen=True, slots=True)
class Part:
    """A picture that may have been cut out of another one, at most a tenth off each edge."""

    grey: Floats = field(repr=False)

    @classmethod
    def of(cls, picture: Image.Image) -> "Part":
        """From its pixels."""
        return cls(_grey(picture))

    def lows(self) -> list[int]:
        """What `low_of` the whole picture may be: one number for each of 81 ways to have been cut."""
        hashes = _hashes(self.grey, _COARSE, _LOW)
        return [int(word) for word in hashes.reshape(-1, _LOW).view(np.uint64)[:, 0]]

    def places(self, cores: Sequence[str]) -> list[tuple[Box, int]]:
        """Where in each whole picture this part most likely lies, within 1.25 % an edge; and how far the hashes are.

        Other pictures were 77 bits of 256 away at the least (bench/registry.py).
        """
        mine = _hashes(self.grey, _FINE, _WAVES).reshape(-1, 2 * _WAVES).view(np.uint64)
        cuts = _cuts(_FINE)
        found = list[tuple[Box, int]]()
        for core in cores:
            theirs = np.frombuffer(bytes.fromhex(core), dtype=np.uint64)
            distances = np.bitwise_count(mine ^ theirs).sum(axis=1, dtype=np.int64)
            best = int(distances.argmin())
            (top, bottom), (left, right) = cuts[best // len(cuts)], cuts[best % len(cuts)]
            found.append(((left, top, right, bottom), int(distances[best])))
        return found


def _grey(picture: Image.Image) -> Floats:
    small = picture.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32)


def _quality(middle: Floats) -> int:
    """PDQ's: the sum of the differences of neighbours, of which 90 % is enough."""
    steps = [np.abs(np.diff(middle, axis=axis) * (100 / 255)).astype(np.int64).sum() for axis in (0, 1)]
    return min(100, int(sum(steps)) // 90)


def _hashes(grey: Floats, step: float, waves: int) -> NDArray[np.uint8]:
    """Bits for every way to have been cut, first by top and bottom, then by left and right; packed in rows."""
    table = _transforms(step, waves)
    count = len(table) // waves
    spectrum = (table @ grey @ table.T).reshape(count, waves, count, waves)
    bits = spectrum.transpose(0, 2, 1, 3).reshape(count * count, waves * waves) > 0
    return np.packbits(bits, axis=1)


@cache
def _cuts(step: float) -> tuple[tuple[float, float], ...]:
    """Where on the whole axis the part may begin and end."""
    offs = [index * step for index in range(round(CUT / step) + 1)]
    return tuple((low, 1 - high) for low in offs for high in offs)


@cache
def _transforms(step: float, waves: int) -> Floats:
    """From grey levels along an axis to the waves of the middle, for every way to have been cut; stacked."""
    windows = [((_MARGIN - low) / (high - low), (1 - _MARGIN - low) / (high - low)) for low, high in _cuts(step)]
    averages = _windows(tuple(windows)).reshape(len(windows), _CELLS, _SIDE)
    return np.concatenate([_cosines()[:waves] @ one for one in averages])


@cache
def _windows(windows: tuple[tuple[float, float], ...]) -> Floats:
    """Averages of 64 equal pieces of each window (shares of the axis), as matrices on 256 levels; stacked."""
    pixel = np.arange(_SIDE)
    rows = list[NDArray[Any]]()
    for low, high in windows:
        edges = np.linspace(low * _SIDE, high * _SIDE, _CELLS + 1)[:, None]
        shared = np.clip(np.minimum(edges[1:], pixel + 1) - np.maximum(edges[:-1], pixel), 0, None)
        rows.append(shared / (edges[1:] - edges[:-1]))
    return np.concatenate(rows).astype(np.float32)


@cache
def _cosines() -> Floats:
    waves, cells = np.arange(1, _WAVES + 1)[:, None], np.arange(_CELLS)
    return np.cos(np.pi / (2 * _CELLS) * waves * (2 * cells + 1)).astype(np.float32)
