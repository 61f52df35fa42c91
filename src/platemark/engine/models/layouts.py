"""Configuration files for checkpoints of the well-known architectures, written from what their headers show."""

import json
import math
import re
from collections.abc import Mapping

from platemark.core.base import JsonObject
from platemark.engine.models.headers import Header

Layout = dict[str, JsonObject]
_BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}
_OFFSET = {"steps_offset": 1, "clip_sample": False, "set_alpha_to_one": False, "skip_prk_steps": True}
_PREFIX = "model.diffusion_model."
_JOINT = re.compile(r"(?:model\.diffusion_model\.)?joint_blocks\.(\d+)\.")
_DUAL = re.compile(r"(?:model\.diffusion_model\.)?joint_blocks\.(\d+)\.x_block\.attn2\.")


def layout(kind: str, header: Header, *, inpaint: bool) -> Layout:
    """Files by their path in a diffusers folder, all but the vocabulary. `kind`: sd1, sd2, sdxl or sd3."""
    files = {"sd1": _sd1, "sd2": _sd2, "sdxl": _sdxl, "sd3": _sd3}[kind](header)
    if inpaint:
        files["unet/config.json"]["in_channels"] = 9
    return files


def _sd1(header: Header) -> Layout:
    return {
        "model_index.json": _index("StableDiffusionPipeline", "PNDMScheduler", "unet", ("CLIPTextModel",)),
        "unet/config.json": _unet(attention_head_dim=8, cross_attention_dim=768, sample_size=64),
        "vae/config.json": _vae(512, 0.18215),
        "scheduler/scheduler_config.json": _noise("PNDMScheduler", header),
        "text_encoder/config.json": _clip_l("CLIPTextModel"),
        "tokenizer/tokenizer_config.json": _tokenizer("<|endoftext|>"),
    }


def _sd2(header: Header) -> Layout:
    """2.1 for 768 px; a checkpoint of the 512 px edition says so in its metadata."""
    base = "512" in header.metadata.get("modelspec.resolution", "") or _said(header) == "epsilon"
    return {
        "model_index.json": _index("StableDiffusionPipeline", "DDIMScheduler", "unet", ("CLIPTextModel",)),
        "unet/config.json": _unet(
            attention_head_dim=[5, 10, 20, 20],
            cross_attention_dim=1024,
            sample_size=64 if base else 96,
            use_linear_projection=True,
            upcast_attention=not base,
        ),
        "vae/config.json": _vae(512 if base else 768, 0.18215),
        "scheduler/scheduler_config.json": _noise("DDIMScheduler", header, "epsilon" if base else "v_prediction"),
        "text_encoder/config.json": _clip("CLIPTextModel", 1024, 23, 16, "gelu", 512),
        "tokenizer/tokenizer_config.json": _tokenizer("!"),
    }


def _sdxl(header: Header) -> Layout:
    encoders = ("CLIPTextModel", "CLIPTextModelWithProjection")
    return {
        "model_index.json": _index("StableDiffusionXLPipeline", "EulerDiscreteScheduler", "unet", encoders),
        "unet/config.json": _unet(
            attention_head_dim=[5, 10, 20],
            block_out_channels=[320, 640, 1280],
            down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
            up_block_types=["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
            transformer_layers_per_block=[1, 2, 10],
            cross_attention_dim=2048,
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
            sample_size=128,
        ),
        "vae/config.json": _vae(1024, 0.13025, force_upcast=True),
        "scheduler/scheduler_config.json": _noise("EulerDiscreteScheduler", header) | {"timestep_spacing": "leading"},
        "text_encoder/config.json": _clip_l("CLIPTextModel"),
        "text_encoder_2/config.json": _clip_g(),
        "tokenizer/tokenizer_config.json": _tokenizer("<|endoftext|>"),
        "tokenizer_2/tokenizer_config.json": _tokenizer("!"),
    }


def _sd3(header: Header) -> Layout:
    """All sizes of 3 and 3.5, without the large third encoder: its vocabulary is not at hand."""
    prefix = _PREFIX if any(name.startswith(_PREFIX) for name in header.tensors) else ""
    width = header.tensors[f"{prefix}x_embedder.proj.weight"].shape[0]
    context = header.tensors[f"{prefix}context_embedder.weight"].shape
    pooled = header.tensors[f"{prefix}y_embedder.mlp.0.weight"].shape[1]
    encoders = ("CLIPTextModelWithProjection", "CLIPTextModelWithProjection", None)
    normed = f"{prefix}joint_blocks.0.x_block.attn.ln_k.weight" in header.tensors
    return {
        "model_index.json": _index(
            "StableDiffusion3Pipeline", "FlowMatchEulerDiscreteScheduler", "transformer", encoders
        ),
        "transformer/config.json": {
            "_class_name": "SD3Transformer2DModel",
            "sample_size": 128,
            "patch_size": 2,
            "in_channels": 16,
            "out_channels": 16,
            "num_layers": 1 + max(_numbers(_JOINT, header)),
            "attention_head_dim": 64,
            "num_attention_heads": width // 64,
            "joint_attention_dim": context[1],
            "caption_projection_dim": context[0],
            "pooled_projection_dim": pooled,
            "pos_embed_max_size": math.isqrt(header.tensors[f"{prefix}pos_embed"].shape[1]),
            "dual_attention_layers": _numbers(_DUAL, header),
            "qk_norm": "rms_norm" if normed else None,
        },
        "vae/config.json": _vae(
            1024,
            1.5305,
            shift_factor=0.0609,
            latent_channels=16,
            use_quant_conv=False,
            use_post_quant_conv=False,
            force_upcast=True,
        ),
        "scheduler/scheduler_config.json": {
            "_class_name": "FlowMatchEulerDiscreteScheduler",
            "num_train_timesteps": 1000,
            "shift": 3.0,
        },
        "text_encoder/config.json": _clip_l("CLIPTextModelWithProjection"),
        "text_encoder_2/config.json": _clip_g(),
        "tokenizer/tokenizer_config.json": _tokenizer("<|endoftext|>"),
        "tokenizer_2/tokenizer_config.json": _tokenizer("!"),
    }


def _index(pipeline: str, scheduler: str, denoiser: str, encoders: tuple[str | None, ...]) -> JsonObject:
    networks = {"unet": "UNet2DConditionModel", "transformer": "SD3Transformer2DModel"}
    index: JsonObject = {
        "_class_name": pipeline,
        "scheduler": ["diffusers", scheduler],
        "vae": ["diffusers", "AutoencoderKL"],
        denoiser: ["diffusers", networks[denoiser]],
    }
    for number, encoder in enumerate(encoders, 1):
        suffix = f"_{number}" if number > 1 else ""
        index[f"text_encoder{suffix}"] = ["transformers", encoder] if encoder else [None, None]
        index[f"tokenizer{suffix}"] = ["transformers", "CLIPTokenizer"] if encoder else [None, None]
    return index


def _unet(**facts: object) -> JsonObject:
    return {
        "_class_name": "UNet2DConditionModel",
        "in_channels": 4,
        "out_channels": 4,
        "layers_per_block": 2,
        "block_out_channels": [320, 640, 1280, 1280],
        "down_block_types": [*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"],
        "up_block_types": ["UpBlock2D", *["CrossAttnUpBlock2D"] * 3],
    } | facts


def _vae(size: int, scaling: float, **facts: object) -> JsonObject:
    return {
        "_class_name": "AutoencoderKL",
        "block_out_channels": [128, 256, 512, 512],
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
        "layers_per_block": 2,
        "latent_channels": 4,
        "sample_size": size,
        "scaling_factor": scaling,
    } | facts


def _noise(scheduler: str, header: Header, prediction: str = "epsilon") -> JsonObject:
    """Fine-tunes with another objective say so by tensors or metadata of agreed names."""
    if "v_pred" in header.tensors or _said(header) in ("v", "v_prediction"):
        prediction = "v_prediction"
    facts: JsonObject = {"_class_name": scheduler, "prediction_type": prediction, **_BETAS, **_OFFSET}
    return facts | ({"rescale_betas_zero_snr": True} if "ztsnr" in header.tensors else {})


def _said(header: Header) -> str:
    return header.metadata.get("modelspec.prediction_type", "").lower()


def _clip_l(kind: str) -> JsonObject:
    return _clip(kind, 768, 12, 12, "quick_gelu", 768)


def _clip_g() -> JsonObject:
    return _clip("CLIPTextModelWithProjection", 1280, 32, 20, "gelu", 1280)


def _clip(kind: str, width: int, layers: int, heads: int, activation: str, projection: int) -> JsonObject:
    return {
        "architectures": [kind],
        "model_type": "clip_text_model",
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "hidden_act": activation,
        "projection_dim": projection,
        "vocab_size": 49_408,
        "max_position_embeddings": 77,
        "bos_token_id": 49_406,
        "eos_token_id": 49_407,
        "pad_token_id": 1,
    }


def _tokenizer(padding: str) -> JsonObject:
    return {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": 77,
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
        "pad_token": padding,
        "do_lower_case": True,
    }


def _numbers(pattern: re.Pattern[str], header: Header) -> list[int]:
    return sorted({int(found[1]) for name in header.tensors if (found := pattern.match(name))})


def vocabulary(lines: list[str]) -> Mapping[str, str]:
    """`vocab.json` and `merges.txt` of CLIP from the lines of its published list of merges."""
    merges = lines[1 : 49_152 - 256 - 2 + 1]
    letters = _letters()
    words = [*letters, *(letter + "</w>" for letter in letters), *("".join(merge.split()) for merge in merges)]
    numbers = {word: number for number, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}
    return {"vocab.json": json.dumps(numbers), "merges.txt": "\n".join(["#version: 0.2", *merges, ""])}


def _letters() -> list[str]:
    """One printable letter for each byte, in CLIP's order: printable Latin-1 first, the others moved up."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    return [chr(byte) for byte in plain] + [chr(256 + number) for number in range(256 - len(plain))]
