"""What each picture of a batch starts from: its noise, and the latents of the pictures that it is made from."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from platemark.core.updates import Order
from platemark.engine.drawing.latents import encode, shrink_mask, start_noise
from platemark.engine.drawing.operations import Scene, mask_to_drawn, tensor_of, to_drawn
from platemark.engine.drawing.running import Row, denoiser_of
from platemark.engine.drawing.tiling import Canvas


@dataclass(frozen=True, slots=True)
class Base:
    """What the pictures of one order have in common, as in `Row`; encoded once for all of them."""

    source: Tensor | None = None
    mask: Tensor | None = None
    shown: Tensor | None = None
    guides: tuple[Tensor, ...] = ()


def base_of(scene: Scene, pipeline: Any) -> Base:
    """Encode the pictures of a scene at the size that is drawn."""
    guides = tuple(map(tensor_of, scene.guides))
    if scene.source is None:
        width, height = scene.plan.drawn
        return Base(shown=_shown(pipeline, torch.ones(1, 1, height, width)), guides=guides)
    picture = to_drawn(scene.source, scene.plan)
    source = encode(pipeline.vae, picture)
    if scene.mask is None:
        return Base(source, shown=_shown(pipeline, torch.ones_like(picture[:, :1])), guides=guides)
    pixels = mask_to_drawn(scene.mask, scene.plan)
    mask = shrink_mask(pixels, (source.shape[2], source.shape[3]))
    return Base(source, mask, _shown(pipeline, pixels, picture), guides)


def _shown(pipeline: Any, pixels: Tensor, picture: Tensor | None = None) -> Tensor | None:
    """Mask and masked picture for a model that was trained to see them. Without a picture all is masked."""
    vae = pipeline.vae
    if denoiser_of(pipeline).config.in_channels == vae.config.latent_channels:
        return None
    grey = torch.full((1, 3, *pixels.shape[2:]), 0.5)
    masked = encode(vae, grey if picture is None else torch.where(pixels > 0, grey, picture))
    return torch.cat([shrink_mask(pixels, (masked.shape[2], masked.shape[3])).to(masked), masked], 1)


def row_of(order: Order, index: int, scene: Scene, base: Base, pipeline: Any) -> Row:
    """Picture `index` of an order."""
    noise, generator = _noise(order, index, scene.plan.drawn, pipeline)
    return Row(noise, generator, base.source, base.mask, base.shown, base.guides)


def tile_rows(order: Order, index: int, canvas: Canvas, pipeline: Any) -> list[Row]:
    """One for each tile. The noise is of the whole picture, so that neighbours draw the same where they overlap."""
    height, width = canvas.picture.shape[2:]
    noise, generator = _noise(order, index, (width, height), pipeline)
    shown = _shown(pipeline, torch.ones(1, 1, canvas.side, canvas.side))
    return [
        Row(
            tile.of(noise, pipeline.vae_scale_factor),
            generator,
            encode(pipeline.vae, tile.of(canvas.picture)),
            shown=shown,
        )
        for tile in canvas.tiles
    ]


def _noise(order: Order, index: int, size: tuple[int, int], pipeline: Any) -> tuple[Tensor, torch.Generator]:
    factor = pipeline.vae_scale_factor
    shape = (1, pipeline.vae.config.latent_channels, size[1] // factor, size[0] // factor)
    asked = order.parameters
    return start_noise(order.seeds[index], asked.seed, asked.variation, shape, denoiser_of(pipeline).dtype)
