"""Models that were trained to enlarge: they see the source beside their latents, and draw it larger tile by tile."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as nn
from PIL import Image
from torch import Tensor

from platemark.core.base import JsonObject
from platemark.core.errors import GenerationCanceled
from platemark.core.updates import Order
from platemark.engine.drawing.latents import generator, start_noise
from platemark.engine.drawing.operations import image_of, tensor_of
from platemark.engine.drawing.tiling import Canvas, Tile, canvas_of
from platemark.engine.models.folder import Folder
from platemark.imaging.canvas import cover

# What these pipelines take when nothing is said of strength; strength 1 is the most noise that they were trained with.
_NOISE = 20

Watch = Callable[[int, int], None]
Words = Callable[[int], JsonObject]


class Enlarger:
    """One picture on its way. `pipeline` is of one call; `words` gives the prompt's embeddings for so many tiles."""

    def __init__(self, pipeline: Any, folder: Folder, order: Order, words: Words) -> None:
        self._pipeline, self._order, self._words = pipeline, order, words
        self._folder, self._factor = folder, int(pipeline.vae_scale_factor)

    def __call__(self, source: Image.Image, index: int, canceled: Callable[[], bool], watch: Watch) -> Tensor:
        """Picture `index` (3, height, width) in 0 to 1 at the size that was asked for; the source has any size.

        `watch` hears of steps, done and to do. Raises GenerationCanceled within a step.
        """
        asked, factor = self._order.parameters, self._factor
        source = _to_enlarge(source, asked.width, asked.height, factor)
        canvas = canvas_of(source.resize((source.width * factor, source.height * factor)), self._folder)
        height, width = (side // factor for side in canvas.picture.shape[2:])
        small = nn.pad(tensor_of(source), (0, width - source.width, 0, height - source.height), mode="replicate")
        noise, _ = start_noise(
            self._order.seeds[index],
            asked.seed,
            asked.variation,
            (1, self._pipeline.vae.config.latent_channels, height, width),
            self._pipeline.unet.dtype,
        )
        runs = [canvas.tiles[first : first + canvas.at_once] for first in range(0, len(canvas.tiles), canvas.at_once)]
        drawn: list[Tensor] = []
        for number, tiles in enumerate(runs):
            done, total = number * asked.steps, len(runs) * asked.steps

            def step(taken: int, _timestep: Any, _latents: Tensor, done: int = done, total: int = total) -> None:
                if canceled():
                    raise GenerationCanceled("Canceled while it was being drawn.")
                watch(min(done + taken + 1, total), total)

            drawn += self._run(small, noise, tiles, index, step)
        return _at_size(canvas, drawn, source, factor, (asked.width, asked.height))

    def _run(
        self, small: Tensor, noise: Tensor, tiles: Sequence[Tile], index: int, step: Callable[..., None]
    ) -> list[Tensor]:
        asked, factor = self._order.parameters, self._factor
        result = self._pipeline(
            image=torch.cat([tile.of(small, factor) for tile in tiles]),
            latents=torch.cat([tile.of(noise, factor) for tile in tiles]),
            noise_level=self._noise_level(),
            num_inference_steps=asked.steps,
            guidance_scale=asked.cfg_scale,
            generator=[generator(self._order.seeds[index]) for _ in tiles],
            output_type="pt",
            callback=step,
            **self._words(len(tiles)),
        )
        return list(result.images.float().cpu())

    def _noise_level(self) -> int:
        strength, most = self._order.parameters.strength, int(self._pipeline.config.max_noise_level)
        return min(_NOISE, most) if strength is None else round(strength * most)


def _to_enlarge(source: Image.Image, width: int, height: int, factor: int) -> Image.Image:
    """The source as it is, unless what is drawn of it would have more than twice the sides that were asked for."""
    least = max(width / source.width, height / source.height)
    if 2 * least >= factor:
        return source
    share = 2 * least / factor
    return cover(source, max(1, round(source.width * share)), max(1, round(source.height * share)))


def _at_size(canvas: Canvas, drawn: list[Tensor], source: Image.Image, factor: int, size: tuple[int, int]) -> Tensor:
    picture = canvas.blend(drawn)[:, : source.height * factor, : source.width * factor]
    return tensor_of(cover(image_of(picture), *size))[0]
