"""Models and what they can do. Capabilities are checked before any money is spent (promise P3)."""

from typing import Literal

from platemark.core.base import Part

Operation = Literal["text_to_image", "image_to_image", "inpaint", "outpaint", "upscale"]
OutputFormat = Literal["png", "jpeg", "webp"]


class Capabilities(Part):
    """What one model can honour. Sizes in pixels; `native_size` is what it is drawn at when larger is asked for.

    `controls`, `loras`, `embeddings` (words that a prompt may use) and `vaes` are names; `mask_edges` says that masks
    can be grown and feathered.
    """

    operations: frozenset[str]
    min_size: int
    max_size: int
    size_multiple: int = 8
    native_size: int | None = None
    default_width: int
    default_height: int
    max_steps: int = 150
    default_steps: int = 30
    max_cfg_scale: float = 30.0
    default_cfg_scale: float = 7.0
    max_count: int = 4
    negative_prompt: bool = True
    seed: bool = True
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


class Model(Part):
    """A model as clients name it, `provider/model`."""

    id: str
    provider: str
    capabilities: Capabilities
    revision: str | None = None
    licence: str | None = None
    licence_note: str | None = None
    description: str = ""


class Resolution(Part):
    """What a requested name came to: the model that will run, and how it was reached."""

    requested: str | None
    model: Model
