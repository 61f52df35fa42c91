"""Reads a LoRA file, in any of the layouts that diffusers reads, into the factors for each layer of a model."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from platemark.core.base import JsonObject
from platemark.core.errors import Unsupported
from platemark.engine.conditioning.tensor_files import Stamp, read_tensors
from platemark.engine.memory.loaded import Loaded
from platemark.engine.memory.shelf import tensor_bytes
from platemark.engine.models.headers import read_header

COMPONENTS = ("unet", "transformer", "text_encoder", "text_encoder_2")
_METADATA = "lora_adapter_metadata"
# Relatives of LoRA that are something else than two factors.
_RELATIVES = {"dora_scale": "DoRA", "lora_magnitude_vector": "DoRA", "lokr_": "LoKr", "hada_": "LoHa", "oft_": "OFT"}
_END = re.compile(
    r"(?P<module>.+?)(?:\.lora_(?P<peft>[AB])\.weight|\.lora(?:_linear_layer)?\.(?P<new>down|up)\.weight"
    r"|\.to_(?P<kind>q|k|v|out)_lora\.(?P<old>down|up)\.weight)$"
)
_TEXT_NAMES = {"q": "q_proj", "k": "k_proj", "v": "v_proj", "out": "out_proj"}
_IMAGE_NAMES = {"q": "to_q", "k": "to_k", "v": "to_v", "out": "to_out.0"}


class Place(NamedTuple):
    """A layer of a pipeline: the component's name, and the module's path in it."""

    component: str
    module: str


@dataclass(frozen=True, slots=True)
class Factors:
    """What a LoRA adds to one layer: up(down(x)) * scale. Linear or convolution, as the layer is."""

    down: Tensor
    up: Tensor
    scale: float


@dataclass(frozen=True, slots=True)
class LoraFile:
    """Factors by place; `unmatched` tensors belong to nothing in this model. `stamp` is that of the file."""

    stamp: Stamp
    layers: Mapping[Place, Factors]
    unmatched: int

    @property
    def changes_words(self) -> bool:
        """Whether it changes what prompts come to."""
        return any(place.component.startswith("text_encoder") for place in self.layers)

    @property
    def bytes(self) -> int:
        """What its tensors take."""
        return sum(tensor_bytes(one.down) + tensor_bytes(one.up) for one in self.layers.values())


def read_lora(loaded: Loaded, name: str, path: Path, stamp: Stamp) -> LoraFile:
    """Vet, read and check against the model. Raises ModelUnavailable for a bad file, Unsupported for a wrong base."""
    raw = read_tensors(path, loaded.folder.path)
    for sign, relative in _RELATIVES.items():
        if any(sign in key for key in raw):
            raise _refused(loaded, name, f"is a {relative}, which is not read here")
    try:
        state, alphas = _converted(loaded.parts, raw)
    except Exception as error:
        # The library raises whatever unknown names made it stumble over.
        raise _refused(loaded, name, "has layers whose names are not known") from error
    return LoraFile(stamp, *_matched(loaded, name, state, alphas, _metadata(path)))


def _refused(loaded: Loaded, name: str, why: str) -> Unsupported:
    return Unsupported(
        f"The LoRA {name} {why}. It cannot be used with {loaded.folder.path.name} ({loaded.folder.family.pipeline}): "
        "leave it out, or ask for a LoRA that was trained on this base."
    )


def _converted(pipeline: Any, raw: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Names as diffusers has them, and the alphas that it found."""
    if not any(key.startswith((*(f"{one}." for one in COMPONENTS), "lora_")) for key in raw):
        denoiser = "unet" if hasattr(pipeline, "unet") else "transformer"
        raw = {f"{denoiser}.{key.removeprefix('base_model.model.')}": tensor for key, tensor in raw.items()}
    options: JsonObject = (
        {"unet_config": pipeline.unet.config}
        if hasattr(pipeline, "text_encoder_2") and hasattr(pipeline, "unet")
        else {}
    )
    state, *rest = pipeline.lora_state_dict(raw, return_lora_metadata=True, **options)
    return state, dict(rest[0] or {}) if len(rest) == 2 else {}


def _metadata(path: Path) -> JsonObject:
    """The settings of the training that newer files carry, by `component.name`."""
    try:
        found: Any = json.loads(read_header(path).metadata.get(_METADATA) or "{}")
    except (ValueError, RecursionError):
        return {}
    return cast("JsonObject", found) if isinstance(found, dict) else {}


def _matched(
    loaded: Loaded, name: str, state: Mapping[str, Tensor], alphas: Mapping[str, float], metadata: JsonObject
) -> tuple[dict[Place, Factors], int]:
    if foreign := {key.partition(".")[0] for key in state} & {*COMPONENTS} - {*loaded.parts.components}:
        raise _refused(loaded, name, f"has layers for a {min(foreign)}, which this model does not have")
    halves: dict[Place, dict[str, Tensor]] = {}
    unmatched = 0
    for key, tensor in state.items():
        place, half = _place(loaded.parts, key)
        if place is None or _layer(loaded.parts, place) is None:
            unmatched += 1
        else:
            halves.setdefault(place, {})[half] = tensor
    scales = {place: alpha for key, alpha in alphas.items() if (place := _alpha_place(loaded.parts, key))}
    layers: dict[Place, Factors] = {}
    for place, pair in halves.items():
        if len(pair) != 2:
            raise _refused(loaded, name, f"lacks half of what it has for {place.module}")
        down, up = pair["down"], pair["up"]
        _check_shapes(loaded, name, place, down, up)
        rank = down.shape[0]
        scale = scales[place] / rank if place in scales else _trained_scale(place, rank, metadata)
        device = _layer(loaded.parts, place).weight.device
        layers[place] = Factors(down.to(device), up.to(device), scale)
    if not layers:
        raise _refused(loaded, name, "has nothing for any layer of this model")
    return layers, unmatched


def _place(pipeline: Any, key: str) -> tuple[Place | None, str]:
    """The layer that a tensor belongs to, and whether it is `down` or `up`."""
    component, _, rest = key.partition(".")
    found = _END.match(rest)
    if found is None or getattr(pipeline, component, None) is None or component not in COMPONENTS:
        return None, ""
    module = found["module"].removesuffix(".processor")
    if found["kind"]:
        names = _TEXT_NAMES if component.startswith("text_encoder") else _IMAGE_NAMES
        module = f"{module}.{names[found['kind']]}"
    if component.startswith("text_encoder") and not hasattr(getattr(pipeline, component), "text_model"):
        module = module.removeprefix("text_model.")
    half = {"A": "down", "B": "up"}.get(found["peft"] or "", found["new"] or found["old"])
    return Place(component, module), half


def _alpha_place(pipeline: Any, key: str) -> Place | None:
    """diffusers names an alpha by the layer, or by the tensor that it goes with."""
    base = key.removesuffix(".alpha")
    return _place(pipeline, base)[0] or _place(pipeline, f"{base}.lora_A.weight")[0]


def _layer(pipeline: Any, place: Place) -> Any:
    try:
        layer = getattr(pipeline, place.component).get_submodule(place.module)
    except AttributeError:
        return None
    return layer if isinstance(layer, nn.Linear | nn.Conv2d) else None


def _check_shapes(loaded: Loaded, name: str, place: Place, down: Tensor, up: Tensor) -> None:
    weight = _layer(loaded.parts, place).weight
    made_for = (up.shape[0], *down.shape[1:])
    fits = tuple(weight.shape) == made_for and up.shape[1:] == (down.shape[0], *[1] * (weight.ndim - 2))
    if not fits:
        raise _refused(
            loaded,
            name,
            f"was made for another base: at {place.component}.{place.module} it has {_times(made_for)} where the model "
            f"has {_times(weight.shape)}",
        )
    if not (torch.isfinite(down).all() and torch.isfinite(up).all()):
        raise _refused(loaded, name, f"has broken numbers at {place.component}.{place.module}")


def _times(shape: Any) -> str:
    return "×".join(map(str, shape))


def _trained_scale(place: Place, rank: int, metadata: JsonObject) -> float:
    """Alpha over rank, from the settings of the training; 1 without them."""
    alpha = metadata.get(f"{place.component}.lora_alpha", rank)
    patterns: Any = metadata.get(f"{place.component}.alpha_pattern") or {}
    for pattern, value in patterns.items():
        if re.match(rf"(.*\.)?({pattern})$", place.module):
            alpha = value
            break
    return float(alpha) / (rank**0.5 if metadata.get(f"{place.component}.use_rslora") else rank)
