"""The parts of a diffusers folder: which there are, and whether their weights fit their configuration."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from platemark.core.base import JsonObject
from platemark.core.errors import ModelUnavailable
from platemark.engine.models.declaration import read_json
from platemark.engine.models.headers import Tensor, printable, read_header

# Parts that the engine leaves out: what a picture may show is decided outside of the pipeline.
LEFT_OUT = frozenset({"feature_extractor", "image_encoder", "requires_safety_checker", "safety_checker", "watermarker"})
_LIBRARIES = frozenset({"diffusers", "transformers"})
_CONFIGS = ("config.json", "scheduler_config.json", "tokenizer_config.json")
# A tensor and the fields of config.json that give its first two sizes, by the class of the part.
_SIZES: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "UNet2DConditionModel": (
        ("conv_in.weight", "block_out_channels.0", "in_channels"),
        ("conv_out.weight", "out_channels", "block_out_channels.0"),
    ),
    "AutoencoderKL": (("decoder.conv_in.weight", "block_out_channels.-1", "latent_channels"),),
    "SD3Transformer2DModel": (("context_embedder.weight", "caption_projection_dim", "joint_attention_dim"),),
    "CLIPTextModel": (("token_embedding.weight", "vocab_size", "hidden_size"),),
    "CLIPTextModelWithProjection": (("token_embedding.weight", "vocab_size", "hidden_size"),),
}


def read_parts(index: JsonObject) -> dict[str, list[Any]]:
    """Library and class of every part that is used, by name; `[None, None]` for one that is absent."""
    return {
        name: cast("list[Any]", part) for name, part in index.items() if isinstance(part, list) and name not in LEFT_OUT
    }


def check_part(path: Path, name: str, part: list[Any]) -> None:
    """Raise ModelUnavailable for a part of another library or without its configuration."""
    if len(part) != 2 or part[0] not in _LIBRARIES:
        raise ModelUnavailable(
            f"{printable(path / 'model_index.json')} takes {name!r} from {part[:1]}; only diffusers and transformers "
            "are used."
        )
    if not any((path / name / config).is_file() for config in _CONFIGS):
        raise ModelUnavailable(f"{printable(path / name)} has no configuration file. Fetch the whole folder again.")


def has_weights(place: Path) -> bool:
    """Whether a part's folder holds weights in full precision, not only configuration."""
    return any(".fp16" not in file.name for file in place.glob("*.safetensors"))


def part_variant(place: Path, kind: str) -> str | None:
    """Check the weights of one part; say whether they exist only as their fp16 variant. Raises ModelUnavailable."""
    if not (place / "config.json").is_file():
        return None
    files = sorted(place.glob("*.safetensors"))
    if not files:
        raise ModelUnavailable(
            f"{printable(place)} holds no .safetensors file. Fetch the safetensors edition of this model."
        )
    half = [file for file in files if ".fp16." in file.name or ".fp16-" in file.name]
    only_half = len(half) == len(files)
    _check_sizes(place, kind, half if only_half else [file for file in files if file not in half])
    return "fp16" if only_half else None


def tensors(files: Iterable[Path]) -> dict[str, Tensor]:
    """All tensors of one part, whatever number of files it is cut into."""
    return {name: tensor for file in files for name, tensor in read_header(file).tensors.items()}


def _check_sizes(place: Path, kind: str, files: list[Path]) -> None:
    config, held = read_json(place / "config.json"), tensors(files)
    for ending, *fields in _SIZES.get(kind, ()):
        expected = tuple(_number(config, field) for field in fields)
        found = next((tensor.shape[:2] for name, tensor in held.items() if name.endswith(ending)), expected)
        if None not in expected and found != expected:
            raise ModelUnavailable(
                f"{printable(place)}: the weights have {ending} of {found}, the configuration {expected}. They belong "
                "to different models; fetch the whole folder again."
            )


def _number(config: JsonObject, field: str) -> int | None:
    name, _, place = field.partition(".")
    value: Any = config.get(name)
    try:
        number = value[int(place)] if place else value
    except (TypeError, LookupError):
        return None
    return number if isinstance(number, int) else None
