"""Writes a diffusers folder as one checkpoint in the layout that training programs and sharing sites use."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch

Weights = dict[str, Any]
store: Any = safetensors.torch
_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_VAE_NAMES = {
    "conv_shortcut": "nin_shortcut",
    "conv_norm_out": "norm_out",
    "mid_block.attentions.0.group_norm": "mid.attn_1.norm",
    "mid_block.attentions.0.to_q": "mid.attn_1.q",
    "mid_block.attentions.0.to_k": "mid.attn_1.k",
    "mid_block.attentions.0.to_v": "mid.attn_1.v",
    "mid_block.attentions.0.to_out.0": "mid.attn_1.proj_out",
    "mid_block.resnets.0": "mid.block_1",
    "mid_block.resnets.1": "mid.block_2",
}
_WHOLE = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}


def write_checkpoint(
    folder: Path, path: Path, metadata: Mapping[str, str] | None = None, *, encoder: bool = True
) -> Path:
    """One file for `folder` (SD 1, or XL without encoders; with a stock VAE). Returns `path`."""
    unet = _load(folder / "unet")
    levels = 1 + max(int(found[1]) for name in unet if (found := re.match(r"down_blocks\.(\d+)", name)))
    layers = 1 + max(int(found[1]) for name in unet if (found := re.match(r"down_blocks\.\d+\.resnets\.(\d+)", name)))
    weights: Weights = {f"model.diffusion_model.{_unet(name, levels, layers)}": one for name, one in unet.items()}
    for name, one in _load(folder / "vae").items():
        weights[f"first_stage_model.{_vae(name)}"] = _as_convolution(name, one)
    for name, one in _load(folder / "text_encoder").items() if encoder else ():
        weights[f"cond_stage_model.transformer.text_model.{name.removeprefix('text_model.')}"] = one
    store.save_file({name: one.contiguous() for name, one in weights.items()}, path, dict(metadata or {}))
    return path


def _load(folder: Path) -> Weights:
    return {name: one for file in folder.glob("*.safetensors") for name, one in store.load_file(file).items()}


def _unet(name: str, levels: int, layers: int) -> str:
    for new, old in _WHOLE.items():
        if name.startswith(f"{new}."):
            return name.replace(new, old, 1)
    side, rest = name.split("_", 1) if name.startswith(("down", "up", "mid")) else ("", name)
    if side == "mid":
        kind, number, inner = _split(rest.removeprefix("block."))
        place = f"middle_block.{2 * number if kind == 'resnets' else 1}"
    else:
        level, rest = rest.removeprefix("blocks.").split(".", 1)
        kind, number, inner = _split(rest)
        place = _place(side, int(level), kind, number, layers)
        if kind == "upsamplers":
            last = int(level) * (layers + 1) + layers
            crossed = any(part == "attentions" for part in _kinds(int(level), levels))
            place = f"output_blocks.{last}.{2 if crossed else 1}"
    return f"{place}.{_inner(kind, inner)}"


def _kinds(level: int, levels: int) -> Iterable[str]:
    """The tiny models have attention in all levels of the upward side but the last."""
    return ("attentions",) if level < levels - 1 else ()


def _split(rest: str) -> tuple[str, int, str]:
    kind, number, inner = rest.split(".", 2)
    return kind, int(number), inner


def _place(side: str, level: int, kind: str, number: int, layers: int) -> str:
    second = {"resnets": 0, "attentions": 1}.get(kind, 0)
    if side == "down":
        number = layers if kind == "downsamplers" else number
        return f"input_blocks.{1 + level * (layers + 1) + number}.{second}"
    return f"output_blocks.{level * (layers + 1) + number}.{second}"


def _inner(kind: str, inner: str) -> str:
    if kind == "downsamplers":
        return inner.replace("conv", "op", 1)
    if kind != "resnets":
        return inner
    first, rest = inner.split(".", 1)
    return f"{_RESNET[first]}.{rest}"


def _vae(name: str) -> str:
    levels = 4
    for new, old in _VAE_NAMES.items():
        name = name.replace(new, old)
    name = re.sub(r"down_blocks\.(\d)\.resnets\.", r"down.\1.block.", name)
    name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
    name = re.sub(r"up_blocks\.(\d)\.resnets\.", lambda found: f"up.{levels - 1 - int(found[1])}.block.", name)
    return re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda found: f"up.{levels - 1 - int(found[1])}.upsample", name)


def _as_convolution(name: str, weight: Any) -> Any:
    attention = re.search(r"attentions\.0\.to_\w+(\.0)?\.weight$", name)
    return weight[:, :, None, None] if attention else weight
