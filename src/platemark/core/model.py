"""Models and what they can do. Capabilities are checked before any money is spent (promise P3)."""

from typing import Literal

from platemark.core.base import Part

Operation = Literal["text_to_image", "image_to_image", "inpaint", "outpaint", "upscale"]
OutputFormat = Literal["png", "jpeg", "webp"]


class Capabilities(Part):
    """What one model can honour. Sizes in pixels; `native_size` is what it is drawn at when larger is asked for.

    `controls`, `loras`, `embeddings` (words that a prompt may use) and `vaes` are names; `mask_edges` says that masks
    can be grown and feathered. `aspect_ratios`: sizes stand for one of these, and the provider chooses the pixels;
    `sizes`: it draws only these, as `1024x768`. `min_seed` and `max_seed` are what it takes for what they are.
    """

    operations: frozenset[str]
    min_size: int
    max_size: int
    size_multiple: int = 8
    native_size: int | None = None
    default_width: int
    default_height: int
    aspect_ratios: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    min_steps: int = 0
    max_steps: int = 150
    default_steps: int = 30
    min_cfg_scale: float = 0.0
    max_cfg_scale: float = 30.0
    default_cfg_scale: float = 7.0
    max_count: int = 4
    negative_prompt: bool = True
    seed: bool = True
    min_seed: int = 0
    max_seed: int = 2**32 - 1
    schedulers: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    max_controls: int = 0
    loras: tuple[str, ...] = ()
    # True where the provider takes LoRAs that are not listed, by ids of its own.
    any_lora: bool = False
    max_loras: int = 0
    embeddings: tuple[str, ...] = ()
    vaes: tuple[str, ...] = ()
    clip_skip: bool = False
    guidance_rescale: bool = False
    variation: bool = False
    mask_edges: bool = False
    reproducible: bool = False
    previews: bool = False


class PriceTag(Part):
    """What one unit costs in USD, from which source and date. `verified` is False where no source confirms it."""

    usd: str
    per: Literal["image", "megapixel", "step", "megapixel_step"]
    source: str
    as_of: str
    verified: bool = True


class Model(Part):
    """A model as clients name it, `provider/model`. Without a price its cost is unknown, never zero."""

    id: str
    provider: str
    capabilities: Capabilities
    revision: str | None = None
    licence: str | None = None
    licence_note: str | None = None
    description: str = ""
    price: PriceTag | None = None
