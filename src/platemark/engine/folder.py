"""What a diffusers folder is, read from its own configuration files without loading anything."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import ValidationError

from platemark.core.base import JsonObject, Part
from platemark.core.errors import ModelUnavailable
from platemark.core.model import Capabilities
from platemark.engine.vetting import vet
from platemark.engine.words import read_words

# The model that ships with Platemark; see MODEL_CARD.md in it.
POCKET = Path(__file__).parent / "pocket"
DECLARATION = "platemark.json"
Upscale = Literal["flat_art", "lanczos"]

# Scheduler names of the field; the engine maps them to classes (schedulers.py).
DIFFUSION_SCHEDULERS = (
    "ddim",
    "ddpm",
    "deis",
    "dpmpp_2m",
    "dpmpp_2m_karras",
    "euler",
    "euler_a",
    "heun",
    "lcm",
    "pndm",
    "unipc",
)
FLOW_SCHEDULERS = ("euler", "heun")


@dataclass(frozen=True, slots=True)
class Family:
    """One pipeline class of diffusers: which of its parts denoises, and what the class can take."""

    pipeline: str
    denoiser: str
    steps: int
    cfg_scale: float
    schedulers: tuple[str, ...]
    guidance_rescale: bool = True


FAMILIES = {
    family.pipeline: family
    for family in (
        Family("StableDiffusionPipeline", "unet", 30, 7.0, DIFFUSION_SCHEDULERS),
        Family("StableDiffusionXLPipeline", "unet", 30, 7.0, DIFFUSION_SCHEDULERS),
        Family("StableDiffusion3Pipeline", "transformer", 28, 7.0, FLOW_SCHEDULERS, guidance_rescale=False),
    )
}
# Parts that the engine leaves out: what a picture may show is decided outside of the pipeline.
LEFT_OUT = frozenset({"feature_extractor", "image_encoder", "requires_safety_checker", "safety_checker"})
_LIBRARIES = frozenset({"diffusers", "transformers"})
_CONFIGS = ("config.json", "scheduler_config.json", "tokenizer_config.json")


class Declaration(Part):
    """`platemark.json` in a model folder: what its configuration files do not say. Sizes in pixels."""

    description: str = ""
    licence: str | None = None
    licence_note: str | None = None
    steps: int | None = None
    cfg_scale: float | None = None
    guidance_rescale: float = 0.0
    default_size: int | None = None
    max_size: int | None = None
    max_count: int = 4
    upscale: Upscale | None = None
    words: str | None = None


@dataclass(frozen=True, slots=True)
class Folder:
    """A vetted model. `native` is the side it was trained at, `multiple` what its sizes must be divisible by, and
    `grid` what its inner sizes divide evenly by. `words` are all that it knows, when it says so.
    """

    path: Path
    family: Family
    native: int
    multiple: int
    grid: int
    variant: str | None
    absent: tuple[str, ...]
    declared: Declaration
    words: frozenset[str] | None

    @property
    def default_size(self) -> int:
        """Width and height when a request names none."""
        return self.declared.default_size or self.native


def read_folder(path: Path) -> Folder:
    """Vet and describe a diffusers folder. Raises ModelUnavailable naming the file and what to do."""
    vet(path)
    index = _json(path / "model_index.json")
    family = _family(path, index)
    parts = {
        name: cast("list[Any]", part) for name, part in index.items() if isinstance(part, list) and name not in LEFT_OUT
    }
    absent = tuple(sorted(name for name, part in parts.items() if part == [None, None]))
    variants = {_part_variant(path, name, part) for name, part in parts.items() if name not in absent}
    declared = _declaration(path)
    denoiser, vae = _json(path / family.denoiser / "config.json"), _json(path / "vae" / "config.json")
    try:
        factor = _vae_factor(vae)
        step = factor * int(denoiser.get("patch_size", 1))
        return Folder(
            path=path,
            family=family,
            native=_sample_size(denoiser) * factor,
            multiple=math.lcm(8, step),
            grid=math.lcm(8, step << max(0, len(denoiser.get("down_block_types", ())) - 1)),
            variant="fp16" if "fp16" in variants else None,
            absent=absent,
            declared=declared,
            words=read_words(path / declared.words) if declared.words else None,
        )
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise ModelUnavailable(
            f"The configuration files of {path} do not fit together ({type(error).__name__}: {error}). "
            "Fetch the folder again from where it came from."
        ) from error


def capabilities(folder: Folder) -> Capabilities:
    """What requests this model can honour, from its class, its configuration files and its declaration."""
    declared, family = folder.declared, folder.family
    enlarges = declared.upscale is not None
    smallest = max(folder.multiple, _round(folder.native / 4, folder.multiple))
    return Capabilities(
        operations=frozenset({"text_to_image"}),
        min_size=min(64, folder.native) if enlarges else smallest,
        max_size=declared.max_size or _round(2 * folder.native, folder.multiple),
        size_multiple=8 if enlarges else folder.multiple,
        native_size=folder.native if enlarges else None,
        default_width=folder.default_size,
        default_height=folder.default_size,
        default_steps=declared.steps or family.steps,
        default_cfg_scale=family.cfg_scale if declared.cfg_scale is None else declared.cfg_scale,
        max_count=declared.max_count,
        schedulers=family.schedulers,
        previews=True,
    )


def _round(value: float, multiple: int) -> int:
    return int(value // multiple) * multiple


def _json(path: Path) -> JsonObject:
    try:
        value: Any = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ModelUnavailable(
            f"{path} is missing, so this is not a complete diffusers folder. Fetch the whole folder, or correct its "
            "path in the setting `models`."
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelUnavailable(f"{path} cannot be read as JSON ({type(error).__name__}). Fetch it again.") from error
    if not isinstance(value, dict):
        raise ModelUnavailable(f"{path} is not a JSON object. Fetch it again.")
    return cast("JsonObject", value)


def _family(path: Path, index: JsonObject) -> Family:
    name = index.get("_class_name")
    if isinstance(name, str) and name in FAMILIES:
        return FAMILIES[name]
    raise ModelUnavailable(
        f"{path / 'model_index.json'} asks for the pipeline {name!r}, which is not run here. "
        f"Pipelines that are: {', '.join(FAMILIES)}."
    )


def _part_variant(path: Path, name: str, part: list[Any]) -> str | None:
    """Check one component; say whether its weights exist only as their fp16 variant."""
    if len(part) != 2 or part[0] not in _LIBRARIES:
        raise ModelUnavailable(
            f"{path / 'model_index.json'} takes {name!r} from {part[:1]}; only diffusers and transformers are used."
        )
    place = path / name
    if not any((place / config).is_file() for config in _CONFIGS):
        raise ModelUnavailable(f"{place} has no configuration file. Fetch the whole folder again.")
    if not (place / "config.json").is_file():
        return None
    weights = sorted(file.name for file in place.glob("*.safetensors"))
    if not weights:
        raise ModelUnavailable(f"{place} holds no .safetensors file. Fetch the safetensors edition of this model.")
    return "fp16" if all(".fp16." in weight or ".fp16-" in weight for weight in weights) else None


def _declaration(path: Path) -> Declaration:
    if not (path / DECLARATION).is_file():
        return Declaration()
    try:
        return Declaration.model_validate(_json(path / DECLARATION))
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, problem["loc"])) for problem in error.errors()}))
        raise ModelUnavailable(f"{path / DECLARATION} has unknown or wrong fields: {fields}. Correct them.") from error


def _vae_factor(vae: JsonObject) -> int:
    """How many pixels a side one latent cell stands for, as diffusers counts it."""
    blocks = vae.get("block_out_channels") or vae["decoder_block_out_channels"]
    return 2 ** (len(blocks) - 1)


def _sample_size(denoiser: JsonObject) -> int:
    size: Any = denoiser["sample_size"]
    return int(min(cast("list[int]", size)) if isinstance(size, list) else size)
