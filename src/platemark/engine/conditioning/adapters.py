"""LoRAs for the time of one drawing, another autoencoder, ControlNets: beside the model, never in its weights."""

import json
from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import diffusers
import torch
from torch import Tensor, nn
from torch.nn import functional

from platemark.core.errors import ModelUnavailable, Unsupported
from platemark.core.generation import LoraUse, Warning
from platemark.engine.conditioning.lora_files import Factors, LoraFile, Place, read_lora
from platemark.engine.conditioning.tensor_files import read_tensors, stamp
from platemark.engine.memory.loaded import Loaded
from platemark.engine.memory.shelf import bytes_of, extras_of, tensor_bytes
from platemark.engine.models.headers import printable
from platemark.engine.models.vetting import vet_adapter

_library: Any = diffusers
# Settings that decide the shapes of what a ControlNet takes from its model and gives to it.
_SHARED = {
    "unet": (
        "block_out_channels",
        "down_block_types",
        "layers_per_block",
        "cross_attention_dim",
        "addition_embed_type",
        "projection_class_embeddings_input_dim",
    ),
    "transformer": ("patch_size", "attention_head_dim", "num_attention_heads", "pooled_projection_dim"),
}
Sum = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Adapted:
    """What is in force inside of `with_adapters`."""

    warnings: tuple[Warning, ...]


@contextmanager
def with_adapters(loaded: Loaded, loras: Sequence[LoraUse]) -> Generator[Adapted]:
    """The model with these LoRAs, until the block ends; its weights are never touched.

    A second block of the same model, in another thread, waits. Encode prompts inside of the block. Raises Unsupported
    for a LoRA that is unknown or made for another base, ModelUnavailable for a file that cannot be read.
    """
    extras = extras_of(loaded)
    with extras.adapting, ExitStack() as hooks:
        files = [(use, _file(loaded, use)) for use in loras]
        for layer, factors in _sums(loaded, files) if files else ():
            hooks.callback(layer.register_forward_hook(partial(_add, factors)).remove)
        hooks.callback(setattr, extras, "words_changed_by", ())
        extras.words_changed_by = _key([(use, file) for use, file in files if file.changes_words])
        yield Adapted(warnings=tuple(_partly(use.id, file) for use, file in files if file.unmatched))


def _file(loaded: Loaded, use: LoraUse) -> LoraFile:
    path = loaded.folder.loras.get(use.id)
    if path is None:
        raise _unknown(loaded, "LoRA", use.id, loaded.folder.loras)

    def weigh(file: LoraFile) -> int:
        return file.bytes

    found = stamp(path)
    return extras_of(loaded).loras.get((use.id, found), lambda: read_lora(loaded, use.id, path, found), weigh)


def _unknown(loaded: Loaded, what: str, name: str, known: Mapping[str, Path]) -> Unsupported:
    there = f"There are: {', '.join(sorted(known))}." if known else "It has none."
    return Unsupported(f"{loaded.folder.path.name} has no {what} {name!r}. {there} Leave it out, or ask for another.")


def _partly(name: str, file: LoraFile) -> Warning:
    return Warning(
        code="lora_partly_used",
        field="loras",
        message=f"The LoRA {name} has {file.unmatched} tensors for parts that this model does not have; "
        f"{len(file.layers)} layers were changed.",
    )


def _key(files: Sequence[tuple[LoraUse, LoraFile]]) -> Hashable:
    return tuple((use.id, use.scale, file.stamp) for use, file in files)


def _sums(loaded: Loaded, files: Sequence[tuple[LoraUse, LoraFile]]) -> list[tuple[nn.Module, Sum]]:
    """Every layer that these LoRAs change, with what they add to it. Kept, as most requests ask for the last again."""

    def make() -> list[tuple[nn.Module, Sum]]:
        found = _by_place(files)
        layers = [getattr(loaded.parts, place.component).get_submodule(place.module) for place in found]
        return [(layer, _sum(layer, factors)) for layer, factors in zip(layers, found.values(), strict=True)]

    def weigh(sums: list[tuple[nn.Module, Sum]]) -> int:
        return sum(tensor_bytes(down) + tensor_bytes(up) for _, (down, up) in sums)

    dtype = getattr(loaded.parts, loaded.folder.family.denoiser).dtype
    return extras_of(loaded).loras.get(("sums", dtype, _key(files)), make, weigh)


def _by_place(files: Sequence[tuple[LoraUse, LoraFile]]) -> dict[Place, list[tuple[Factors, float]]]:
    found: dict[Place, list[tuple[Factors, float]]] = {}
    for use, file in files:
        for place, factors in file.layers.items() if use.scale else ():
            found.setdefault(place, []).append((factors, factors.scale * use.scale))
    return found


def _sum(layer: nn.Module, parts: Sequence[tuple[Factors, float]]) -> Sum:
    """All LoRAs of one layer as a single one: their ranks side by side, the scales inside."""
    weight: Any = layer.weight
    down = torch.cat([factors.down.to(weight) for factors, _ in parts])
    up = torch.cat([(factors.up.float() * scale).to(weight) for factors, scale in parts], dim=1)
    return down, up


def _add(factors: Sum, layer: Any, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    # The model may have been widened since: see `Loaded.in_float32`.
    down, up = (factor.to(inputs[0].dtype) for factor in factors)
    if isinstance(layer, nn.Linear):
        return output + functional.linear(functional.linear(inputs[0], down), up)
    inner = functional.conv2d(inputs[0], down, stride=layer.stride, padding=layer.padding, dilation=layer.dilation)
    return output + functional.conv2d(inner, up)


def vae_of(loaded: Loaded, name: str) -> Any:
    """The autoencoder of this name, for `pipeline.vae` of one request. Raises Unsupported, ModelUnavailable."""
    path = loaded.folder.vaes.get(name)
    if path is None:
        raise _unknown(loaded, "autoencoder", name, loaded.folder.vaes)
    return _module(loaded, path, lambda: _vae(loaded, name, path))


def controlnets_of(loaded: Loaded, types: Sequence[str]) -> Any:
    """The ControlNet of a type, or one that runs several together, in the order of `types`. Raises as `vae_of`."""
    nets = [_controlnet_of(loaded, kind) for kind in types]
    if len(nets) == 1:
        return nets[0]
    several = "MultiControlNetModel" if loaded.folder.family.denoiser == "unet" else "SD3MultiControlNetModel"
    return getattr(_library, several)(nets)


def _controlnet_of(loaded: Loaded, kind: str) -> Any:
    path = loaded.folder.controlnets.get(kind)
    if path is None:
        raise _unknown(loaded, "ControlNet", kind, loaded.folder.controlnets)
    return _module(loaded, path, lambda: _controlnet(loaded, kind, path))


def _module(loaded: Loaded, path: Path, load: Callable[[], Any]) -> Any:
    def ready() -> Any:
        denoiser = getattr(loaded.parts, loaded.folder.family.denoiser)
        return load().to(denoiser.device, denoiser.dtype).eval()

    return extras_of(loaded).modules.get(stamp(path), ready, bytes_of)


def _vae(loaded: Loaded, name: str, path: Path) -> Any:
    base = loaded.parts.vae
    vae = _opened(loaded, path, "AutoencoderTiny", "AutoencoderKL") if path.is_dir() else _from_file(loaded, path)
    for what, has, wanted in (
        ("latent channels", vae.config.latent_channels, base.config.latent_channels),
        ("pixels a side per latent", _factor(vae), _factor(base)),
    ):
        if has != wanted:
            raise _misfit(loaded, f"The autoencoder {name}", f"has {has} {what} where the model has {wanted}")
    return vae


def _factor(vae: Any) -> int:
    blocks = vae.config.get("block_out_channels") or vae.config.decoder_block_out_channels
    return 2 ** (len(blocks) - 1)


def _from_file(loaded: Loaded, path: Path) -> Any:
    """Weights alone, in the layout of diffusers or of the first checkpoints; settings are those of the model's own."""
    tensors = read_tensors(path, loaded.folder.path)
    kind: Any = getattr(_library, type(loaded.parts.vae).__name__)
    try:
        if any(name.startswith("encoder.down_blocks.") for name in tensors):
            vae = kind.from_config(loaded.parts.vae.config)
            vae.load_state_dict(tensors)
            return vae
        return kind.from_single_file(str(path), config=str(loaded.folder.path), subfolder="vae", local_files_only=True)
    except Exception as error:
        # The library raises whatever a file of another model made it stumble over.
        raise _misfit(loaded, f"The autoencoder in {path.name}", "has other layers than the model's own") from error


def _controlnet(loaded: Loaded, kind: str, path: Path) -> Any:
    denoiser = loaded.folder.family.denoiser
    net = _opened(loaded, path, "ControlNetModel" if denoiser == "unet" else "SD3ControlNetModel")
    model: Any = getattr(loaded.parts, denoiser).config
    expected: dict[str, Any] = {name: model.get(name) for name in _SHARED[denoiser]}
    expected["in_channels"] = loaded.parts.vae.config.latent_channels
    for name, wanted in expected.items():
        if (has := net.config.get(name)) != wanted:
            raise _misfit(loaded, f"The ControlNet {kind}", f"has {has} as its {name} where the model has {wanted}")
    if denoiser == "unet" and (steps := len(net.config.conditioning_embedding_out_channels)) != (
        wanted := _factor(loaded.parts.vae).bit_length()
    ):
        raise _misfit(loaded, f"The ControlNet {kind}", f"halves its guide {steps - 1} times, the model {wanted - 1}")
    return net


def _opened(loaded: Loaded, path: Path, *classes: str) -> Any:
    """A module from a folder of its own, of one of these classes of diffusers, the last when it names none."""
    vet_adapter(path, loaded.folder.path)
    weights = [file.name for file in path.glob("*.safetensors")]
    variant = "fp16" if weights and all(".fp16." in name or ".fp16-" in name for name in weights) else None
    try:
        named = json.loads((path / "config.json").read_bytes())["_class_name"]
        kind = getattr(_library, named if named in classes else classes[-1])
        return kind.from_pretrained(str(path), variant=variant, local_files_only=True, use_safetensors=True)
    except MemoryError:
        raise
    except Exception as error:
        # As for a model: the libraries raise whatever a damaged file made them stumble over.
        raise ModelUnavailable(
            f"{printable(path)} cannot be loaded ({type(error).__name__}): its files do not fit together, or it is "
            f"none of {', '.join(classes)}. Fetch the folder again from where it came from."
        ) from error


def _misfit(loaded: Loaded, what: str, how: str) -> Unsupported:
    return Unsupported(
        f"{what} was made for another base than {loaded.folder.path.name}: it {how}. Leave it out, or ask for one that "
        "was trained on this base."
    )
