"""What is trained on top of the finished model: two looks as LoRAs, and a ControlNet that follows edges."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import nn

from platemark.engine.training.captions import caption
from platemark.engine.training.dataset import Dataset, encode
from platemark.engine.training.libraries import Tensor, diffusers, peft, torch
from platemark.engine.training.muon import Muon
from platemark.engine.training.noise import alphas, errors, noised
from platemark.engine.training.render import render
from platemark.engine.training.scene import Rng, Scene, sample
from platemark.engine.training.text import tokens
from platemark.imaging.guides import canny

RANK = 16  # what Muon needs to treat the factors as matrices
_LOOK_RATE = 3e-3
_EDGE_RATE = 1.5e-3
_GUIDE_WIDTHS = (16, 32, 48, 64)  # four levels: guides are eight times as large as latents
_LAYERS = ["to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2", "conv1", "conv2"]
_SEPIA = ((66, 40, 24), (252, 238, 208))


def outline(scene: Scene) -> Image.Image:
    """With a bold dark contour around every part."""
    return render(scene, contour=2.4)


def sepia(scene: Scene) -> Image.Image:
    """Brown ink on cream paper."""
    return ImageOps.colorize(ImageOps.autocontrast(ImageOps.grayscale(render(scene)), cutoff=1), *_SEPIA)


LOOKS: dict[str, Callable[[Scene], Image.Image]] = {"outline": outline, "sepia": sepia}


def look_pictures(vae: Any, name: str, count: int) -> tuple[list[Scene], NDArray[np.uint8], NDArray[np.float16]]:
    """Random scenes in the look `name`: scenes, pictures [n, 128, 128, 3], unscaled latents [n, 4, 16, 16]."""
    rng = np.random.default_rng(len(name))
    scenes = [sample(rng) for _ in range(count)]
    drawn = np.stack([np.asarray(LOOKS[name](scene)) for scene in scenes])
    return scenes, drawn, encode(drawn, vae)


def train_look(
    pipeline: Any,
    name: str,
    out: Path,
    minutes: float,
    *,
    pictures: int = 1200,
    batch: int = 16,
    most_steps: int | None = None,
) -> None:
    """Train the look `name` of LOOKS; writes `out`/NAME.safetensors in float16. Goes on from it if it is there."""
    rng = np.random.default_rng(int(time.time()))
    scenes, _, encoded = look_pictures(pipeline.vae, name, pictures)
    latents = torch.from_numpy(encoded).float() * pipeline.vae.config.scaling_factor
    unet = pipeline.unet.requires_grad_(False).train()
    if (out / f"{name}.safetensors").exists():
        pipeline.load_lora_weights(out, weight_name=f"{name}.safetensors", adapter_name=name)
    else:
        unet.add_adapter(peft.LoraConfig(r=RANK, lora_alpha=RANK, target_modules=_LAYERS), adapter_name=name)
    for key, parameter in unet.named_parameters():
        parameter.requires_grad_("lora_" in key)
    unet.set_attn_processor(diffusers.models.attention_processor.AttnProcessor())
    muon = Muon(unet.named_parameters())
    parameters = [*muon.matrices, *muon.others]

    def step(rate: float) -> float:
        chosen: list[int] = rng.integers(0, pictures, batch).tolist()
        losses = _said(pipeline, latents[chosen], [scenes[index] for index in chosen], rng)
        loss = losses.mean()
        unet.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        muon.step(_LOOK_RATE * rate)
        return float(loss.detach())

    _repeat(f"look {name}", step, minutes, most_steps)
    layers = {
        key: value.half().contiguous()
        for key, value in peft.utils.get_peft_model_state_dict(unet, adapter_name=name).items()
    }
    diffusers.StableDiffusionPipeline.save_lora_weights(out, unet_lora_layers=layers, weight_name=f"{name}.safetensors")
    unet.delete_adapters(name)


def train_canny(
    pipeline: Any, data: Dataset, out: Path, minutes: float, *, batch: int = 16, most_steps: int | None = None
) -> None:
    """Train a ControlNet that follows `canny` lines; writes a folder in float16. Goes on from `out` if it is there."""
    rng = np.random.default_rng(int(time.time()))
    unet = pipeline.unet.requires_grad_(False)
    if out.exists():
        net: Any = diffusers.ControlNetModel.from_pretrained(out, dtype=torch.float32)
    else:
        net = diffusers.ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=_GUIDE_WIDTHS)
        _let_through(net.controlnet_cond_embedding)
    net.requires_grad_(True).train().set_attn_processor(diffusers.models.attention_processor.AttnProcessor())
    net.to(memory_format=torch.channels_last)
    unet.set_attn_processor(diffusers.models.attention_processor.AttnProcessor())
    muon = Muon(net.named_parameters())
    latents = torch.from_numpy(data.latents).float() * pipeline.vae.config.scaling_factor

    def step(rate: float) -> float:
        chosen: list[int] = rng.integers(0, len(latents), batch).tolist()
        guides = torch.stack([guide(Image.fromarray(picture)) for picture in data.pictures(chosen)])
        scenes = [data.scenes[index] for index in chosen]
        loss = _said(pipeline, latents[chosen], scenes, rng, partial(_guided, net, guides)).mean()
        net.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        muon.step(_EDGE_RATE * rate)
        return float(loss.detach())

    _repeat("canny", step, minutes, most_steps)
    net.eval().half().save_pretrained(out)


@torch.no_grad()
def _let_through(embedding: Any) -> None:
    """Start values by which lines arrive as strong as latents are.

    The usual ones let through a ten-thousandth and end in a zero: a short training never finds the lines.
    """
    convolutions: list[Any] = [layer for layer in embedding.modules() if isinstance(layer, nn.Conv2d)]
    for layer in convolutions:
        layer.weight.normal_(0, 2 / layer.weight[0].numel() ** 0.5)
        layer.bias.zero_()


def guide(picture: Image.Image) -> Tensor:
    """The edges of a picture as a ControlNet takes them: float [3, height, width], 0 or 1."""
    return torch.from_numpy(np.asarray(canny(picture)).copy()).permute(2, 0, 1).float() / 255


Extra = Callable[[Tensor, Tensor, Tensor], dict[str, Any]]


def _guided(net: Any, guides: Tensor, noisy: Tensor, levels: Tensor, hidden: Tensor) -> dict[str, Any]:
    down, middle = net(noisy, levels, hidden, guides, return_dict=False)
    return {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}


def _said(pipeline: Any, clean: Tensor, scenes: list[Scene], rng: Rng, extra: Extra | None = None) -> Tensor:
    """The denoiser's error for each picture; one caption in ten is left empty."""
    texts = ["" if rng.random() < 0.1 else caption(scene, rng) for scene in scenes]
    noisy, levels, wanted = noised(clean, alphas())
    with torch.autocast("cpu", torch.bfloat16):
        with torch.no_grad():
            hidden = pipeline.text_encoder(tokens(pipeline.tokenizer, texts)).last_hidden_state
        more = extra(noisy, levels, hidden) if extra else {}
        said = pipeline.unet(noisy, levels, hidden, **more).sample
    return errors(said, wanted)


def _repeat(name: str, step: Callable[[float], float], minutes: float, most_steps: int | None) -> None:
    """Call `step` with a rate that warms up and then falls, 0..1, until the time or the steps are over."""
    begun, count, share, mean = time.monotonic(), 0, 0.0, 0.0
    while share < 1 and count != most_steps:
        share = min(1.0, (time.monotonic() - begun) / (minutes * 60))
        loss = step(min(1.0, (count + 1) / 20) * (1 - 0.95 * share))
        count += 1
        mean = loss if count == 1 else mean * 0.95 + loss * 0.05
        if count % 20 == 0:
            print(f"{name}: step {count}, loss {mean:.4f}", flush=True)
