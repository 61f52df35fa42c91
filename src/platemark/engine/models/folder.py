"""What a model is, read from its own configuration files and headers without loading anything."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from platemark.core.base import JsonObject
from platemark.core.errors import ModelUnavailable
from platemark.core.model import Capabilities
from platemark.engine.models.adapter_files import Adapters, Base, find_adapters
from platemark.engine.models.declaration import Declaration, read_declaration, read_json
from platemark.engine.models.headers import printable
from platemark.engine.models.licence import Licence, find_licence
from platemark.engine.models.parts import check_part, has_weights, part_variant, read_parts
from platemark.engine.models.schedulers import DIFFUSION, FLOW
from platemark.engine.models.single_file import Checkpoint, check_denoiser, configured, left_out
from platemark.engine.models.source import Source
from platemark.engine.models.vetting import vet
from platemark.engine.models.words import read_words

# The model that ships with Platemark; see MODEL_CARD.md in it.
POCKET = Path(__file__).parents[1] / "pocket"

DIFFUSION_SCHEDULERS, FLOW_SCHEDULERS = tuple(DIFFUSION), tuple(FLOW)


@dataclass(frozen=True, slots=True)
class Family:
    """One pipeline class of diffusers: which of its parts denoises, and what the class can take.

    `enlarges`: it sees a picture beside its latents and draws it larger, and does nothing else.
    """

    pipeline: str
    denoiser: str
    steps: int
    cfg_scale: float
    schedulers: tuple[str, ...]
    enlarges: bool = False


FAMILIES = {
    family.pipeline: family
    for family in (
        Family("StableDiffusionPipeline", "unet", 30, 7.0, DIFFUSION_SCHEDULERS),
        Family("StableDiffusionXLPipeline", "unet", 30, 7.0, DIFFUSION_SCHEDULERS),
        Family("StableDiffusion3Pipeline", "transformer", 28, 7.0, FLOW_SCHEDULERS),
        Family("StableDiffusionUpscalePipeline", "unet", 30, 9.0, DIFFUSION_SCHEDULERS, enlarges=True),
    )
}
# What a folder of another task says; the operations are made of the same parts.
_SAME_PARTS = {
    f"{family.removesuffix('Pipeline')}{task}Pipeline": family for family in FAMILIES for task in ("Img2Img", "Inpaint")
}
_ON_PICTURES = frozenset({"inpaint", "outpaint"})
_ALL = _ON_PICTURES | {"text_to_image", "image_to_image", "upscale"}
# An enlarged picture is drawn in tiles, so that it may be larger than any other.
_ENLARGED_SIDES = 4
_PICTURE_CHANNELS = 3
# Bounds of one request, as core.request has them.
_MAX_CONTROLS, _MAX_LORAS = 8, 8


@dataclass(frozen=True, slots=True)
class Folder:
    """A vetted model. `native` is the side it was trained at, `multiple` what its sizes must be divisible by, and
    `grid` what its inner sizes divide evenly by. `words` are all that it knows, when it says so.

    Adapters: LoRA id to file, embedding token (`<name>`) to file, control type to folder, autoencoder name to folder.
    `inpaint`: its UNet takes mask and masked picture as further channels. `single_file`: the checkpoint that holds all
    weights; `path` is then the folder of its configuration files. `problems`: adapters that were left out, and why.
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
    loras: Mapping[str, Path] = field(default_factory=dict[str, Path])
    embeddings: Mapping[str, Path] = field(default_factory=dict[str, Path])
    controlnets: Mapping[str, Path] = field(default_factory=dict[str, Path])
    vaes: Mapping[str, Path] = field(default_factory=dict[str, Path])
    inpaint: bool = False
    single_file: Path | None = None
    licence: Licence = field(default_factory=Licence)
    problems: tuple[str, ...] = ()

    @property
    def default_size(self) -> int:
        """Width and height when a request names none."""
        return self.declared.default_size or self.native


def read_folder(place: Path | Source) -> Folder:
    """Vet and describe a diffusers folder or a checkpoint. Raises ModelUnavailable naming the file and what to do."""
    source = Source.of(place)
    if source.missing:
        raise ModelUnavailable(source.missing)
    checkpoint = configured(source) if source.is_file else None
    path = source.config if checkpoint and source.config else source.path
    vet(path)
    index = read_json(path / "model_index.json")
    family = _family(path, index)
    if checkpoint:
        check_denoiser(checkpoint, path, family.pipeline, family.denoiser)
    parts = read_parts(index)
    absent = frozenset(name for name, part in parts.items() if part == [None, None])
    if checkpoint:
        absent |= left_out(checkpoint, path, parts, absent)
    if "text_encoder" in absent:
        raise ModelUnavailable(
            f"{printable(source.path)} has no first text encoder: it refines the pictures of another model and cannot "
            "draw alone. Name its base model."
        )
    present = {name: part for name, part in parts.items() if name not in absent}
    for name, part in present.items():
        check_part(path, name, part)
    variants: set[str | None] = {
        part_variant(path / name, str(part[1]))
        for name, part in present.items()
        if checkpoint is None or has_weights(path / name)
    }
    try:
        return _describe(source, path, family, checkpoint, absent, "fp16" if "fp16" in variants else None)
    except (KeyError, TypeError, ValueError, LookupError, OSError) as error:
        raise ModelUnavailable(
            f"The configuration files of {printable(path)} do not fit together ({type(error).__name__}: {error}). "
            "Fetch the folder again from where it came from."
        ) from error


def _describe(
    source: Source,
    path: Path,
    family: Family,
    checkpoint: Checkpoint | None,
    absent: frozenset[str],
    variant: str | None,
) -> Folder:
    declared = read_declaration(path)
    denoiser, vae = read_json(path / family.denoiser / "config.json"), read_json(path / "vae" / "config.json")
    factor = _vae_factor(vae)
    step = factor * int(denoiser.get("patch_size", 1))
    grid = math.lcm(8, step << max(0, len(denoiser.get("down_block_types", ())) - 1))
    adapters: Adapters = find_adapters(source, _base(path, family, denoiser, vae))
    return Folder(
        path=path,
        family=family,
        native=_sample_size(denoiser) * factor,
        # What an enlarging model sees is cut into tiles, which all its levels must divide.
        multiple=grid if family.enlarges else math.lcm(8, step),
        grid=grid,
        variant=variant,
        absent=tuple(sorted(absent)),
        declared=declared,
        words=read_words(path / declared.words) if declared.words else None,
        loras=adapters.loras,
        embeddings=adapters.embeddings,
        controlnets=adapters.controlnets,
        vaes=adapters.vaes,
        problems=tuple(adapters.problems),
        inpaint=_is_inpaint(path, family, denoiser, vae),
        single_file=source.path if checkpoint else None,
        licence=_licence(declared, path, checkpoint),
    )


def capabilities(folder: Folder) -> Capabilities:
    """What requests this model can honour, from its class, its configuration files and its declaration."""
    declared, family = folder.declared, folder.family
    enlarges = declared.upscale is not None
    smallest = max(folder.multiple, _round(folder.native / 4, folder.multiple))
    sides = _ENLARGED_SIDES if family.enlarges else 2
    return Capabilities(
        operations=_operations(folder),
        min_size=min(64, folder.native) if enlarges or family.enlarges else smallest,
        max_size=declared.max_size or _round(sides * folder.native, folder.multiple),
        size_multiple=8 if enlarges else folder.multiple,
        native_size=folder.native if enlarges else None,
        default_width=folder.default_size,
        default_height=folder.default_size,
        default_steps=declared.steps or family.steps,
        default_cfg_scale=family.cfg_scale if declared.cfg_scale is None else declared.cfg_scale,
        max_count=declared.max_count,
        schedulers=family.schedulers,
        controls=() if family.enlarges else tuple(sorted(folder.controlnets)),
        max_controls=_MAX_CONTROLS if folder.controlnets and not family.enlarges else 0,
        loras=tuple(sorted(folder.loras)),
        max_loras=_MAX_LORAS if folder.loras else 0,
        embeddings=tuple(sorted(folder.embeddings)),
        vaes=tuple(sorted(folder.vaes)),
        clip_skip=family.denoiser == "unet",
        guidance_rescale=not family.enlarges,
        variation=True,
        mask_edges=not family.enlarges,
        reproducible=True,
        previews=not family.enlarges,
    )


def _operations(folder: Folder) -> frozenset[str]:
    if folder.family.enlarges:
        return frozenset({"upscale"})
    return _ON_PICTURES if folder.inpaint else _ALL


def _round(value: float, multiple: int) -> int:
    return int(value // multiple) * multiple


def _family(path: Path, index: JsonObject) -> Family:
    name = index.get("_class_name")
    if isinstance(name, str) and (known := _SAME_PARTS.get(name, name)) in FAMILIES:
        return FAMILIES[known]
    raise ModelUnavailable(
        f"{path / 'model_index.json'} asks for the pipeline {name!r}, which is not run here. "
        f"Pipelines that are: {', '.join(FAMILIES)}."
    )


def _base(path: Path, family: Family, denoiser: JsonObject, vae: JsonObject) -> Base:
    context: Any = denoiser.get("joint_attention_dim" if family.denoiser == "transformer" else "cross_attention_dim")
    configs = (path / part / "config.json" for part in ("text_encoder", "text_encoder_2", "text_encoder_3"))
    encoders = [read_json(config) for config in configs if config.is_file()]
    widths = [encoder.get("hidden_size") or encoder.get("d_model") for encoder in encoders]
    return Base(
        denoiser=family.denoiser,
        context=context if isinstance(context, int) else None,
        widths=frozenset(width for width in widths if isinstance(width, int)),
        latents=int(vae.get("latent_channels", 4)),
    )


def _licence(declared: Declaration, path: Path, checkpoint: Checkpoint | None) -> Licence:
    """What the operator declared, else what the makers wrote."""
    if declared.licence:
        return Licence(declared.licence, declared.licence_note)
    if checkpoint:
        # The configuration's licence is not that of the weights.
        said = checkpoint.header.metadata.get("modelspec.license", "")
        return Licence(printable(said)[:200] or None, declared.licence_note)
    found = find_licence(path)
    return Licence(found.name, declared.licence_note or found.note)


def _vae_factor(vae: JsonObject) -> int:
    """How many pixels a side one latent cell stands for, as diffusers counts it."""
    blocks = vae.get("block_out_channels") or vae["decoder_block_out_channels"]
    return 2 ** (len(blocks) - 1)


def _is_inpaint(path: Path, family: Family, denoiser: JsonObject, vae: JsonObject) -> bool:
    """Whether mask and masked picture go in beside the latents: 9 channels where 4 are drawn."""
    channels, latents = int(denoiser["in_channels"]), int(vae.get("latent_channels", 4))
    allowed = (latents + _PICTURE_CHANNELS,) if family.enlarges else (latents, 2 * latents + 1)
    if channels in allowed:
        return channels == 2 * latents + 1
    raise ModelUnavailable(
        f"{path} takes {channels} channels where its autoencoder has {latents}: it was trained for a task that is not "
        f"run here. Models with {' or '.join(map(str, allowed))} channels are."
    )


def _sample_size(denoiser: JsonObject) -> int:
    size: Any = denoiser["sample_size"]
    return int(min(cast("list[int]", size)) if isinstance(size, list) else size)
