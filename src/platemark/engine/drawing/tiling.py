"""Upscaling: a source enlarged, then refined tile by tile at the size that the model was trained for."""

from dataclasses import dataclass

import torch
import torch.nn.functional as nn
from PIL import Image
from torch import Tensor

from platemark.core.updates import Order
from platemark.engine.drawing.enlarge import flat_art
from platemark.engine.drawing.operations import image_of, strength_of, tensor_of
from platemark.engine.models.folder import Folder
from platemark.imaging.canvas import cover

# Tiles that are drawn at once have about as many pixels together as this.
_PIXELS = 4 * 512 * 512
_MOST = 4


@dataclass(frozen=True, slots=True)
class Tile:
    """A square of a larger picture; `left` and `top` in its pixels."""

    left: int
    top: int
    side: int

    def of(self, batch: Tensor, factor: int = 1) -> Tensor:
        """This part of (count, channels, height, width), whose cells have `factor` pixels a side."""
        side, top, left = self.side // factor, self.top // factor, self.left // factor
        return batch[:, :, top : top + side, left : left + side]


@dataclass(frozen=True, slots=True)
class Canvas:
    """An enlarged picture (1, 3, height, width), with a margin up to the model's grid, and the tiles that cover it."""

    picture: Tensor
    tiles: tuple[Tile, ...]
    overlap: int

    @property
    def side(self) -> int:
        """Of every tile, in pixels."""
        return self.tiles[0].side

    @property
    def at_once(self) -> int:
        """How many tiles are drawn together."""
        return max(1, min(_MOST, _PIXELS // (self.side * self.side), len(self.tiles)))

    def blend(self, drawn: list[Tensor]) -> Tensor:
        """One picture (3, height, width) of drawn tiles: each fades out over its overlap, so no seam is left."""
        height, width = self.picture.shape[2:]
        total, weights = torch.zeros(1, 3, height, width), torch.zeros(1, 1, height, width)
        for tile, picture in zip(self.tiles, drawn, strict=True):
            down, across = (
                _fade(start, tile.side, length, self.overlap)
                for start, length in ((tile.top, height), (tile.left, width))
            )
            weight = down[:, None] * across
            tile.of(total).add_(weight * picture)
            tile.of(weights).add_(weight)
        return (total / weights)[0]


def enlarged(source: Image.Image, width: int, height: int, folder: Folder) -> Image.Image:
    """The source at the size that was asked for, by the model's own enlarger where it has one."""
    if folder.declared.upscale == "flat_art":
        source = image_of(flat_art(tensor_of(source)[0], max(width, height)))
    return cover(source, width, height)


def refines(order: Order, folder: Folder) -> bool:
    """Whether the model draws over what was enlarged. One with an enlarger of its own is too small to add detail."""
    return folder.declared.upscale is None and strength_of(order, folder) > 0


def canvas_of(base: Image.Image, folder: Folder) -> Canvas:
    """Tiles of the model's native size, a quarter of which they share with their neighbours."""
    multiple = folder.multiple
    side = max(multiple, folder.native // multiple * multiple)
    overlap = side // 4 // multiple * multiple or multiple
    width, height = (max(side, -(-length // multiple) * multiple) for length in base.size)
    margin = (0, width - base.width, 0, height - base.height)
    tiles = tuple(
        Tile(left, top, side)
        for top in _starts(height, side, overlap, multiple)
        for left in _starts(width, side, overlap, multiple)
    )
    return Canvas(nn.pad(tensor_of(base), margin, mode="replicate"), tiles, overlap)


def _starts(length: int, side: int, overlap: int, multiple: int) -> list[int]:
    last = length - side
    count = 1 + -(-last // max(multiple, side - overlap))
    return sorted({round(last * number / max(1, count - 1) / multiple) * multiple for number in range(count)})


def _fade(start: int, side: int, length: int, overlap: int) -> Tensor:
    """1 inside; a straight slope at each end that has a neighbour. Never 0, so that weights can be divided by."""
    place = torch.arange(side, dtype=torch.float32) + 0.5
    fade = torch.ones(side)
    if start > 0:
        fade = torch.minimum(fade, place / overlap)
    if start + side < length:
        fade = torch.minimum(fade, (side - place) / overlap)
    return fade
