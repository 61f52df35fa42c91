"""Textual inversion: vectors learned for a word of a prompt, read from a file when a prompt uses the word."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from platemark.core.errors import Unsupported
from platemark.engine.conditioning.tensor_files import Stamp, read_tensors, stamp
from platemark.engine.memory.loaded import Loaded
from platemark.engine.memory.shelf import extras_of, tensor_bytes

# Names under which files for models with several encoders hold the vectors of each, by the model's own names.
_ENCODERS = {"text_encoder": "clip_l", "text_encoder_2": "clip_g", "text_encoder_3": "t5xxl"}


def learned_words(loaded: Loaded, text: str) -> tuple[Stamp, ...]:
    """The files of the learned words that the text uses, as they are now."""
    return tuple(stamp(path) for name, path in loaded.folder.embeddings.items() if name in text)


def vectors_of(loaded: Loaded, text: str, encoder: Any) -> Mapping[str, Tensor | None]:
    """Learned words that the text uses, with their vectors (count, width) for this encoder, None where there are none.

    Raises ModelUnavailable for a file that is none, Unsupported for one that was made for another model.
    """
    used = {name: path for name, path in loaded.folder.embeddings.items() if name in text}
    role = next(role for role in _ENCODERS if getattr(loaded.parts, role, None) is encoder)
    return {name: _fitting(loaded, name, _read(loaded, path), role) for name, path in used.items()}


def _read(loaded: Loaded, path: Path) -> dict[str, Tensor]:
    def load() -> dict[str, Tensor]:
        return read_tensors(path, loaded.folder.path)

    return extras_of(loaded).vectors.get(stamp(path), load, lambda file: sum(map(tensor_bytes, file.values())))


def _fitting(loaded: Loaded, name: str, file: Mapping[str, Tensor], role: str) -> Tensor | None:
    encoders = [one for one in _ENCODERS if getattr(loaded.parts, one, None) is not None]
    wrong = partial(_wrong, name, loaded.folder.path.name)
    if _ENCODERS[role] in file:
        vectors = file[_ENCODERS[role]]
    elif role == "text_encoder_3":
        return None
    elif len(file) == 1 and len(encoders) == 1:
        vectors = next(iter(file.values()))
    elif "emb_params" in file and len(encoders) == 1:
        vectors = file["emb_params"]
    else:
        raise wrong(f"has vectors for {', '.join(sorted(file)[:3])} and none for {_ENCODERS[role]}")
    width = getattr(loaded.parts, role).get_input_embeddings().weight.shape[-1]
    if vectors.ndim not in (1, 2) or vectors.shape[-1] != width or not vectors.numel():
        raise wrong(f"has vectors of width {vectors.shape[-1] if vectors.ndim else 0} where the model has {width}")
    return vectors.reshape(-1, width)


def _wrong(name: str, model: str, how: str) -> Unsupported:
    return Unsupported(
        f"The embedding {name} {how}: it was made for another base than {model}. Leave the word out of the prompt, or "
        "put an embedding in its place that was trained on this base."
    )
