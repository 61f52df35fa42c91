"""Draws batches in this process with tiny models of random weights, for tests that look at pixels."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import adapting
import diffusers
import numpy as np
import tiny_models
import torch
from numpy.typing import NDArray
from orders import order
from PIL import Image

from platemark.core.base import JsonObject
from platemark.core.updates import Order, Picture, Preview, Progress
from platemark.engine.drawing.batching import Item
from platemark.engine.drawing.draw import draw_batch
from platemark.engine.memory.loaded import Loaded
from platemark.engine.memory.pipelines import Pipelines
from platemark.engine.models.folder import POCKET

lib: Any = diffusers
random: Any = torch
Pixels = NDArray[np.int16]
Models = Callable[[str], Loaded]
SIZE = 64


def models_in(folder: Path) -> Models:
    """Loads `sd`, `sdxl`, `sd3`, `sd_inpaint`, `sdxl_inpaint` and `pocket`, each once."""

    @cache
    def load(name: str) -> Loaded:
        if name == "pocket":
            return Pipelines({"pocket": POCKET}).get("pocket")
        if name.endswith("_inpaint"):
            return _with_nine_channels(load(name.removesuffix("_inpaint")))
        return adapting.load(folder, name)

    return load


def _with_nine_channels(base: Loaded) -> Loaded:
    random.manual_seed(3)
    pipeline = type(base.parts)(**base.parts.components, **_options(base))
    pipeline.register_modules(unet=tiny_models.like(base.parts.unet, in_channels=9))
    pipeline.set_progress_bar_config(disable=True)
    return Loaded(replace(base.folder, inpaint=True), pipeline, torch.float32)


def _options(base: Loaded) -> JsonObject:
    return {"requires_safety_checker": False} if hasattr(base.parts, "safety_checker") else {}


def asked(operation: Any = "text_to_image", *, seeds: Sequence[int] = (1,), prompt: str = "abc", **more: Any) -> Order:
    """An order of SIZE pixels a side; `image`, `mask` and `guides` as pictures."""
    pictures: dict[str, Any] = {name: png(more.pop(name)) for name in ("image", "mask") if name in more}
    pictures["guides"] = tuple(png(guide) for guide in more.pop("guides", ()))
    chosen: dict[str, Any] = {"width": SIZE, "height": SIZE, "model": "local/tiny"} | more
    return replace(order(prompt, seeds=tuple(seeds), **chosen), operation=operation, **pictures)


@dataclass
class Told:
    """What was told of a batch, by job and index."""

    pictures: dict[tuple[int, int], Picture] = field(default_factory=dict[tuple[int, int], Picture])
    progress: dict[tuple[int, int], list[Progress]] = field(default_factory=dict[tuple[int, int], list[Progress]])
    previews: dict[tuple[int, int], list[Preview]] = field(default_factory=dict[tuple[int, int], list[Preview]])
    facts: JsonObject = field(default_factory=dict[str, Any])

    def pixels(self, job: int = 0, index: int = 0) -> Pixels:
        return pixels(self.pictures[job, index].data)


def paint(loaded: Loaded, *orders: Order, canceled: Callable[[Item, Told], bool] = lambda _item, _told: False) -> Told:
    """Draw all pictures of the orders in one batch; jobs are numbered as the orders come."""
    told = Told()

    def tell(item: Item, update: Progress | Preview | Picture) -> None:
        key = item.job, item.index
        match update:
            case Picture():
                told.pictures[key] = update
            case Progress():
                told.progress.setdefault(key, []).append(update)
            case Preview():
                told.previews.setdefault(key, []).append(update)

    items = [Item(job, one, index) for job, one in enumerate(orders) for index in range(len(one.seeds))]
    told.facts = draw_batch(loaded, items, tell, lambda item: canceled(item, told))
    return told


def pixels(data: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(np.int16)


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def photo(width: int = SIZE, height: int = SIZE, seed: int = 0) -> Image.Image:
    """Soft coloured blobs with some grain."""
    chance = np.random.default_rng(seed)
    small = Image.fromarray(chance.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    grain = chance.integers(0, 12, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(np.asarray(small.resize((width, height), Image.Resampling.BICUBIC)) // 8 * 7 + grain)


def rectangle(width: int = SIZE, height: int = SIZE, box: tuple[int, int, int, int] = (16, 16, 48, 48)) -> Image.Image:
    """A mask: 255 inside of the box."""
    mask = Image.new("L", (width, height), 0)
    mask.paste(255, box)
    return mask


def with_controls(loaded: Loaded, folder: Path) -> Loaded:
    """The model with two ControlNets, `canny` and `colour`, of random weights, zero convolutions too."""
    places = {name: folder / loaded.folder.family.pipeline / name for name in ("canny", "colour")}
    for number, place in enumerate(places.values()):
        if not place.exists():
            random.manual_seed(number)
            net = _control_net(loaded)
            for weight in net.parameters():
                weight.data += 0.15 * torch.randn_like(weight)
            net.save_pretrained(place)
    return Loaded(replace(loaded.folder, controlnets=places), loaded.parts, torch.float32)


def _control_net(loaded: Loaded) -> Any:
    if loaded.folder.family.denoiser == "unet":
        unet = tiny_models.like(loaded.parts.unet, in_channels=4)
        return lib.ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(8, 16, 16, 16))
    return lib.SD3ControlNetModel.from_transformer(
        loaded.parts.transformer, num_layers=1, num_extra_conditioning_channels=0
    )
