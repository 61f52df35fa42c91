"""What an adapter declares about each of its models, as data, and the checks that need nothing else."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Literal

from platemark.core.errors import FieldError, Unsupported
from platemark.core.model import Capabilities, Model, PriceTag
from platemark.core.money import Cost
from platemark.core.sizes import SIDES
from platemark.core.updates import Order
from platemark.imaging.containers import read_blocks
from platemark.imaging.header import Header, read_header

# How far a size may lie from an aspect ratio that stands for it: 1344 × 768 is the field's 16:9.
_RATIO_TOLERANCE = 0.04


@dataclass(frozen=True, slots=True)
class Price:
    """What one unit costs in USD. `as_of` is the date of the source; `verified` is False for hearsay."""

    usd: str
    per: Literal["image", "megapixel", "step", "megapixel_step"]
    source: str
    as_of: str
    verified: bool = True

    def cost(self, width: int, height: int, steps: int, images: int) -> Cost:
        """The price of `images` pictures, rounded up to whole micro-USD: an estimate until the vendor says a number."""
        megapixels = width * height / 1_000_000
        units = {"image": 1.0, "megapixel": megapixels, "step": steps, "megapixel_step": megapixels * steps}
        # Rounded first, so that arithmetic does not add a micro-dollar.
        micro = math.ceil(round(float(Decimal(self.usd)) * 1_000_000 * units[self.per] * images, 3))
        return Cost(status="estimated", micro_usd=micro, basis=self.basis)

    @property
    def basis(self) -> str:
        """Where the number comes from, in words."""
        doubt = "" if self.verified else ", not verified"
        return f"{self.usd} USD per {self.per.replace('_', ' × ')}, {self.source}, {self.as_of}{doubt}"


@dataclass(frozen=True, slots=True)
class Rate:
    """The vendor's contract: `calls` in `seconds`, and how many at once."""

    calls: int
    seconds: float
    concurrency: int = 4


@dataclass(frozen=True, slots=True)
class SourceLimits:
    """What a source picture may be. Pixels, and bytes as PNG; `max_aspect` is longer side by shorter."""

    min_side: int = 1
    max_side: int = 16_384
    min_pixels: int = 1
    max_pixels: int = 2**31
    max_aspect: float = math.inf
    max_bytes: int = 2**31


@dataclass(frozen=True, slots=True)
class Declared:
    """One model. `route` is the vendor's own name or path; `facts` is for what only its adapter reads.

    `aspect_ratios`: sizes are asked for as one of these, and the vendor chooses the pixels. `sizes`: only these.
    `seeds`: the least and the greatest that the vendor takes for what they are. `cfg`, `steps`, `strength`: least and
    greatest, None where the vendor has no such thing. `mask_white_changes`, `strength_ignores_source`: false where the
    adapter has to turn ours around. `ranged_controls`: controls may start late and end early. `always_preprocesses`:
    the vendor makes its guides from pictures, and takes no ready ones; `preprocesses`: of which kinds it makes them,
    None where it makes all. `lora_id`: what ids of LoRAs look like, as a regular expression;
    `lora_scales`: the least and the greatest scale. `scaled_controls`: false where these always work in full.
    """

    model: str
    route: str
    capabilities: Capabilities
    price: Price | None = None
    licence: str | None = None
    licence_note: str | None = None
    description: str = ""
    aspect_ratios: tuple[str, ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()
    seeds: tuple[int, int] = (0, 2**32 - 1)
    cfg: tuple[float, float] | None = None
    steps: tuple[int, int] | None = None
    strength: tuple[float, float] | None = None
    default_strength: float | None = None
    prompt_used: bool = True
    max_prompt: int = 10_000
    mask_grow: tuple[int, int] | None = None
    max_mask_feather: int = 0
    max_side_added: int = 4_096
    mask_white_changes: bool = True
    strength_ignores_source: bool = True
    max_control_strength: float = 2.0
    ranged_controls: bool = False
    min_controls: int = 0
    always_preprocesses: bool = False
    preprocesses: tuple[str, ...] | None = None
    lora_id: str | None = None
    scaled_controls: bool = True
    lora_scales: tuple[float, float] | None = None
    source: SourceLimits = SourceLimits()
    formats: tuple[str, ...] = ("png",)
    poll_seconds: float = 2.0
    max_wait_seconds: float = 600.0
    result_seconds: float | None = None
    blank_means_blocked: bool = False
    facts: Mapping[str, str] = field(default_factory=dict[str, str])
    # What no source confirms: shown on the provider's page.
    not_verified: tuple[str, ...] = ()

    @property
    def vendor(self) -> str:
        """The provider's name."""
        return self.model.split("/", 1)[0]

    def as_model(self) -> Model:
        """What clients see of it."""
        can = {
            "aspect_ratios": self.aspect_ratios,
            "sizes": tuple(f"{width}x{height}" for width, height in self.sizes),
            "min_seed": self.seeds[0],
            "max_seed": self.seeds[1],
            "min_steps": self.steps[0] if self.steps else 0,
            "min_cfg_scale": self.cfg[0] if self.cfg else 0.0,
        }
        return Model(
            id=self.model,
            provider=self.vendor,
            capabilities=self.capabilities.model_copy(update=can),
            licence=self.licence,
            licence_note=self.licence_note,
            description=self.description,
            price=self.price and PriceTag(**asdict(self.price)),
        )

    def cost(self, order: Order) -> Cost:
        """What an order is expected to cost; unknown, never zero, where no price is declared."""
        if self.price is None:
            return Cost(status="unknown", micro_usd=None, basis=f"no price is known for {self.model}")
        wanted = order.parameters
        return self.price.cost(wanted.width, wanted.height, wanted.steps, wanted.n)


def check(order: Order, model: Declared) -> None:
    """Raise Unsupported with every field that the vendor could not honour, before anything is sent."""
    errors = [*_text(order, model), *_numbers(order, model), *_size(order, model), *_controls(order, model)]
    errors += [*_loras(order, model), *_sources(order, model)]
    if errors:
        raise Unsupported(f"{model.model} cannot honour {len(errors)} field(s) of this request.", errors=errors)


def nearest_ratio(width: int, height: int, ratios: tuple[str, ...]) -> tuple[str, float]:
    """The aspect ratio that is nearest to a size, and by which share it differs."""

    def off(ratio: str) -> float:
        across, down = ratio.split(":")
        return abs(math.log((width / height) / (int(across) / int(down))))

    best = min(ratios, key=off)
    return best, math.expm1(off(best))


def nearest_size(width: int, height: int, can: Capabilities) -> tuple[int, int]:
    """The size that a model can draw which is nearest to this one: sources have any size, models have multiples."""

    def nearest(side: int) -> int:
        whole = round(side / can.size_multiple) * can.size_multiple
        return min(max(whole, can.min_size), can.max_size)

    return nearest(width), nearest(height)


def sides_of(order: Order, model: Declared) -> dict[str, int]:
    """`width` and `height` as they are asked of the model: the nearest to those of the order."""
    size = nearest_size(order.parameters.width, order.parameters.height, model.capabilities)
    return dict(zip(("width", "height"), size, strict=True))


def ratio_of(order: Order, model: Declared) -> str:
    """The aspect ratio of the model that stands for the size of the order."""
    return nearest_ratio(order.parameters.width, order.parameters.height, model.aspect_ratios)[0]


def strength_of(order: Order, model: Declared) -> float:
    """The strength that was asked for, else the model's own."""
    asked = order.parameters.strength
    return (model.default_strength or 0.0) if asked is None else asked


def header_of(data: bytes, media_type: str) -> Header:
    """Size and form by the header alone. Raises InvalidImage."""
    return read_header(read_blocks(data, media_type)[0], media_type)


def _error(name: str, message: str, model: Declared) -> FieldError:
    return FieldError(pointer=f"/{name}", code="unsupported", message=f"{model.model} {message}.")


def _text(order: Order, model: Declared) -> Iterator[FieldError]:
    for name in ("prompt", "negative_prompt"):
        text: str = getattr(order, name) or ""
        if len(text) > model.max_prompt:
            yield _error(name, f"takes at most {model.max_prompt} characters, not {len(text)}", model)


def _numbers(order: Order, model: Declared) -> Iterator[FieldError]:
    wanted = order.parameters
    limits = {
        "cfg_scale": (wanted.cfg_scale, model.cfg),
        "steps": (wanted.steps, model.steps),
        "strength": (wanted.strength, model.strength),
        "mask_grow": (wanted.mask_grow, model.mask_grow),
    }
    for name, (value, limit) in limits.items():
        if value is not None and limit is not None and not limit[0] <= value <= limit[1]:
            yield _error(name, f"takes {name} from {limit[0]:g} to {limit[1]:g}, not {value:g}", model)
    if (wanted.mask_feather or 0) > model.max_mask_feather:
        most = f"by more than {model.max_mask_feather} pixels" if model.max_mask_feather else ""
        yield _error("mask_feather", f"does not feather masks {most}".rstrip(), model)
    if wanted.strength is not None and model.strength is None:
        yield _error("strength", f"takes no strength for {order.operation}", model)
    least, most = model.seeds
    if model.capabilities.seed and not least <= wanted.seed <= wanted.seed + wanted.n - 1 <= most:
        yield _error("seed", f"takes seeds from {least} to {most}; give another", model)


def _size(order: Order, model: Declared) -> Iterator[FieldError]:
    wanted = order.parameters
    size = (wanted.width, wanted.height)
    if model.sizes and order.operation == "text_to_image" and size not in model.sizes:
        known = ", ".join(f"{width} × {height}" for width, height in model.sizes)
        yield _error("width", f"draws {known}, not {size[0]} × {size[1]}", model)
    if model.aspect_ratios and order.operation == "text_to_image":
        best, off = nearest_ratio(*size, model.aspect_ratios)
        if off > _RATIO_TOLERANCE:
            known = ", ".join(model.aspect_ratios)
            yield _error("width", f"draws in the proportions {known}; {best} is next to {size[0]} × {size[1]}", model)
    for side in SIDES:
        if (added := getattr(wanted, side) or 0) > model.max_side_added:
            yield _error(side, f"adds at most {model.max_side_added} pixels a side, not {added}", model)


def _controls(order: Order, model: Declared) -> Iterator[FieldError]:
    if len(order.parameters.controls) < model.min_controls:
        yield _error("controls", f"needs {model.min_controls} control of {_of(model)}", model)
    for index, control in enumerate(order.parameters.controls):
        at = f"controls/{index}"
        if not model.ranged_controls and (control.start, control.end) != (0.0, 1.0):
            yield _error(at, "uses controls from start to end; leave start and end out", model)
        if model.always_preprocesses and not control.preprocess:
            yield _error(f"{at}/preprocess", "makes its guides from pictures; leave preprocess out", model)
        if control.preprocess and model.preprocesses is not None and control.type not in model.preprocesses:
            message = f"makes no guides for {control.type} from pictures; send a ready one with preprocess false"
            yield _error(f"{at}/preprocess", message, model)
        if control.strength > model.max_control_strength:
            yield _error(f"{at}/strength", f"takes at most {model.max_control_strength:g}", model)
        if not model.scaled_controls and control.strength != 1.0:
            yield _error(f"{at}/strength", "follows controls in full; leave strength out", model)


def _loras(order: Order, model: Declared) -> Iterator[FieldError]:
    for index, lora in enumerate(order.parameters.loras):
        if model.lora_id is not None and not re.fullmatch(model.lora_id, lora.id):
            yield _error(f"loras/{index}/id", f"has no LoRA by such an id as {lora.id!r}", model)
        least, most = model.lora_scales or (lora.scale, lora.scale)
        if not least <= lora.scale <= most:
            yield _error(f"loras/{index}/scale", f"takes scales from {least:g} to {most:g}, not {lora.scale:g}", model)


def _of(model: Declared) -> str:
    return ", ".join(model.capabilities.controls)


def _sources(order: Order, model: Declared) -> Iterator[FieldError]:
    named = [("image", order.image), *((f"controls/{i}/image", data) for i, data in enumerate(order.guides))]
    for name, data in named:
        if data is not None and (problem := _source(data, model.source)):
            yield _error(name, problem, model)
    size = sum(len(data) for data in (order.image, order.mask, *order.guides) if data)
    if size > model.source.max_bytes:
        yield _error("image", f"takes {model.source.max_bytes} bytes of sources together, not {size} (as PNG)", model)


def _source(data: bytes, limits: SourceLimits) -> str | None:
    header = header_of(data, "image/png")
    short, long = sorted((header.width, header.height))
    pixels = short * long
    if short < limits.min_side or long > limits.max_side:
        return f"takes sources with sides of {limits.min_side} to {limits.max_side} pixels, not {short} and {long}"
    if not limits.min_pixels <= pixels <= limits.max_pixels:
        return f"takes sources of {limits.min_pixels} to {limits.max_pixels} pixels, not {pixels}"
    if long / short > limits.max_aspect:
        return f"takes sources up to {limits.max_aspect:g} times as long as wide"
    return None
