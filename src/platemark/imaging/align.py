"""Alignment: where exactly a part lies in the whole picture, whether it is the same there, and its way back."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from platemark.imaging.fingerprint import distance, pdq_of
from platemark.imaging.parts import LEAST_QUALITY, Box

Floats = NDArray[np.float32]
# From coarse to fine: the longer side of the part in pixels.
_SIDES = (64, 128, 256, 512)
_ROUNDS = 6
# Wider is of no use for the last side, and the pictures of some providers are huge.
_LARGEST = 1024
# What is compared begins so far from the part's own edges: captions and frames lie there.
_MARGIN = 0.15
# A step is so small that it ends the search, or so large that it is not believed (shares of the whole picture).
_STILL, _WIDEST = 2e-5, 0.02
_COMPARED = 256
# Fewer pixels a side have no slopes to follow.
_SMALLEST = 16


def align(part: Image.Image, whole: Image.Image, guess: Box) -> Box | None:
    """The place of `part` in `whole`, from a guess that is off by at most 2 % an edge; None where it leads nowhere.

    Gauss-Newton over the four edges, brightness and contrast, on ever finer pictures. Width and height scale apart.
    """
    if min(*part.size, *whole.size) < _SMALLEST:
        return None
    large, small = reduced(whole), reduced(part)
    edges = np.array(guess, dtype=np.float64)
    for side in _SIDES:
        seen = _grey(small, side)
        for _ in range(_ROUNDS):
            step = _step(seen, large, edges)
            edges += np.clip(step, -_WIDEST, _WIDEST)
            if not _sane(edges):
                return None
            if np.abs(step).max() < _STILL:
                break
    left, top, right, bottom = np.clip(edges, 0.0, 1.0).tolist()
    return left, top, right, bottom


def mirrored(picture: Image.Image) -> Image.Image:
    """Left and right exchanged."""
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def reduced(picture: Image.Image) -> Image.Image:
    """As much of a picture as is compared: grey levels, at most 1024 pixels a side."""
    return _grey(picture, _LARGEST)


def _sane(edges: NDArray[np.float64]) -> bool:
    left, top, right, bottom = edges
    return bool(np.isfinite(edges).all() and min(left, top) > -0.1 and max(right, bottom) < 1.1) and (
        min(right - left, bottom - top) > 0.5
    )


def _step(seen: Image.Image, large: Image.Image, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """By how much the edges have to move so that the whole shows there what the part does."""
    width, height = seen.size
    shown = _cut(large, tuple(edges.tolist()), seen.size)
    down, along = np.gradient(shown)
    along *= width / np.float32(edges[2] - edges[0])
    down *= height / np.float32(edges[3] - edges[1])
    x = ((np.arange(width, dtype=np.float32) + 0.5) / width)[None, :]
    y = ((np.arange(height, dtype=np.float32) + 0.5) / height)[:, None]
    middle = (slice(int(_MARGIN * height), -int(_MARGIN * height)), slice(int(_MARGIN * width), -int(_MARGIN * width)))
    columns = (along * (1 - x), down * (1 - y), along * x, down * y, shown, np.ones_like(shown))
    table = np.stack([column[middle].ravel() for column in columns], axis=1).astype(np.float64)
    missing = (np.asarray(seen, dtype=np.float32) - shown)[middle].ravel().astype(np.float64)
    # A little is added to the diagonal, so that a picture without detail gives no step rather than an error.
    solved = np.linalg.solve(table.T @ table + 1e-3 * np.eye(6), table.T @ missing)
    return np.asarray(solved[:4] / max(0.2, float(1 + solved[4])), dtype=np.float64)


def likeness(part: Image.Image, whole: Image.Image, box: Box) -> tuple[float, int]:
    """How like the middle of the part is to the whole at its place: correlation, -1 to 1, and PDQ distance, 0 to 256.

    Quality below 50 on either side counts as a distance of 256.
    """
    left, top, right, bottom = box
    inner = (_MARGIN, _MARGIN, 1 - _MARGIN, 1 - _MARGIN)
    width, height = right - left, bottom - top
    there = (left + inner[0] * width, top + inner[1] * height, left + inner[2] * width, top + inner[3] * height)
    size = (_COMPARED, _COMPARED)
    one, other = _cut(reduced(part), inner, size), _cut(reduced(whole), there, size)
    if min(one.std(), other.std()) < 1:
        return 0.0, 256
    correlation = float(np.corrcoef(one.ravel(), other.ravel())[0, 1])
    hashes = [pdq_of(Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))) for levels in (one, other)]
    flat = min(quality for _, quality in hashes) < LEAST_QUALITY
    return correlation, 256 if flat else distance(hashes[0][0], hashes[1][0])


def put_back(part: Image.Image, box: Box, size: tuple[int, int]) -> Image.Image:
    """The part at its place on a canvas of the whole picture's size, RGB; around it lies the part's mean colour."""
    left, top, right, bottom = box
    picture = part.convert("RGB")
    there = max(1, round((right - left) * size[0])), max(1, round((bottom - top) * size[1]))
    if picture.width > 1.5 * there[0] or picture.height > 1.5 * there[1]:
        picture = picture.resize(there, Image.Resampling.BOX)
    ground = picture.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    across = picture.width / (size[0] * (right - left))
    down = picture.height / (size[1] * (bottom - top))
    turned = (across, 0.0, -left * size[0] * across, 0.0, down, -top * size[1] * down)
    return picture.transform(size, Image.Transform.AFFINE, turned, Image.Resampling.BICUBIC, fillcolor=ground)


def _grey(picture: Image.Image, side: int) -> Image.Image:
    """Grey levels, the longer side at most `side` pixels and the shorter one at least 16."""
    grey = picture if picture.mode == "L" else picture.convert("RGB").convert("L")
    if max(grey.size) <= side:
        return grey
    width, height = (max(_SMALLEST, round(length * side / max(grey.size))) for length in grey.size)
    return grey.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)


def _cut(picture: Image.Image, box: tuple[float, ...], size: tuple[int, int]) -> Floats:
    """Grey levels of a box (shares of the picture), scaled to a size in pixels."""
    left, top, right, bottom = (min(1.0, max(0.0, edge)) for edge in box)
    pixels = (left * picture.width, top * picture.height, right * picture.width, bottom * picture.height)
    return np.asarray(picture.resize(size, Image.Resampling.BICUBIC, box=pixels), dtype=np.float32)
