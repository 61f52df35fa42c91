"""Diffusers folders with random weights in the sizes of real models: what they draw is noise, what they cost is real.

Configurations as published with Stable Diffusion XL base 1.0 and Stable Diffusion 3.5 Large; the third text encoder of
the latter is left out, as it may be. `tiny` shrinks them so that a machine without a GPU can try the path.
"""

from pathlib import Path
from typing import Any

import diffusers
import torch as _torch
import transformers

from platemark.engine.models.folder import POCKET

torch: Any = _torch
_lib: Any = diffusers
_hub: Any = transformers
NAMES = ("sdxl", "sd35-large")


def build(name: str, folder: Path, *, tiny: bool = False) -> Path:
    """Make `folder` once; return it. On a GPU where there is one, because filling billions of weights takes long."""
    if (folder / "model_index.json").exists():
        return folder
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            pipeline = {"sdxl": _sdxl, "sd35-large": _sd35_large}[name](tiny)
        pipeline.save_pretrained(folder)
    finally:
        torch.set_default_dtype(before)
    return folder


def _words() -> Any:
    """Any tokenizer will do for random weights; this one is at hand."""
    tokenizer = _hub.CLIPTokenizer.from_pretrained(str(POCKET / "tokenizer"), local_files_only=True)
    tokenizer.model_max_length = 77
    return tokenizer


def _text(hidden: int, layers: int, heads: int, *, projection: int | None = None, act: str = "gelu") -> Any:
    config = _hub.CLIPTextConfig(
        vocab_size=49408,
        hidden_size=hidden,
        intermediate_size=4 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=77,
        hidden_act=act,
        projection_dim=projection or hidden,
        eos_token_id=_words().eos_token_id,
    )
    return (_hub.CLIPTextModelWithProjection if projection else _hub.CLIPTextModel)(config)


def _vae(channels: int, tiny: bool, **options: Any) -> Any:
    widths = (32, 32, 32, 32) if tiny else (128, 256, 512, 512)
    return _lib.AutoencoderKL(
        block_out_channels=widths,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1 if tiny else 2,
        latent_channels=channels,
        sample_size=1024,
        **options,
    )


def _sdxl(tiny: bool) -> Any:
    first, second = (32, 64) if tiny else (768, 1280)
    widths = (32, 64, 64) if tiny else (320, 640, 1280)
    unet = _lib.UNet2DConditionModel(
        sample_size=128,
        block_out_channels=widths,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1 if tiny else 2,
        transformer_layers_per_block=1 if tiny else (1, 2, 10),
        attention_head_dim=(2, 4, 4) if tiny else (5, 10, 20),
        cross_attention_dim=first + second,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=256,
        projection_class_embeddings_input_dim=second + 6 * 256,
    )
    return _lib.StableDiffusionXLPipeline(
        vae=_vae(4, tiny, scaling_factor=0.13025),
        text_encoder=_text(first, 2 if tiny else 12, 4 if tiny else 12, act="quick_gelu"),
        tokenizer=_words(),
        text_encoder_2=_text(second, 2 if tiny else 32, 4 if tiny else 20, projection=second),
        tokenizer_2=_words(),
        unet=unet,
        scheduler=_lib.EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
        ),
    )


def _sd35_large(tiny: bool) -> Any:
    first, second = (32, 64) if tiny else (768, 1280)
    transformer = _lib.SD3Transformer2DModel(
        sample_size=128,
        patch_size=2,
        in_channels=16,
        out_channels=16,
        num_layers=2 if tiny else 38,
        attention_head_dim=16 if tiny else 64,
        num_attention_heads=4 if tiny else 38,
        caption_projection_dim=64 if tiny else 2432,
        joint_attention_dim=first + second if tiny else 4096,
        pooled_projection_dim=first + second,
        pos_embed_max_size=192,
        qk_norm="rms_norm",
    )
    return _lib.StableDiffusion3Pipeline(
        vae=_vae(16, tiny, shift_factor=0.0609, scaling_factor=1.5305, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=_text(first, 2 if tiny else 12, 4 if tiny else 12, projection=first, act="quick_gelu"),
        tokenizer=_words(),
        text_encoder_2=_text(second, 2 if tiny else 32, 4 if tiny else 20, projection=second),
        tokenizer_2=_words(),
        text_encoder_3=None,
        tokenizer_3=None,
        transformer=transformer,
        scheduler=_lib.FlowMatchEulerDiscreteScheduler(shift=3.0),
    )
