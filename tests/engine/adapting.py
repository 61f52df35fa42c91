"""Models of random weights in this process, and adapters for them, for tests that look at tensors."""

import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import tiny_models
import torch
import transformers
from safetensors import torch as files

from platemark.engine.memory.loaded import Loaded
from platemark.engine.models.folder import read_folder

lib: Any = diffusers
hub: Any = transformers
_files: Any = files
Factors = dict[str, tuple[torch.Tensor, torch.Tensor]]
_random: Any = torch
SIZE = 64
LAYERS = 4
for _library in (lib.utils.logging, hub.utils.logging):
    _library.set_verbosity_error()
    _library.disable_progress_bar()


def text_encoder(kind: str, vocabulary: int) -> Any:
    """As in tiny_models, with layers to leave out."""
    config = tiny_models.text_encoder(kind, vocabulary).config
    config.num_hidden_layers = LAYERS
    return getattr(hub, kind)(config)


def t5() -> dict[str, Any]:
    """The third encoder of SD 3 and its tokenizer."""
    letters = [(letter, -3.0) for letter in "abcdefghi rst,"]
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), *letters]
    config = hub.T5Config(vocab_size=len(pieces), d_model=64, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    words = hub.T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=512)
    return {"text_encoder_3": hub.T5EncoderModel(config), "tokenizer_3": words}


def make(name: str) -> Any:
    """`sd`, `sdxl`, `sd3` or `sd3_t5`, always the same."""
    _random.manual_seed(7)
    pipeline = getattr(tiny_models, name.partition("_")[0])()
    vocabulary = len(pipeline.tokenizer)
    parts = {
        part: text_encoder(type(old).__name__, vocabulary)
        for part, old in pipeline.components.items()
        if part in ("text_encoder", "text_encoder_2") and old is not None
    }
    pipeline.register_modules(**parts, **(t5() if name.endswith("t5") else {}))
    return pipeline


def load(folder: Path, name: str, **adapters: Mapping[str, Path]) -> Loaded:
    """The model of that name, made in `folder` when it is not there, in float32."""
    path = folder / name
    with warnings.catch_warnings():
        # About settings of the tiny models that do not matter here.
        warnings.simplefilter("ignore", FutureWarning)
        if not path.exists():
            make(name).save_pretrained(path)
        read = read_folder(path)
        left_out: dict[str, Any] = dict.fromkeys(read.absent)
        if name == "sd":
            left_out |= {"safety_checker": None, "requires_safety_checker": False}
        kind = getattr(lib, read.family.pipeline)
        pipeline = kind.from_pretrained(str(path), local_files_only=True, dtype=torch.float32, **left_out)
    pipeline.set_progress_bar_config(disable=True)
    return Loaded(replace(read, **adapters), pipeline, torch.float32)


def options() -> dict[str, Any]:
    """Of a pipeline call that is short and always the same."""
    return {
        "num_inference_steps": 2,
        "guidance_scale": 4.0,
        "width": SIZE,
        "height": SIZE,
        "output_type": "pt",
        "generator": torch.Generator("cpu").manual_seed(3),
    }


def drawn(loaded: Loaded, **more: Any) -> torch.Tensor:
    """A picture as numbers, from a prompt or from embeddings."""
    return loaded.for_request(None)(**(options() | more)).images


def weights(loaded: Loaded) -> dict[str, torch.Tensor]:
    """Copies of all weights by name; that the names stay says that no layer was wrapped."""
    modules = {name: part for name, part in loaded.parts.components.items() if isinstance(part, torch.nn.Module)}
    return {f"{name}.{key}": one.clone() for name, part in modules.items() for key, one in part.state_dict().items()}


def attention(loaded: Loaded, component: str) -> Iterator[tuple[str, Any]]:
    """The attention layers of a part by their names."""
    wanted = ("to_q", "to_k", "to_v", "to_out.0", "q_proj", "v_proj", "out_proj")
    return ((name, layer) for name, layer in getattr(loaded.parts, component).named_modules() if name.endswith(wanted))


def factors(loaded: Loaded, *components: str, rank: int = 3, seed: int = 1) -> Factors:
    """What a LoRA of that rank adds to every attention layer of these parts, down and up, by the layers' names."""
    generator = torch.Generator().manual_seed(seed)
    return {
        f"{component}.{name}": (
            torch.randn(rank, layer.in_features, generator=generator) * 0.3,
            torch.randn(layer.out_features, rank, generator=generator) * 0.3,
        )
        for component in components
        for name, layer in attention(loaded, component)
    }


def _in_file(name: str) -> str:
    """Files name the layers of the first text encoder as older versions of its library did."""
    return name.replace("text_encoder.encoder.", "text_encoder.text_model.encoder.")


def peft_layout(found: Factors) -> dict[str, torch.Tensor]:
    """The layout that diffusers saves today."""
    pairs = {_in_file(name): pair for name, pair in found.items()}
    downs = {f"{name}.lora_A.weight": down for name, (down, _) in pairs.items()}
    return downs | {f"{name}.lora_B.weight": up for name, (_, up) in pairs.items()}


def processor_layout(found: Factors) -> dict[str, torch.Tensor]:
    """The layout that diffusers saved first, for the UNet only."""
    state: dict[str, torch.Tensor] = {}
    for name, (down, up) in found.items():
        attention, _, layer = name.removesuffix(".0").rpartition(".")
        state[f"{attention}.processor.{layer}_lora.down.weight"] = down
        state[f"{attention}.processor.{layer}_lora.up.weight"] = up
    return state


def kohya_layout(found: Factors, alpha: float = 2.0) -> dict[str, torch.Tensor]:
    """The layout of the trainer that most files come from; alpha over rank is their scale."""
    state: dict[str, torch.Tensor] = {}
    prefixes = (("unet.", "lora_unet_"), ("text_encoder_2.", "lora_te2_"), ("text_encoder.", "lora_te1_"))
    for name, (down, up) in found.items():
        prefix, short = next(pair for pair in prefixes if name.startswith(pair[0]))
        flat = short + _in_file(name).removeprefix(prefix).replace(".", "_")
        state |= {f"{flat}.lora_down.weight": down, f"{flat}.lora_up.weight": up, f"{flat}.alpha": torch.tensor(alpha)}
    return state


def write(path: Path, state: Mapping[str, torch.Tensor], metadata: Mapping[str, Any] | None = None) -> Path:
    """A safetensors file; `metadata` is what diffusers says of the training."""
    path.parent.mkdir(parents=True, exist_ok=True)
    notes = {"format": "pt"} | ({"lora_adapter_metadata": json.dumps(metadata)} if metadata else {})
    _files.save_file({name: tensor.contiguous() for name, tensor in state.items()}, path, metadata=notes)
    return path


def as_diffusers_draws(
    loaded: Loaded, uses: Sequence[tuple[Path, float]], draw: Callable[[Loaded], torch.Tensor]
) -> torch.Tensor:
    """The picture with the LoRAs put in by diffusers itself. Spoils the model."""
    with warnings.catch_warnings():
        # That there are several is what is wanted.
        warnings.simplefilter("ignore", UserWarning)
        for number, (path, _) in enumerate(uses):
            loaded.parts.load_lora_weights(str(path), adapter_name=f"lora{number}", use_safetensors=True)
    loaded.parts.set_adapters([f"lora{number}" for number in range(len(uses))], [scale for _, scale in uses])
    return draw(loaded)
