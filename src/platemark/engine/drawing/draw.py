"""Draws a batch of pictures with a loaded model, from orders to finished PNG files: one path for all operations."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from platemark.core.base import JsonObject
from platemark.core.errors import GenerationCanceled, InvalidRequest, Unsupported
from platemark.core.updates import Order, Picture, Preview, Progress
from platemark.engine.conditioning.adapters import controlnets_of, vae_of, with_adapters
from platemark.engine.conditioning.prompts import encode, not_read
from platemark.engine.drawing.batching import Item
from platemark.engine.drawing.finishing import faults, finished, warnings_of
from platemark.engine.drawing.operations import rescale_of, scene_of, schedule_of, strength_of, tensor_of
from platemark.engine.drawing.rows import base_of, row_of, tile_rows
from platemark.engine.drawing.running import Run, Settings, denoiser_of, pipeline_for
from platemark.engine.drawing.tiling import canvas_of, enlarged, refines
from platemark.engine.drawing.upscaler import Enlarger
from platemark.engine.drawing.watching import Tell, Watcher
from platemark.engine.memory.loaded import Loaded
from platemark.engine.memory.shelf import drop_extras

Canceled = Callable[[Item], bool]


def draw_batch(loaded: Loaded, items: Sequence[Item], tell: Tell, canceled: Canceled) -> JsonObject:
    """Draw all pictures of `items`, whose orders have one key of `compatibility`; return the facts of the run.

    A canceled picture leaves within a step, and the others stay as they are. Raises GenerationCanceled when none is
    left, Unsupported for a LoRA or clip_skip that does not fit the model; lack of memory is the caller's to handle.
    """
    began = time.monotonic()
    batch = Batch(loaded, items, tell, canceled)
    pictures = batch.draw()
    drawn = time.monotonic()
    batch.finish(pictures)
    return batch.facts() | {
        "drawing_ms": round((drawn - began) * 1000),
        "finishing_ms": round((time.monotonic() - drawn) * 1000),
    }


class Batch:
    """Pictures of one key on their way. They are known by their places in `items`."""

    def __init__(self, loaded: Loaded, items: Sequence[Item], tell: Tell, canceled: Canceled) -> None:
        self._loaded, self._items, self._tell, self._canceled = loaded, items, tell, canceled
        self._order, self._folder = items[0].order, loaded.folder
        if self._folder.family.enlarges and self._order.operation != "upscale":
            raise Unsupported(f"{self._order.model} only enlarges pictures. Ask for upscale, or name another model.")
        orders = {id(item.order): item.order for item in items}
        self._scenes = {key: scene_of(order, self._folder) for key, order in orders.items()}
        self._warnings = {key: warnings_of(order, self._scenes[key], self._folder) for key, order in orders.items()}
        self._pipeline: Any = None

    def draw(self) -> dict[int, Tensor]:
        """Pictures (3, height, width) in 0 to 1 by place, without those that were canceled."""
        places = self._left(range(len(self._items)))
        if not places:
            raise GenerationCanceled("Canceled before it was started.")
        if not self._needs_model():
            return {place: tensor_of(self._unchanged(self._items[place].order))[0] for place in places}
        pictures = self._adapted(places, self._tell)
        broken = self._left(place for place, picture in pictures.items() if faults(picture))
        if broken and self._pipeline.vae.dtype != torch.float32:
            pictures |= self._again(broken)
        return pictures

    def finish(self, pictures: dict[int, Tensor]) -> None:
        """Tell each picture, unless nobody asks for it any more. Raises GenerationCanceled when that are all."""
        told = False
        for place, picture in pictures.items():
            item = self._items[place]
            if self._canceled(item):
                continue
            key = id(item.order)
            warnings = self._warnings[key]
            self._tell(item, finished(item.order, item.index, picture, self._scenes[key], self._folder, warnings))
            told = True
        if not told:
            raise GenerationCanceled("Canceled while it was being drawn.")

    def facts(self) -> JsonObject:
        """What the record of an attempt keeps."""
        parts, drawn = self._loaded.parts, self._scenes[id(self._order)].plan.drawn
        return {
            "pipeline": type(self._pipeline or parts).__name__,
            "scheduler": self._order.parameters.scheduler or type(parts.scheduler).__name__,
            "drawn_at": f"{drawn[0]}x{drawn[1]}",
            "batch": len(self._items),
        }

    def _left(self, places: Iterable[int]) -> list[int]:
        return [place for place in places if not self._canceled(self._items[place])]

    def _needs_model(self) -> bool:
        """False when what comes out is the source."""
        if self._order.operation == "upscale":
            return self._folder.family.enlarges or refines(self._order, self._folder)
        return strength_of(self._order, self._folder) > 0

    def _unchanged(self, order: Order) -> Image.Image:
        """The source at the size of the result."""
        source, asked = self._scenes[id(order)].source, order.parameters
        if source is None:
            raise InvalidRequest(f"{order.operation} does not work without image. Send a picture as image.")
        return enlarged(source, asked.width, asked.height, self._folder) if order.operation == "upscale" else source

    def _adapted(self, places: Sequence[int], tell: Tell) -> dict[int, Tensor]:
        """Draw with the LoRAs, ControlNets and autoencoder that are asked for."""
        loaded, asked = self._loaded, self._order.parameters
        with with_adapters(loaded, asked.loras) as adapted:
            for warnings in self._warnings.values():
                warnings += [warning for warning in adapted.warnings if warning not in warnings]
            controlnet = controlnets_of(loaded, [use.type for use in asked.controls]) if asked.controls else None
            vae = vae_of(loaded, asked.vae) if asked.vae else None
            self._pipeline = pipeline_for(loaded, asked.scheduler, controlnet, vae)
            return self._tiled(places, tell) if self._order.operation == "upscale" else self._together(places, tell)

    def _again(self, places: Sequence[int]) -> dict[int, Tensor]:
        """In float32, where what overflowed may fit. Nobody is told of its steps: they were told once."""
        # Prompts and adapters at hand are of the other number format, and may be what is broken.
        drop_extras(self._loaded)
        with self._loaded.in_float32(), suppress(GenerationCanceled):
            try:
                return self._adapted(places, _tell_nobody)
            finally:
                drop_extras(self._loaded)
        return {}

    def _together(self, places: Sequence[int], tell: Tell) -> dict[int, Tensor]:
        """All pictures in one run."""
        items = [self._items[place] for place in places]
        keys = dict.fromkeys(id(item.order) for item in items)
        bases = {key: base_of(self._scenes[key], self._pipeline) for key in keys}
        rows = [
            row_of(item.order, item.index, self._scenes[key], bases[key], self._pipeline)
            for item in items
            for key in [id(item.order)]
        ]
        run = Run(self._pipeline, rows, self._settings(items, self._scenes[id(self._order)].plan.drawn))
        drawn = run(lambda row: self._canceled(items[row]), Watcher(self._loaded, items, tell))
        return {places[row]: picture for row, picture in drawn.items()}

    def _tiled(self, places: Sequence[int], tell: Tell) -> dict[int, Tensor]:
        """One picture after the other, each in as many runs as its tiles need."""
        pictures: dict[int, Tensor] = {}
        for place in places:
            with suppress(GenerationCanceled):
                pictures[place] = self._tiled_one(self._items[place], tell)
        return pictures

    def _tiled_one(self, item: Item, tell: Tell) -> Tensor:
        if self._folder.family.enlarges:
            return self._enlarged(item, tell)
        canvas = canvas_of(self._unchanged(item.order), self._folder)
        rows = tile_rows(item.order, item.index, canvas, self._pipeline)
        runs = [rows[first : first + canvas.at_once] for first in range(0, len(rows), canvas.at_once)]
        watch = Watcher(self._loaded, [item] * canvas.at_once, tell, parts=len(runs))
        drawn: list[Tensor] = []
        for part in runs:
            run = Run(self._pipeline, part, self._settings([item] * len(part), (canvas.side, canvas.side)))
            drawn += run(lambda _: self._canceled(item), watch).values()
            watch.next_part()
        return canvas.blend(drawn)[:, : item.order.parameters.height, : item.order.parameters.width]

    def _enlarged(self, item: Item, tell: Tell) -> Tensor:
        source = self._scenes[id(item.order)].source
        if source is None:
            raise InvalidRequest(f"{item.order.operation} does not work without image. Send a picture as image.")
        enlarge = Enlarger(self._pipeline, self._folder, item.order, lambda count: self._read([item] * count))
        return enlarge(
            source,
            item.index,
            lambda: self._canceled(item),
            lambda done, total: tell(item, Progress(done=done, total=total, index=item.index)),
        )

    def _settings(self, items: Sequence[Item], size: tuple[int, int]) -> Settings:
        asked, strength = self._order.parameters, strength_of(self._order, self._folder)
        steps, skipped = schedule_of(asked.steps, strength)
        return Settings(
            width=size[0],
            height=size[1],
            steps=steps,
            skipped=skipped,
            from_noise=strength == 1,
            cfg_scale=asked.cfg_scale,
            rescale=rescale_of(self._order, self._folder),
            controls=asked.controls,
            words=self._read(items),
        )

    def _read(self, items: Sequence[Item]) -> JsonObject:
        """The prompts as a pipeline takes them; what of them is not read is said."""
        asked, denoiser = self._order.parameters, denoiser_of(self._pipeline)
        guided = asked.cfg_scale > 1 and not denoiser.config.get("time_cond_proj_dim")
        negatives = [item.order.negative_prompt for item in items] if guided else None
        found = encode(self._loaded, [item.order.prompt for item in items], negatives, asked.clip_skip)
        for field, readings in (("prompt", found.readings), ("negative_prompt", found.negative_readings)):
            for item, reading in zip(items, readings, strict=False):
                warning, known = not_read(item.order.model, field, reading), self._warnings[id(item.order)]
                if warning and warning not in known:
                    known.append(warning)
        return found.options()


def _tell_nobody(_item: Item, _update: Progress | Preview | Picture) -> None:
    pass
