"""ControlNet guides that need no model: each takes an RGB picture and gives an RGB guide of the same size."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter, ImageStat

from platemark.core.errors import InvalidRequest

Plane = NDArray[np.int16]
Squares = NDArray[np.int32]
Lines = NDArray[np.bool_]

# Smoothed levels keep four bits behind the point.
_FINE = 16
# A line is drawn on a copy of this many pixels on the longer side, so that strokes are as thick on every size.
_SCRIBBLE_SIDE = 256
# Local contrast is measured against a Gaussian of this share of the longer side, at least one pixel.
_LINE_REACH = 1 / 512
# Levels of contrast below which nothing is a line: grain, and the waves that JPEG leaves.
_GRAIN = 8.0
# Pixels of a side that become one colour, as colour guides were trained.
_COLOUR_CELL = 64
# Guides that come as JPEG are never quite flat. A speck is not a line: 0.02 % is 52 pixels of a 512 × 512 picture.
_CONTENT_LEVELS = 16
_CONTENT_SHARE = 0.0002


def canny(image: Image.Image, low: float = 60, high: float = 120) -> Image.Image:
    """White lines on black where any channel steps: one pixel wide, two where a slanted line changes its row.

    `low` and `high` are lengths of the 3 × 3 Sobel gradient of 8-bit levels after a Gaussian of one pixel, 0 to 1,442:
    a line starts at `high` and goes on down to `low`. The defaults find what OpenCV, which does not smooth, finds at
    100 and 200: a step of about 50 levels starts a line. Raises InvalidRequest when `low` is negative or above `high`.
    """
    if not 0 <= low <= high:
        raise InvalidRequest(f"The edge thresholds are {low} and {high}. Send 0 or more, the lower one first.")
    thin = _thin(*_gradient(image))
    # At 0 every flat pixel would be a line.
    weak = thin >= max((low * _FINE) ** 2, 1)
    return _white_on_black(_reached(weak, thin >= (high * _FINE) ** 2))


def _gradient(image: Image.Image) -> tuple[Squares, Squares, Squares]:
    """Squared length, and its horizontal and vertical part, of the channel that changes most; in sixteenths."""
    channels = [_sobel(_smooth(np.asarray(channel))) for channel in image.convert("RGB").split()]
    strength, across, down = channels[0]
    for other_strength, other_across, other_down in channels[1:]:
        stronger = other_strength > strength
        np.copyto(strength, other_strength, where=stronger)
        np.copyto(across, other_across, where=stronger)
        np.copyto(down, other_down, where=stronger)
    return strength, across, down


def _smooth(channel: NDArray[np.uint8]) -> Plane:
    """Binomial of five pixels, near a Gaussian of one; one pixel of margin on each side for what follows."""
    levels = np.pad(channel, 3, "edge").astype(np.uint16)
    levels = levels[:-4] + levels[4:] + 4 * (levels[1:-3] + levels[3:-1]) + 6 * levels[2:-2]
    levels = levels[:, :-4] + levels[:, 4:] + 4 * (levels[:, 1:-3] + levels[:, 3:-1]) + 6 * levels[:, 2:-2]
    return (levels >> 4).astype(np.int16)


def _sobel(levels: Plane) -> tuple[Squares, Squares, Squares]:
    across = levels[:, 2:] - levels[:, :-2]
    down = levels[2:] - levels[:-2]
    x = (across[:-2] + 2 * across[1:-1] + across[2:]).astype(np.int32)
    y = (down[:, :-2] + 2 * down[:, 1:-1] + down[:, 2:]).astype(np.int32)
    return x * x + y * y, x, y


def _thin(strength: Squares, x: Squares, y: Squares) -> Squares:
    """Zero but on the ridges: where no neighbour along the gradient is stronger. Of two equal ones the first stays."""
    height, width = strength.shape
    padded = np.pad(strength, 1)

    def shifted(down: int, right: int) -> Squares:
        return padded[1 + down : 1 + down + height, 1 + right : 1 + right + width]

    def along(way: int) -> Squares:
        diagonal = np.where((x > 0) == (y > 0), shifted(way, way), shifted(-way, way))
        straight = np.where(steep, shifted(way, 0), shifted(0, way))
        return np.where(steep | flat, straight, diagonal)

    # 2/5 is close to the tangent of 22.5 degrees.
    steep, flat = 5 * np.abs(x) < 2 * np.abs(y), 5 * np.abs(y) < 2 * np.abs(x)
    ridge = (strength > along(-1)) & (strength >= along(1))
    return np.where(ridge, strength, 0)


def _reached(weak: Lines, strong: Lines) -> Lines:
    """The weak pixels that hang together with a strong one, corners included."""
    root = _components(weak)
    kept = np.zeros(len(root), dtype=np.bool_)
    kept[root[strong[weak]]] = True
    lines = np.zeros_like(weak)
    lines[weak] = kept[root]
    return lines


def _components(pixels: Lines) -> NDArray[np.int64]:
    """For each set pixel in reading order the lowest number of those that it hangs together with.

    Every round hooks groups to their lowest neighbours, so a few rounds do; a walk from pixel to pixel would take as
    many steps as the longest line.
    """
    one, other = _neighbours(pixels)
    root = np.arange(np.count_nonzero(pixels))
    while len(one):
        np.minimum.at(root, root[one], root[other])
        np.minimum.at(root, root[other], root[one])
        while not np.array_equal(further := root[root], root):
            root = further
        open_pairs = root[one] != root[other]
        one, other = one[open_pairs], other[open_pairs]
    return root


def _neighbours(pixels: Lines) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of touching pixels, by their number in reading order."""
    numbers = np.full((pixels.shape[0] + 1, pixels.shape[1] + 2), -1)
    numbers[:-1, 1:-1][pixels] = np.arange(np.count_nonzero(pixels))
    here = numbers[:-1, 1:-1]
    nexts = (numbers[:-1, 2:], numbers[1:, :-2], numbers[1:, 1:-1], numbers[1:, 2:])
    touching = [(here >= 0) & (near >= 0) for near in nexts]
    return (
        np.concatenate([here[pairs] for pairs in touching]),
        np.concatenate([near[pairs] for near, pairs in zip(nexts, touching, strict=True)]),
    )


def _white_on_black(lines: Lines) -> Image.Image:
    return Image.fromarray(lines.astype(np.uint8) * np.uint8(255)).convert("RGB")


def scribble(image: Image.Image) -> Image.Image:
    """Thick soft white strokes on black along the main outlines, about a hundredth of the longer side wide."""
    scale = min(1.0, _SCRIBBLE_SIDE / max(image.size))
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    strokes = canny(image.convert("RGB").resize(size, Image.Resampling.BOX)).getchannel(0)
    strokes = strokes.filter(ImageFilter.MaxFilter(3)).filter(ImageFilter.GaussianBlur(0.7))
    strokes = strokes.resize(image.size, Image.Resampling.BICUBIC)
    # The blur took a part of the middle of each stroke: bring it back to white.
    return strokes.point([min(255, max(0, round((level - 24) * 1.4))) for level in range(256)]).convert("RGB")


def line_art(image: Image.Image) -> Image.Image:
    """Fine white lines on black where the picture is darker than what surrounds it; drawn outlines become one line.

    Contrast counts against that of its neighbourhood, so faint lines show in calm parts and texture does not fill up.
    """
    image = image.convert("RGB")
    reach = max(1.0, max(image.size) * _LINE_REACH)
    near, wide = (image.filter(ImageFilter.GaussianBlur(reach * times)) for times in (0.5, 1.5))
    red, green, blue = ImageChops.subtract(wide, near).split()
    darker = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    usual = np.asarray(darker.filter(ImageFilter.BoxBlur(reach * 12)), dtype=np.float32)
    contrast = np.asarray(darker, dtype=np.float32) / (_GRAIN + 1.5 * usual)
    level = np.clip(contrast - 0.6, 0, 1)
    return Image.fromarray(np.round(level * 255).astype(np.uint8)).convert("RGB")


def colour_map(image: Image.Image) -> Image.Image:
    """Flat blocks of the mean colour, as near to 64 pixels a side as fills the picture evenly."""
    cells = [max(1, round(side / _COLOUR_CELL)) for side in image.size]
    small = image.convert("RGB").resize((cells[0], cells[1]), Image.Resampling.BOX)
    return small.resize(image.size, Image.Resampling.NEAREST)


PREPROCESSORS: Mapping[str, Callable[[Image.Image], Image.Image]] = MappingProxyType(
    {"canny": canny, "scribble": scribble, "lineart": line_art, "colour": colour_map}
)


def has_content(image: Image.Image) -> bool:
    """False for a guide that shows nothing: of one colour, or with no more than specks on it.

    A pixel is content when a channel is more than 16 levels from that channel's median; a guide needs 0.02 % of such
    pixels, and at least four. For any guide: lines, poses, depth, colours.
    """
    image = image.convert("RGB")
    median = np.array(ImageStat.Stat(image).median, dtype=np.int16)
    away = (np.abs(np.asarray(image, dtype=np.int16) - median) > _CONTENT_LEVELS).any(axis=2)
    return int(np.count_nonzero(away)) >= max(4, round(_CONTENT_SHARE * away.size))
