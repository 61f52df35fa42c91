"""PDQ, the perceptual hash by which the registry knows a picture again after recompression and scaling."""

from collections.abc import Callable, Sequence

import numpy as np
import pdqhash
from numpy.typing import NDArray
from PIL import Image

from platemark.imaging.decode import open_picture

Pixels = Image.Image
# The package is not typed: 256 zeros and ones, and a quality.
_compute: Callable[[NDArray[np.uint8]], tuple[NDArray[np.int64], int]] = pdqhash.compute  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
_compute_dihedral: Callable[[NDArray[np.uint8]], tuple[Sequence[NDArray[np.int64]], int]] = pdqhash.compute_dihedral  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
# PDQ looks at 64 × 64 averages; hashing the full size costs fifteen times as much for the same bits but a few.
_SIDE = 512


def pdq(data: bytes, *, max_bytes: int, max_pixels: int) -> tuple[str, int]:
    """64 hexadecimal digits and a quality of 0 to 100. Below 50 the picture is too flat for matches to mean anything.

    Raises as `decode.inspect_bytes`.
    """
    return pdq_of(open_picture(data, max_bytes=max_bytes, max_pixels=max_pixels))


def pdq_of(picture: Image.Image) -> tuple[str, int]:
    """The same of pixels that `open_picture` would give."""
    bits, quality = _compute(_pixels(picture))
    return _digits(bits), quality


def dihedral(picture: Image.Image) -> tuple[tuple[str, ...], int]:
    """The hashes of all eight ways that the picture can lie, turned and mirrored, itself first; and the quality."""
    turned, quality = _compute_dihedral(_pixels(picture))
    return tuple(map(_digits, turned)), quality


def _pixels(picture: Image.Image) -> NDArray[np.uint8]:
    image = picture.convert("RGB")
    if max(image.size) > _SIDE:
        image.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    return np.asarray(image)


def _digits(bits: NDArray[np.int64]) -> str:
    return np.packbits(bits.astype(np.uint8)).tobytes().hex()


def distance(one: str, other: str) -> int:
    """Hamming distance of two hashes, 0 to 256; at most 31 is taken for the same picture."""
    return (int(one, 16) ^ int(other, 16)).bit_count()


def nearest(hash: str, candidates: Sequence[str]) -> NDArray[np.int64]:
    """Hamming distance from `hash` to each candidate, in their order."""
    table = np.frombuffer(bytes.fromhex("".join(candidates)), dtype=np.uint64).reshape(-1, 4)
    wanted = np.frombuffer(bytes.fromhex(hash), dtype=np.uint64)
    return np.bitwise_count(table ^ wanted).sum(axis=1, dtype=np.int64)
