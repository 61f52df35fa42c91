"""Enlarging drawn pictures. `flat_art` keeps the edges of flat illustrations crisp at any factor.

Pictures are float tensors (3, height, width) in 0 to 1 on the CPU.
"""

import torch
import torch.nn.functional as nn
from torch import Tensor

from platemark.engine.drawing.sizes import Plan
from platemark.engine.models.declaration import Upscale

# A step in colour of this size (of 1) per pixel counts as an edge in full.
_EDGE = 0.08
_PULL_PIXELS = 5.0
_PULLS = 2


def fit(picture: Tensor, plan: Plan, upscale: Upscale) -> Tensor:
    """Bring a picture of `plan.drawn` to `plan.asked`."""
    if upscale == "flat_art":
        picture = flat_art(picture, max(plan.covering))
    width, height = plan.covering
    if tuple(picture.shape[1:]) != (height, width):
        picture = _resize(picture[None], (height, width))[0]
    left, top, right, bottom = plan.crop
    return picture[:, top:bottom, left:right]


def flat_art(picture: Tensor, longest: int) -> Tensor:
    """Double until the longest side reaches `longest`, and after each doubling pull edges together again.

    Doubling alone spreads an edge over twice the pixels. Sampling every pixel near an edge from farther away on its own
    side (the idea of warp sharpening) makes the edge narrow again without the halo of an unsharp mask.
    """
    if max(picture.shape[1:]) >= longest:
        return picture
    batch = _smooth(picture[None])
    while max(batch.shape[2:]) < longest:
        batch = _resize(batch, (2 * batch.shape[2], 2 * batch.shape[3]))
        for _ in range(_PULLS):
            batch = _pull_edges(batch)
    # Half a pixel of softness, or diagonal edges would show steps.
    return torch.lerp(batch, _blur(batch), 0.5)[0]


def _resize(batch: Tensor, size: tuple[int, int]) -> Tensor:
    return nn.interpolate(batch, size=size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)


def _smooth(batch: Tensor, radius: int = 2, near: float = 1.5, alike: float = 0.08) -> Tensor:
    """Bilateral filter: takes the mottling out of flat areas and leaves edges."""
    height, width = batch.shape[2:]
    padded = nn.pad(batch, (radius,) * 4, mode="replicate")
    total, weights = torch.zeros_like(batch), torch.zeros_like(batch[:, :1])
    for down in range(2 * radius + 1):
        for right in range(2 * radius + 1):
            other = padded[..., down : down + height, right : right + width]
            far = ((right - radius) ** 2 + (down - radius) ** 2) / (2 * near * near)
            weight = torch.exp(-far - ((other - batch) ** 2).sum(1, keepdim=True) / (2 * alike * alike))
            total, weights = total + weight * other, weights + weight
    return total / weights


def _pull_edges(batch: Tensor) -> Tensor:
    across, down = _slopes(_blur(batch))
    edges = ((across**2 + down**2).sum(1, keepdim=True).sqrt() / _EDGE).clamp(0, 1)
    across, down = _slopes(_blur(_blur(_blur(edges))))
    height, width = batch.shape[2:]
    x = torch.arange(width) - _PULL_PIXELS * across[0, 0]
    y = torch.arange(height)[:, None] - _PULL_PIXELS * down[0, 0]
    where = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], -1)[None]
    return nn.grid_sample(batch, where, mode="bicubic", padding_mode="border", align_corners=False).clamp(0, 1)


def _slopes(batch: Tensor) -> tuple[Tensor, Tensor]:
    """Central differences across and down."""
    padded = nn.pad(batch, (1, 1, 1, 1), mode="replicate")
    across = padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]
    down = padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]
    return across / 2, down / 2


def _blur(batch: Tensor) -> Tensor:
    """The mean of 3 by 3 pixels; three times in a row is close to a Gaussian of 1.4 pixels."""
    padded = nn.pad(batch, (1, 1, 1, 1), mode="replicate")
    rows = padded[..., :-2, :] + padded[..., 1:-1, :] + padded[..., 2:, :]
    return (rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]) / 9
