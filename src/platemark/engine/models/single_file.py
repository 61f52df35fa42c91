"""Checkpoints in one file: what the header shows, and the configuration files that are needed to load one."""

import gzip
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platemark.core.errors import ModelUnavailable
from platemark.engine.models.declaration import read_json
from platemark.engine.models.headers import Header, printable, read_header
from platemark.engine.models.layouts import layout, vocabulary
from platemark.engine.models.parts import has_weights
from platemark.engine.models.source import Source

# The entry of weights.toml with CLIP's vocabulary, which every such checkpoint needs and none holds.
VOCABULARY = "clip_vocabulary"
_UNET = "model.diffusion_model.input_blocks.0.0.weight"
_JOINT = ("model.diffusion_model.joint_blocks.0.", "joint_blocks.0.")
_CONTEXT = re.compile(r"model\.diffusion_model\..*\.attn2\.to_k\.weight$")
# Sizes and pooled text go in here: a thing of XL.
_POOLED = "model.diffusion_model.label_emb.0.0.weight"
_KINDS = {768: "sd1", 1024: "sd2", 2048: "sdxl"}
_PIPELINES = {
    "sd1": "StableDiffusionPipeline",
    "sd2": "StableDiffusionPipeline",
    "sdxl": "StableDiffusionXLPipeline",
    "sd3": "StableDiffusion3Pipeline",
}
# What the names of a part's tensors start with, by the part's name in a diffusers folder.
_PARTS = {
    "vae": ("first_stage_model.", "vae."),
    "text_encoder": ("cond_stage_model.", "conditioner.embedders.0.", "text_encoders.clip_l."),
    "text_encoder_2": ("conditioner.embedders.1.", "text_encoders.clip_g."),
    "text_encoder_3": ("text_encoders.t5xxl.",),
}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One file. `kind` is sd1, sd2, sdxl or sd3; `known` says that its size is that of the published models.

    `channels` and `context`: of the denoiser; `parts`: what lies in the file besides it.
    """

    header: Header
    kind: str
    known: bool
    channels: int
    context: int
    parts: frozenset[str]

    @property
    def pipeline(self) -> str:
        """The pipeline class that draws with it."""
        return _PIPELINES[self.kind]


def inspect(path: Path) -> Checkpoint:
    """Tell what a checkpoint is from its header. Raises ModelUnavailable when it is none."""
    if not path.is_file():
        raise ModelUnavailable(
            f"The checkpoint {printable(path)} does not exist. Put it there, or correct its path in the setting "
            "`models`."
        )
    header = read_header(path)
    parts = frozenset(
        part for part, starts in _PARTS.items() if any(name.startswith(starts) for name in header.tensors)
    )
    first = header.tensors.get(_UNET)
    if first is None or len(first.shape) != 4:
        return _transformer(header, parts)
    context = next((tensor.shape[-1] for name, tensor in header.tensors.items() if _CONTEXT.search(name)), 0)
    kind = _KINDS.get(context) or ("sdxl" if _POOLED in header.tensors else "sd1")
    known = context in _KINDS and first.shape[0] == 320
    return Checkpoint(header, kind, known, first.shape[1], context, parts)


def part_of(name: str) -> str:
    """The part of a diffusers folder that a tensor of a checkpoint belongs to."""
    if name.startswith(("model.diffusion_model.", "joint_blocks.")):
        return "denoiser"
    return next((part for part, starts in _PARTS.items() if name.startswith(starts)), "other")


def _transformer(header: Header, parts: frozenset[str]) -> Checkpoint:
    if not any(name.startswith(_JOINT) for name in header.tensors):
        raise ModelUnavailable(
            f"{printable(header.path)} is no Stable Diffusion checkpoint; it looks like {_guess(header)}."
        )
    shapes = {name.removeprefix("model.diffusion_model."): tensor.shape for name, tensor in header.tensors.items()}
    first, context = shapes.get("x_embedder.proj.weight", ()), shapes.get("context_embedder.weight", ())
    if len(first) != 4 or len(context) != 2 or "y_embedder.mlp.0.weight" not in shapes or "pos_embed" not in shapes:
        raise ModelUnavailable(f"{printable(header.path)} lacks parts of its transformer. Fetch it again.")
    known = first[0] % 64 == 0 and first[1] == 16 and len(shapes["pos_embed"]) == 3
    return Checkpoint(header, "sd3", known, first[1], context[1], parts)


def _guess(header: Header) -> str:
    names = " ".join(list(header.tensors)[:2000])
    for sign, guess in (
        ("lora", "a LoRA: name it under `loras` of a model"),
        ("emb_params", "an embedding: name it under `embeddings` of a model"),
        ("clip_g", "an embedding: name it under `embeddings` of a model"),
        ("control", "a ControlNet: name its diffusers folder under `controlnets` of a model"),
        ("down_blocks.", "one part of a diffusers folder: name the whole folder"),
        ("double_blocks.", "another kind of model that is not run here"),
    ):
        if sign in names:
            return guess
    return "something else"


def configured(source: Source) -> Checkpoint:
    """The checkpoint of a source that has its configuration. Raises ModelUnavailable where it has none."""
    found = inspect(source.path)
    if source.config is None:
        raise ModelUnavailable(
            f"{printable(source.path)} holds weights without their configuration, and its sizes are not those of a "
            "published model. Name a folder with the configuration files of its base (model_index.json and the "
            "folders that it names, weights not needed) as `config` of this model."
        )
    return found


def left_out(
    checkpoint: Checkpoint, path: Path, parts: Mapping[str, list[Any]], absent: frozenset[str]
) -> frozenset[str]:
    """Parts that are nowhere: only the large third encoder may be. Raises ModelUnavailable for the others.

    The library takes the two small encoders from one place, and the autoencoder from the checkpoint alone.
    """
    small = {"text_encoder", "text_encoder_2"}
    wanted = {name for name in parts if name == "vae" or name.startswith("text_encoder")} - absent
    inside = checkpoint.parts | ({"vae", *small} if checkpoint.parts & small else {"vae"})
    lacking = {name for name in wanted - checkpoint.parts if name in inside or not has_weights(path / name)}
    if needed := sorted(lacking - {"text_encoder_3"}):
        raise ModelUnavailable(
            f"{printable(checkpoint.header.path)} lacks {', '.join(needed)}. Take the edition of this checkpoint that "
            f"includes them, or name a folder as `config` that holds their weights too."
        )
    return frozenset({"text_encoder_3", "tokenizer_3"} if lacking else ())


def check_denoiser(checkpoint: Checkpoint, path: Path, pipeline: str, part: str) -> None:
    """Raise ModelUnavailable when the configuration in `path` is for another base."""
    denoiser = read_json(path / part / "config.json")
    context = denoiser.get("joint_attention_dim" if part == "transformer" else "cross_attention_dim")
    asked = (pipeline, denoiser.get("in_channels"), context)
    if asked != (checkpoint.pipeline, checkpoint.channels, checkpoint.context):
        raise ModelUnavailable(
            f"{printable(checkpoint.header.path)} is a {checkpoint.pipeline} with {checkpoint.channels} channels that "
            f"reads text {checkpoint.context} numbers wide; its configuration in {printable(path)} is for "
            f"{asked[0]}, {asked[1]} and {asked[2]}. Name the configuration of its own base."
        )


def default_config(found: Checkpoint, merges: Path, cache: Path) -> Path:
    """A folder of configuration files for a checkpoint of a published size, made in `cache` once.

    `merges` is CLIP's published list. Raises ModelUnavailable when it or the cache cannot be used.
    """
    files = {
        name: json.dumps(value, indent=1)
        for name, value in layout(found.kind, found.header, inpaint=found.channels == 9).items()
    }
    digest = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:16]
    folder = cache / "configs" / f"{found.kind}-{digest}"
    if not folder.is_dir():
        try:
            words = vocabulary(gzip.decompress(merges.read_bytes()).decode().splitlines())
            _write(folder, files, words)
        except (OSError, EOFError, ValueError) as error:
            raise ModelUnavailable(f"Configuration files cannot be written into {folder}: {error}") from error
    return folder


def _write(folder: Path, files: dict[str, str], words: Mapping[str, str]) -> None:
    """All or nothing: another process may look at the same moment."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as draft:
        inner = Path(draft, "model")
        for name, text in files.items():
            (inner / name).parent.mkdir(parents=True, exist_ok=True)
            (inner / name).write_text(text, encoding="utf-8")
            if name.startswith("tokenizer"):
                for vocabulary_file, content in words.items():
                    (inner / name).with_name(vocabulary_file).write_text(content, encoding="utf-8")
        try:
            inner.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
            shutil.rmtree(inner)
