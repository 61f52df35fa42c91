"""The watermark's signal: 124 values spread by a key over the mid frequencies of a picture, and how they are pushed.

Improved spread spectrum (Malvar and Florencio, IEEE Transactions on Signal Processing 51(4), 2003) in the discrete
cosine transform (DCT-II, orthonormal) of the brightness on 512 × 512 pixels. Only the frequencies that are used are
computed: two products with a 151 × 512 matrix.
"""

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from platemark.imaging.marking import SIDE, Levels, Rows, Surface, texture, worn
from platemark.provenance.watermark_code import CODE_BITS, Soft, likeness

METHOD = "iss-dct-1"
# Cycles per half width of the square: below lie a picture's strong contrasts, above little survives JPEG and scaling.
_LOWEST, _HIGHEST = 32, 150
_BESIDE_AXES = 4
# A coefficient that is far stronger than its like would decide alone.
_CLIP = 3.0
# What an empty frequency is taken to have, in levels, so that rounding is no signal.
_FLOOR = 4.0
_FIRST_PUSH, _FIRST_PASSES, _PASSES = 0.1, 2, 4
_LEAST_PUSH, _MOST_PUSH = 0.06, 0.4
# The power of its own strength by which each frequency is changed. The lower changes strong frequencies less, which an
# eye finds first; at 1 the mark lies lower, where scaling and strong compression leave more of it.
_FAINT, _STURDY = 0.3, 1.0
# How well a number has to be read of a worn copy, as a cosine, so that the fainter of the two is enough.
_SURVIVES = 0.85

Index = NDArray[np.int64]


def _cosines(points: int) -> Levels:
    """151 × points: the first cosines over that many pixels, scaled as those of 512 are."""
    cycles = np.arange(_HIGHEST + 1)[:, None]
    waves = np.cos(np.pi * cycles * (np.arange(points) + 0.5) / points) * np.sqrt(2 / SIDE)
    waves[0] /= np.sqrt(2)
    return waves.astype(np.float32)


_SQUARE = _cosines(SIDE)


def _band() -> tuple[Index, Index, NDArray[np.int64]]:
    """Row, column and whole radius of every coefficient that is used, by rows."""
    row, column = np.indices((_HIGHEST + 1, _HIGHEST + 1))
    radius = np.hypot(row, column)
    used = (radius >= _LOWEST) & (radius <= _HIGHEST) & (row > _BESIDE_AXES) & (column > _BESIDE_AXES)
    return row[used], column[used], np.rint(radius[used]).astype(np.int64) - _LOWEST


_ROW, _COLUMN, _RING = _band()
_RING_SIZE = np.bincount(_RING)
GROUP = len(_ROW) // CODE_BITS


@dataclass(frozen=True, slots=True)
class Pattern:
    """Where a key puts each of the 124 values: `places` (124 × 127) in the band, and there the `signs` of -1 and 1."""

    places: Index = field(repr=False)
    signs: Levels = field(repr=False)

    @classmethod
    def of(cls, key: bytes) -> "Pattern":
        """From HMAC-SHA-256 of the key and SHAKE-256, which no library's version changes.

        Places are the order of the band's little-endian 64-bit draws; signs are the draws' bits, the highest first.
        """
        draws = np.frombuffer(_stream(key, "places", 8 * len(_ROW)), dtype="<u8")
        bits = np.unpackbits(np.frombuffer(_stream(key, "signs", CODE_BITS * GROUP // 8 + 1), dtype=np.uint8))
        places = np.argsort(draws, kind="stable")[: CODE_BITS * GROUP].reshape(CODE_BITS, GROUP)
        signs = bits[: places.size].reshape(places.shape).astype(np.float32) * 2 - 1
        return cls(places, signs)

    def gather(self, levels: Levels) -> Soft:
        """The 124 mean correlations of the band's levelled coefficients."""
        return (levels[self.places] * self.signs).mean(axis=1, dtype=np.float64)

    def spread(self, values: Soft) -> Levels:
        """The band's coefficients that add `values` to the 124 correlations."""
        out = np.zeros(len(_ROW), dtype=np.float32)
        out[self.places] = values[:, None] * self.signs
        return out


def _stream(key: bytes, label: str, length: int) -> bytes:
    seed = hmac.digest(key, f"platemark watermark {METHOD} {label}".encode(), "sha256")
    return hashlib.shake_256(seed).digest(length)


def _product(*factors: Levels) -> Levels:
    # NumPy's types forget that single precision stays single.
    return reduce(np.matmul, factors).astype(np.float32, copy=False)


def transform(brightness: Levels) -> Levels:
    """The 151 × 151 lowest coefficients of a 512 × 512 square."""
    return _product(_SQUARE, brightness, _SQUARE.T)


def poses(spectrum: Levels) -> Iterator[Levels]:
    """The coefficients of all eight ways that a picture can lie, turned and mirrored, itself first."""
    odd = np.where(np.arange(_HIGHEST + 1) % 2, np.float32(-1), np.float32(1))
    for lying in (spectrum, spectrum.T):
        for down in (None, odd[:, None]):
            for across in (None, odd[None, :]):
                flipped = lying if down is None else lying * down
                yield flipped if across is None else flipped * across


def levelled(spectrum: Levels) -> Levels:
    """The band's coefficients, each divided by the mean strength of its radius, and clipped to -3 to 3."""
    band = spectrum[_ROW, _COLUMN]
    return np.clip(band / _strength(band), -_CLIP, _CLIP)


def _strength(band: Levels) -> Levels:
    means = np.bincount(_RING, np.abs(band)) / _RING_SIZE + _FLOOR
    return means.astype(np.float32)[_RING]


@dataclass(frozen=True, slots=True)
class Change:
    """What to add to a picture: 151 × 151 coefficients, weighted by 64 × 64 blocks."""

    spectrum: Levels = field(repr=False)
    weights: Levels = field(repr=False)

    def rows(self, width: int, height: int) -> Rows:
        """The change in levels for some rows of the picture at its full size, without the weights."""
        down, across = _cosines(height), _product(self.spectrum, _cosines(width))
        return lambda first, end: _product(down[:, first:end].T, across)


def push(surface: Surface, pattern: Pattern, code: Soft, mean_square: float) -> Change:
    """The change by which `code` (124 of -1 or 1) is read, as strong as a mean squared error in levels allows.

    The push has a least value below which nothing would be read: busy pictures get a greater error than was asked for;
    and a greatest, which plain ones reach before the error: they get less. Where that does not last through half the
    size and JPEG 50, the change follows the picture's own frequencies.
    """
    weights, stretched = texture(surface.brightness)
    seen = stretched if surface.shows is None else stretched * surface.shows
    writing = _Writing(surface, pattern, code, stretched, seen)
    strength = _strength(transform(surface.brightness)[_ROW, _COLUMN])
    shares = _shares(strength, _FAINT)
    amount = writing.allowed(shares, mean_square)
    spectrum = writing.towards(shares, amount, _PASSES)
    if amount == _MOST_PUSH and writing.worn(spectrum) < _SURVIVES:
        shares = _shares(strength, _STURDY)
        spectrum = writing.towards(shares, writing.allowed(shares, mean_square), _PASSES)
    return Change(spectrum, weights)


def _shares(strength: Levels, power: float) -> Levels:
    """What a push of 1 adds to each of the band's coefficients, so that their levelled mean grows by 1."""
    shares = strength**power
    return (shares / np.mean(shares / strength)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class _Writing:
    """One picture, what is written into it, the stretched weights, and what of them is not transparent."""

    surface: Surface
    pattern: Pattern
    code: Soft
    weights: Levels
    seen: Levels

    def towards(self, shares: Levels, amount: float, passes: int) -> Levels:
        """What adds up when the rest is pushed again and again: weights, alpha and clipping take from each push."""
        spectrum, now = np.zeros((_HIGHEST + 1, _HIGHEST + 1), dtype=np.float32), self.surface.brightness
        for _ in range(passes):
            missing = amount * self.code - self.pattern.gather(levelled(transform(now)))
            spectrum[_ROW, _COLUMN] += self.pattern.spread(missing) * shares
            now = self.changed(spectrum)
        return spectrum

    def changed(self, spectrum: Levels) -> Levels:
        """The brightness with the change in it."""
        delta = _product(_SQUARE.T, spectrum, _SQUARE) * self.seen
        return np.clip(self.surface.brightness + delta, 0, 255).astype(np.float32)

    def allowed(self, shares: Levels, mean_square: float) -> float:
        """The push that makes the error, between the least and the greatest."""
        tried = _product(_SQUARE.T, self.towards(shares, _FIRST_PUSH, _FIRST_PASSES), _SQUARE) * self.weights
        # The error grows with push² + 1 ÷ group: the second part is what takes the picture's own correlation away.
        own = 1 / GROUP
        unit = float(np.mean(tried**2)) / (_FIRST_PUSH**2 + own)
        push = np.sqrt(max(0.0, mean_square / max(unit, 1e-9) - own))
        return float(np.clip(push, _LEAST_PUSH, _MOST_PUSH))

    def worn(self, spectrum: Levels) -> float:
        """The cosine between the code and what is read of a copy of half the size as JPEG 50."""
        copy = worn(self.changed(spectrum), *self.surface.picture.size)
        return likeness(self.code, self.pattern.gather(levelled(transform(copy))))
