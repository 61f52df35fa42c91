"""Latents: the noise of a seed, variations of it, pictures encoded, masks on the latent grid.

Pictures are float tensors (count, 3, height, width) in 0 to 1, masks (count, 1, height, width) in 0 to 1.
"""

from typing import Any

import torch
import torch.nn.functional as nn
from diffusers.utils import torch_utils
from torch import Tensor

_utils: Any = torch_utils
_PARALLEL = 0.9995


def generator(seed: int) -> torch.Generator:
    """On the CPU everywhere, so that a seed means the same noise on every device."""
    return torch.Generator("cpu").manual_seed(seed)


def draw(source: torch.Generator, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Gaussian noise, the very numbers that a stock pipeline draws from this generator."""
    return _utils.randn_tensor(shape, generator=source, device=torch.device("cpu"), dtype=dtype)


def start_noise(
    seed: int, base: int, variation: float | None, shape: tuple[int, ...], dtype: torch.dtype
) -> tuple[Tensor, torch.Generator]:
    """The noise that a picture starts from, and the generator for what its scheduler adds on the way.

    `variation` 0 is the picture of `base`, 1 that of `seed`; between them the noise lies on the arc from one to the
    other.
    """
    own = generator(seed)
    if variation is None or variation >= 1:
        return draw(own, shape, dtype), own
    centre = generator(base)
    return slerp(draw(centre, shape, dtype), draw(own, shape, dtype), variation), centre


def slerp(one: Tensor, other: Tensor, share: float) -> Tensor:
    """From `one` (share 0) to `other` (share 1) along the sphere: a straight line would lose the noise's strength."""
    if share <= 0:
        return one
    a, b = one.double(), other.double()
    cosine = float((a * b).sum() / ((a * a).sum() * (b * b).sum()).sqrt())
    if abs(cosine) > _PARALLEL:
        return torch.lerp(a, b, share).to(one.dtype)
    angle = torch.acos(torch.tensor(cosine, dtype=torch.float64))
    mixed = (torch.sin((1 - share) * angle) * a + torch.sin(share * angle) * b) / torch.sin(angle)
    return mixed.to(one.dtype)


def encode(vae: Any, pictures: Tensor, *, shifted: bool = True) -> Tensor:
    """Latents as the denoiser takes them. The middle of what the autoencoder allows: encoding adds no chance."""
    dtype, fragile = vae.dtype, bool(vae.config.get("force_upcast")) and vae.dtype == torch.float16
    if fragile:
        vae.to(torch.float32)
    try:
        with torch.no_grad():
            found = vae.encode((pictures * 2 - 1).to(vae.device, vae.dtype))
    finally:
        if fragile:
            vae.to(dtype)
    latents = found.latents if hasattr(found, "latents") else found.latent_dist.mode()
    mean, deviation = (vae.config.get(name) for name in ("latents_mean", "latents_std"))
    if mean is not None and deviation is not None:
        mean, deviation = (torch.tensor(each).view(1, -1, 1, 1).to(latents) for each in (mean, deviation))
        return ((latents - mean) * vae.config.scaling_factor / deviation).to(dtype)
    shift = (vae.config.get("shift_factor") or 0) if shifted else 0
    return ((latents - shift) * vae.config.scaling_factor).to(dtype)


def shrink_mask(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """To (height, width): a cell is drawn anew where any of its pixels is."""
    return mask if tuple(mask.shape[2:]) == size else nn.adaptive_max_pool2d(mask, size)
