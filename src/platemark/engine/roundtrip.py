"""Pictures through the pocket model's autoencoder and back: the same content, with the traces of a decoder."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from platemark.core.errors import ModelUnavailable

_POCKET = Path(__file__).parent / "pocket" / "vae"
_LONGEST, _CELL = 512, 8
Remake = Callable[[Image.Image], Image.Image]


def open_round_trip() -> Remake:
    """A function from RGB to RGB of at most 512 pixels a side. Blocks. Raises ModelUnavailable without the engine."""
    try:
        import torch
        from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
        from diffusers.utils import logging
    except ImportError as error:
        raise ModelUnavailable("The engine is not installed. Run: pip install 'platemark[local]'") from error
    # Its configuration names parts that older editions of the library know; nothing is wrong with it.
    logging.set_verbosity_error()
    kind: Any = AutoencoderTiny
    network = kind.from_pretrained(str(_POCKET), local_files_only=True, torch_dtype=torch.float32)
    return partial(_remade, network.eval())


def _remade(network: Any, picture: Image.Image) -> Image.Image:
    import torch

    scale = min(1.0, _LONGEST / max(picture.size))
    width, height = (max(_CELL, int(length * scale) // _CELL * _CELL) for length in picture.size)
    pixels = np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)
    with torch.no_grad():
        levels = torch.tensor(pixels.transpose(2, 0, 1)[None] / 127.5 - 1)
        drawn = network.decode(network.encode(levels).latents).sample.clamp(-1, 1)
    shown = (drawn[0].numpy().transpose(1, 2, 0) + 1) * 127.5
    return Image.fromarray(shown.round().astype(np.uint8))
