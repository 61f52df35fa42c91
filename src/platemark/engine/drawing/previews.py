"""Small pictures of a drawing under way: cheap to make, and at most a few a second."""

import io
import time
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from platemark.engine.memory.loaded import Loaded

SECONDS_BETWEEN = 0.25
MEDIA_TYPE = "image/jpeg"
_LARGEST_SIDE = 256
_FIT_SIDE = 256


class Previews:
    """Previews of one batch. `due` says when the next one may be made."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._next = time.monotonic() + SECONDS_BETWEEN

    def due(self) -> bool:
        """True at most four times a second."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + SECONDS_BETWEEN
        return True

    def make(self, pipeline: Any, latents: Tensor, row: int) -> bytes:
        """JPEG of one picture of the batch, at most 256 pixels a side."""
        estimate = _clean_estimate(pipeline.scheduler, latents)[row : row + 1]
        with torch.inference_mode():
            small = self._decode(pipeline.vae, estimate)
        pixels = (small[0].float().clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
        image = Image.fromarray(pixels)
        image.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=75)
        return buffer.getvalue()

    def _decode(self, vae: Any, latents: Tensor) -> Tensor:
        if type(vae).__name__ == "AutoencoderTiny":
            return vae.decode(latents.to(vae.dtype) / vae.config.scaling_factor).sample / 2 + 0.5
        if self._loaded.preview_map is None:
            self._loaded.preview_map = fit_map(vae)
        weights = self._loaded.preview_map
        flat = latents.float().permute(0, 2, 3, 1)
        colours = torch.cat([flat, torch.ones_like(flat[..., :1])], -1) @ weights.to(flat.device)
        return colours.permute(0, 3, 1, 2)


def fit_map(vae: Any) -> Tensor:
    """The linear map (channels + 1, 3) from a latent cell to its mean colour that fits this autoencoder best.

    Fitted on a picture of random patches of colour, which is all that a preview has to tell apart.
    """
    patches = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    picture = torch.nn.functional.interpolate(patches, size=(_FIT_SIDE, _FIT_SIDE), mode="bilinear")
    with torch.inference_mode():
        moments = vae.encode((picture * 2 - 1).to(vae.device, vae.dtype)).latent_dist.mode().float().cpu()
    latents = (moments - (vae.config.shift_factor or 0)) * vae.config.scaling_factor
    cells = latents[0].flatten(1).T
    colours = torch.nn.functional.adaptive_avg_pool2d(picture, latents.shape[2:])[0].flatten(1).T
    known = torch.cat([cells, torch.ones(len(cells), 1)], 1)
    algebra: Any = torch.linalg
    return algebra.lstsq(known, colours).solution


def _clean_estimate(scheduler: Any, latents: Tensor) -> Tensor:
    """The picture as the model now expects it; the noisy latents themselves where the scheduler does not keep it."""
    outputs = getattr(scheduler, "model_outputs", None)
    settings = scheduler.config
    keeps = settings.get("predict_x0") or str(settings.get("algorithm_type")).endswith("dpmsolver++")
    if keeps and outputs and outputs[-1] is not None:
        return outputs[-1]
    step = getattr(scheduler, "step_index", None)
    if step is not None and float(scheduler.init_noise_sigma) > 1:
        # These schedulers add noise on top instead of mixing it in, so the contrast grows with it.
        return latents / float(scheduler.sigmas[step] ** 2 + 1) ** 0.5
    return latents
