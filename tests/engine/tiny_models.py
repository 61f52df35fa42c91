"""Builds tiny diffusers folders with random weights: `sd`, `sdxl` and `sd3`. Imported by the child only."""

from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from tokenizers import pre_tokenizers

lib: Any = diffusers
hub: Any = transformers


def tokenizer() -> Any:
    """Knows single bytes only, which is enough for random weights."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return hub.CLIPTokenizer(vocab={word: number for number, word in enumerate(words)}, merges=[], model_max_length=77)


def text_encoder(kind: str, vocabulary: int) -> Any:
    config = hub.CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=1,
        num_attention_heads=4,
        max_position_embeddings=77,
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
        pad_token_id=vocabulary - 1,
        projection_dim=32,
    )
    return getattr(hub, kind)(config)


def vae(latent_channels: int = 4, **options: Any) -> Any:
    return lib.AutoencoderKL(
        latent_channels=latent_channels,
        block_out_channels=[8, 16, 16, 16],
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        norm_num_groups=4,
        sample_size=64,
        **options,
    )


def unet(**options: Any) -> Any:
    return lib.UNet2DConditionModel(
        block_out_channels=(16, 32),
        layers_per_block=1,
        sample_size=8,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        norm_num_groups=4,
        **options,
    )


def like(model: Any, **changes: Any) -> Any:
    """Another of its kind with other random weights."""
    kind: Any = model.__class__
    return kind.from_config(model.config, **changes).eval()


def noise() -> Any:
    return lib.EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")


def sd() -> Any:
    words = tokenizer()
    return lib.StableDiffusionPipeline(
        vae=vae(),
        text_encoder=text_encoder("CLIPTextModel", len(words)),
        tokenizer=words,
        unet=unet(cross_attention_dim=32, attention_head_dim=4),
        scheduler=noise(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def sdxl() -> Any:
    words = tokenizer()
    return lib.StableDiffusionXLPipeline(
        vae=vae(),
        text_encoder=text_encoder("CLIPTextModel", len(words)),
        tokenizer=words,
        text_encoder_2=text_encoder("CLIPTextModelWithProjection", len(words)),
        tokenizer_2=words,
        unet=unet(
            cross_attention_dim=64,
            attention_head_dim=(2, 4),
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            transformer_layers_per_block=(1, 1),
            projection_class_embeddings_input_dim=32 + 6 * 8,
        ),
        scheduler=noise(),
    )


def sd3() -> Any:
    """Without the large third encoder, as such folders are often shared."""
    words = tokenizer()
    return lib.StableDiffusion3Pipeline(
        vae=vae(16, shift_factor=0.0609, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=text_encoder("CLIPTextModelWithProjection", len(words)),
        tokenizer=words,
        text_encoder_2=text_encoder("CLIPTextModelWithProjection", len(words)),
        tokenizer_2=words,
        text_encoder_3=None,
        tokenizer_3=None,
        transformer=lib.SD3Transformer2DModel(
            sample_size=8,
            patch_size=2,
            in_channels=16,
            out_channels=16,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=4,
            caption_projection_dim=32,
            joint_attention_dim=64,
            pooled_projection_dim=64,
            pos_embed_max_size=16,
        ),
        scheduler=lib.FlowMatchEulerDiscreteScheduler(),
    )


def build(folder: Path) -> None:
    """Make `sd`, `sdxl` and `sd3` in `folder`, once; `built` says that they are whole."""
    if (folder / "built").exists():
        return
    for library in (lib.utils.logging, hub.utils.logging):
        library.set_verbosity_error()
        library.disable_progress_bar()
    random: Any = torch
    random.manual_seed(0)
    for name, make in (("sd", sd), ("sdxl", sdxl), ("sd3", sd3)):
        make().save_pretrained(folder / name)
    (folder / "built").touch()
