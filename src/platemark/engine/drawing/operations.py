"""What an order means for a model: the size it is drawn at, what it starts from, and who may share a batch."""

import io
import math
from collections.abc import Hashable
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as nn
from PIL import Image
from torch import Tensor

from platemark.core.errors import InvalidRequest
from platemark.core.generation import ControlUse
from platemark.core.sizes import SIDES
from platemark.core.updates import Order
from platemark.engine.drawing.guiding import guide_of
from platemark.engine.drawing.sizes import Plan, near_native, on_grid
from platemark.engine.models.folder import Folder, capabilities
from platemark.imaging.canvas import cover, extend
from platemark.imaging.masks import feather, grow

_STRENGTHS = {"image_to_image": 0.6, "inpaint": 0.9, "outpaint": 0.9, "upscale": 0.3}
# More steps than this are not told apart by any noise schedule.
_FINEST = 100
_MASKED = frozenset({"inpaint", "outpaint"})


@dataclass(frozen=True, slots=True)
class Scene:
    """The pictures of an order at the size that was asked for. `mask` is 255 where the result is drawn, 0 where it is
    the source, and in between where one fades into the other. The source of an upscale has its own size. Guides are
    those that ControlNets see, at the size that is drawn.
    """

    plan: Plan
    source: Image.Image | None = None
    mask: Image.Image | None = None
    guides: tuple[Image.Image, ...] = field(default=())


def plan_of(order: Order, folder: Folder) -> Plan:
    """A model that declares an upscale step is drawn near its native size; any other at the size asked for."""
    width, height = order.parameters.width, order.parameters.height
    if folder.declared.upscale is not None:
        return near_native(width, height, native=folder.native, grid=folder.grid)
    can = capabilities(folder)
    return on_grid(width, height, multiple=folder.multiple, smallest=can.min_size, largest=can.max_size)


def strength_of(order: Order, folder: Folder) -> float:
    """How much of the source is drawn anew: 0 nothing, 1 all. Always 1 without a source."""
    if order.operation == "text_to_image":
        return 1.0
    usual = 1.0 if folder.inpaint and order.operation in _MASKED else _STRENGTHS[order.operation]
    return usual if order.parameters.strength is None else order.parameters.strength


def schedule_of(steps: int, strength: float) -> tuple[int, int]:
    """Steps of the whole way from noise to picture, and how many of them are skipped because of the source.

    One is taken at least; where the strength asks for less than one, of a way with smaller steps.
    """
    taken = int(steps * strength + 1e-9)
    if taken:
        return steps, steps - taken
    whole = min(_FINEST, math.ceil(1 / max(strength, 1e-3)))
    return whole, whole - 1


def rescale_of(order: Order, folder: Folder) -> float:
    """What the request says, or the model."""
    asked = order.parameters.guidance_rescale
    return folder.declared.guidance_rescale if asked is None else asked


def compatibility(order: Order, folder: Folder) -> Hashable | None:
    """Orders of equal keys may share a batch: prompts, seeds and pictures may differ. None: to be drawn alone."""
    asked = order.parameters
    if order.operation == "upscale" or asked.reproducible:
        return None
    strength = strength_of(order, folder)
    return (
        order.model,
        order.operation,
        plan_of(order, folder).drawn,
        asked.steps,
        schedule_of(asked.steps, strength),
        strength in (0, 1) and strength,
        asked.scheduler,
        asked.cfg_scale,
        rescale_of(order, folder),
        asked.clip_skip or 0,
        tuple((lora.id, lora.scale) for lora in asked.loras),
        tuple((control.type, control.strength, control.start, control.end) for control in asked.controls),
        asked.vae,
    )


def scene_of(order: Order, folder: Folder) -> Scene:
    """Decode the pictures of an order and bring them to the size of its result.

    Raises InvalidRequest when one is missing that the operation cannot do without.
    """
    asked, plan = order.parameters, plan_of(order, folder)
    if len(order.guides) != len(asked.controls):
        raise InvalidRequest(f"{len(asked.controls)} controls came with {len(order.guides)} guides. Send one for each.")
    guides = tuple(_guide(use, data, plan) for use, data in zip(asked.controls, order.guides, strict=True))
    if order.operation == "text_to_image":
        return Scene(plan, guides=guides)
    if order.image is None or (order.operation == "inpaint" and order.mask is None):
        missing = "image" if order.image is None else "mask"
        raise InvalidRequest(f"{order.operation} does not work without {missing}. Send a picture as {missing}.")
    source = _open(order.image, "RGB")
    if order.operation == "outpaint":
        return Scene(plan, *extend(source, *(getattr(asked, side) or 0 for side in SIDES)))
    if order.operation == "upscale":
        return Scene(plan, source)
    source = cover(source, *plan.asked)
    if order.operation != "inpaint" or order.mask is None:
        return Scene(plan, source, guides=guides)
    mask = grow(cover(_open(order.mask, "L"), *plan.asked), asked.mask_grow or 0)
    return Scene(plan, source, feather(mask, asked.mask_feather or 0), guides)


def _guide(use: ControlUse, data: bytes, plan: Plan) -> Image.Image:
    drawn = to_drawn(cover(_open(data, "RGB"), *plan.asked), plan)
    return guide_of(use, image_of(drawn[0]))


def _open(data: bytes, mode: str) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert(mode)


def to_drawn(image: Image.Image, plan: Plan) -> Tensor:
    """(1, channels, height, width) in 0 to 1 at the size that is drawn. The margin repeats the picture's edge."""
    batch = _with_margin(tensor_of(image), plan)
    width, height = plan.drawn
    if not plan.scaled:
        return batch
    return nn.interpolate(batch, size=(height, width), mode="bicubic", antialias=True).clamp(0, 1)


def mask_to_drawn(mask: Image.Image, plan: Plan) -> Tensor:
    """1 for every drawn pixel that has a part in the result, else 0: (1, 1, height, width)."""
    batch = (_with_margin(tensor_of(mask), plan) > 0).float()
    width, height = plan.drawn
    return nn.adaptive_max_pool2d(batch, (height, width)) if plan.scaled else batch


def _with_margin(batch: Tensor, plan: Plan) -> Tensor:
    left, top, right, bottom = plan.crop
    margin = (left, plan.covering[0] - right, top, plan.covering[1] - bottom)
    return nn.pad(batch, margin, mode="replicate") if any(margin) else batch


def tensor_of(image: Image.Image) -> Tensor:
    """(1, channels, height, width) in 0 to 1."""
    pixels = np.asarray(image)
    return torch.tensor(pixels.reshape(*pixels.shape[:2], -1)).permute(2, 0, 1)[None].float() / 255


def image_of(picture: Tensor) -> Image.Image:
    """The 8-bit picture of (3, height, width) in 0 to 1."""
    return Image.fromarray((picture.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy())
