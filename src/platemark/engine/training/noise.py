"""The noise that the denoiser learns to take away: v-prediction with zero terminal signal."""

from typing import Any

from platemark.engine.training.libraries import Tensor, diffusers, torch

NOISE: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
}


def alphas() -> Tensor:
    """Share of signal in the variance at each of the 1000 noise levels, 1..0."""
    scheduler: Any = diffusers.DDIMScheduler(**NOISE, clip_sample=False, set_alpha_to_one=False)
    return scheduler.alphas_cumprod


def timesteps(count: int) -> Tensor:
    """Noise levels: two thirds spread over all of them, one third where shapes are decided (300..850)."""
    even = count - count // 3
    spread = (torch.arange(even) + torch.rand(even)) / even * 1000
    return torch.cat([spread, 300 + 550 * torch.rand(count - even)]).long().clamp(0, 999)


def noised(clean: Tensor, signal_shares: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Scaled latents [n, 4, h, w] with noise in them, the noise level of each, and what the denoiser should say."""
    levels, noise = timesteps(len(clean)), torch.randn_like(clean)
    signal = signal_shares[levels].sqrt().view(-1, 1, 1, 1)
    spread = (1 - signal_shares[levels]).sqrt().view(-1, 1, 1, 1)
    noisy = (signal * clean + spread * noise).contiguous(memory_format=torch.channels_last)
    return noisy, levels, signal * noise - spread * clean


def errors(said: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared error of each picture, float32 [n]."""
    return (said.float() - wanted).pow(2).mean((1, 2, 3))
