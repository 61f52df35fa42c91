"""The decoder learns crisper edges. The encoder stays as it is: the denoiser was trained on its latents."""

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from platemark.engine.training.dataset import Dataset, as_tensor
from platemark.engine.training.libraries import Tensor, diffusers, torch
from platemark.engine.training.muon import Muon

Pictures = tuple[NDArray[np.uint8], NDArray[np.float16]]  # with their unscaled latents

_NOISE = 0.06  # of the latents' 0.69; the denoiser is not exact either


def refine(
    start: Path,
    data: Dataset,
    looks: Pictures,
    out: Path,
    minutes: float,
    *,
    batch: int = 6,
    most_steps: int | None = None,
) -> float:
    """Train the decoder of the autoencoder in `start`; writes the whole autoencoder to `out`.

    Goes on from `out` if it is there. Returns the mean PSNR in dB on the last 64 pictures, with the averaged weights.
    """
    torch.manual_seed(0)
    rng = np.random.default_rng(int(time.time()))
    model: Any = diffusers.AutoencoderTiny.from_pretrained(out if out.exists() else start, dtype=torch.float32)
    model.requires_grad_(False)
    decoder = model.decoder.requires_grad_(True).to(memory_format=torch.channels_last)
    parameters = list(decoder.parameters())
    means = [parameter.detach().clone() for parameter in parameters]
    muon = Muon(decoder.named_parameters())
    unseen = min(64, len(data.scenes) // 10)
    print(f"decoder: {psnr(model, data, unseen):.2f} dB at the start", flush=True)
    begun, step, share = time.monotonic(), 0, 0.0
    while share < 1 and step != most_steps:
        share = min(1.0, (time.monotonic() - begun) / (minutes * 60))
        loss = _loss(model, *_batch(data, looks, rng, len(data.scenes) - unseen, batch))
        decoder.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        muon.step(6e-4 * min(1.0, (step + 1) / 30) * (1 - 0.97 * share))
        step += 1
        torch._foreach_lerp_(means, [p.detach() for p in parameters], 1 - min(0.99, step / (step + 10)))
        if step % 50 == 0:
            print(f"decoder: step {step}, loss {float(loss.detach()):.4f}", flush=True)
    for parameter, mean in zip(parameters, means, strict=True):
        parameter.data.copy_(mean)
    model.save_pretrained(out)
    reached = psnr(model, data, unseen)
    print(f"decoder: {reached:.2f} dB after {step} steps", flush=True)
    return reached


def _batch(data: Dataset, looks: Pictures, rng: np.random.Generator, seen: int, batch: int) -> tuple[Tensor, Tensor]:
    """Pictures and latents, one in six in another look, so that the adapters are drawn well too."""
    few = batch // 6
    chosen, other = rng.integers(0, seen, batch - few), rng.integers(0, len(looks[0]), few)
    pictures = np.concatenate([data.pictures(chosen), looks[0][other]])
    latents = np.concatenate([data.latents[chosen], looks[1][other]])
    return as_tensor(pictures), torch.from_numpy(latents).float()


def _loss(model: Any, wanted: Tensor, latents: Tensor) -> Tensor:
    latents = latents + torch.randn_like(latents) * _NOISE
    with torch.autocast("cpu", torch.bfloat16):
        drawn = model.decode(latents).sample
    error = drawn.float() - wanted
    weight = 1 + 4 * _edges(wanted)
    slopes = (error[..., 1:] - error[..., :-1]).abs().mean() + (error[..., 1:, :] - error[..., :-1, :]).abs().mean()
    return (weight * error.abs()).mean() / weight.mean() + 2 * error.pow(2).mean() + 0.7 * slopes


def _edges(pictures: Tensor) -> Tensor:
    """Where colours step, 0..1, one pixel wide on both sides; float [n, 1, height, width]."""
    grey = pictures.mean(1, keepdim=True)
    steps = torch.zeros_like(grey)
    across, down = (grey[..., 1:] - grey[..., :-1]).abs(), (grey[..., 1:, :] - grey[..., :-1, :]).abs()
    steps[..., 1:] += across
    steps[..., :-1] += across
    steps[..., 1:, :] += down
    steps[..., :-1, :] += down
    return (steps * 2).clamp(0, 1)


@torch.no_grad()
def psnr(model: Any, data: Dataset, count: int) -> float:
    """Mean over the last `count` pictures, in dB."""
    chosen = range(len(data.scenes) - count, len(data.scenes))
    wanted = as_tensor(data.pictures(chosen))
    ratios: list[Tensor] = []
    latents = torch.from_numpy(data.latents[list(chosen)]).float()
    for target, latent in zip(wanted.split(16), latents.split(16), strict=True):
        drawn = model.decode(latent).sample.clamp(-1, 1)
        ratios.append(-10 * ((drawn - target) / 2).pow(2).mean((1, 2, 3)).log10())
    return float(torch.cat(ratios).mean())
