"""PDQ, the perceptual hash by which the registry knows a picture again after recompression and scaling."""

from collections.abc import Callable, Sequence

import numpy as np
import pdqhash
from numpy.typing import NDArray
from PIL import Image

from platemark.imaging.decode import open_picture
from platemark.imaging.parts import LEAST_QUALITY, core_of

Pixels = Image.Image
# The package is not typed: 256 zeros and ones, and a quality.
_compute: Callable[[NDArray[np.uint8]], tuple[NDArray[np.int64], int]] = pdqhash.compute  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
_compute_dihedral: Callable[[NDArray[np.uint8]], tuple[Sequence[NDArray[np.int64]], int]] = pdqhash.compute_dihedral  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
# PDQ looks at 64 × 64 averages; hashing the full size costs fifteen times as much for the same bits but a few.
_SIDE = 512
# How much farther a mirrored picture may be from the hash that follows from the other's: 44 bits in all were seen in
# pictures of 256 pixels, and 88 at least between different ones (bench/registry.py).
TURNED_MORE = 13


def pdq(data: bytes, *, max_bytes: int, max_pixels: int) -> tuple[str, int]:
    """64 hexadecimal digits and a quality of 0 to 100. Below 50 the picture is too flat for matches to mean anything.

    Raises as `decode.inspect_bytes`.
    """
    return pdq_of(open_picture(data, max_bytes=max_bytes, max_pixels=max_pixels))


def pdq_of(picture: Image.Image) -> tuple[str, int]:
    """The same of pixels that `open_picture` would give."""
    bits, quality = _compute(_pixels(picture))
    return _digits(bits), quality


def likest(wanted: str, other: str, most: int) -> tuple[int, bool] | None:
    """The distance, at most `most` bits, and whether the other one is turned or mirrored, with `TURNED_MORE` bits."""
    straight = distance(wanted, other)
    if straight <= most:
        return straight, False
    turned = min(distance(way, other) for way in ways(wanted)[1:])
    return (turned, True) if turned <= most + TURNED_MORE else None


def look_of(picture: Image.Image, *, parts: bool) -> tuple[str, int, str | None]:
    """Hash and quality, and the hash of the middle (`parts.core_of`) where `parts` are to be known again."""
    small = _small(picture)
    bits, quality = _compute(np.asarray(small))
    return _digits(bits), quality, core_of(small) if parts and quality >= LEAST_QUALITY else None


def dihedral(picture: Image.Image) -> tuple[tuple[str, ...], int]:
    """The hashes of all eight ways that the picture can lie, turned and mirrored, itself first; and the quality."""
    turned, quality = _compute_dihedral(_pixels(picture))
    return tuple(map(_digits, turned)), quality


def ways(hash: str) -> tuple[str, ...]:
    """The hashes of all eight ways that a picture can lie, itself first, from its hash alone.

    A mirror flips the sign of every other frequency, a turn swaps the axes. Sign and median are not quite the same, and
    PDQ's own grid is not symmetric in small pictures: see `TURNED_MORE`.
    """
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(hash), dtype=np.uint8)).reshape(16, 16)
    # The hash begins with the highest frequency, the sixteenth.
    odd = (np.arange(16) % 2 == 1).astype(np.uint8)
    flips = [across * odd[None, :] ^ down * odd[:, None] for across in (0, 1) for down in (0, 1)]
    turned = [one ^ flip for one in (bits, bits.T) for flip in flips]
    return tuple(np.packbits(one).tobytes().hex() for one in turned)


def _pixels(picture: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(_small(picture))


def _small(picture: Image.Image) -> Image.Image:
    image = picture.convert("RGB")
    if max(image.size) > _SIDE:
        image.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    return image


def _digits(bits: NDArray[np.int64]) -> str:
    return np.packbits(bits.astype(np.uint8)).tobytes().hex()


def distance(one: str, other: str) -> int:
    """Hamming distance of two hashes, 0 to 256; at most 31 is taken for the same picture."""
    return (int(one, 16) ^ int(other, 16)).bit_count()
