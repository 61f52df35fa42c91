"""Adapters of a model: found by their place or their setting, vetted, and compared with their base by header alone."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from platemark.core.base import JsonObject
from platemark.core.errors import ModelUnavailable
from platemark.engine.models.declaration import read_json
from platemark.engine.models.headers import Header, printable, read_header
from platemark.engine.models.source import Source
from platemark.engine.models.vetting import vet_adapter

_MAX_NAME = 200
_INTO_CONTEXT = re.compile(r"attn2[._].*to_k.*(lora_A|lora[._]down)")
# How files name the layers of a denoiser. Those of text encoders alone fit any denoiser.
_OF_DENOISER = {
    "transformer": (("transformer.", "lora_transformer_"), "a transformer (SD 3)"),
    "unet": (("unet.", "lora_unet_"), "a U-Net (SD 1, 2, XL)"),
}
_OTHER_KINDS = ("hada_w1", "lokr_w1", "oft_diag")


@dataclass(frozen=True, slots=True)
class Base:
    """What adapters must fit: the denoiser's part name, the width of the text that it reads, the widths of the text
    encoders, the channels of the latents. None or empty: not known, so not compared.
    """

    denoiser: str
    context: int | None
    widths: frozenset[int]
    latents: int


@dataclass(slots=True)
class Adapters:
    """Names to places, and what is wrong with those that were left out."""

    loras: dict[str, Path] = field(default_factory=dict[str, Path])
    embeddings: dict[str, Path] = field(default_factory=dict[str, Path])
    controlnets: dict[str, Path] = field(default_factory=dict[str, Path])
    vaes: dict[str, Path] = field(default_factory=dict[str, Path])
    problems: list[str] = field(default_factory=list[str])


Check = Callable[[Path, Base], None]


def find_adapters(source: Source, base: Base) -> Adapters:
    """Those in the folders `loras`, `embeddings`, `controlnets` and `vaes` of the model, then those of its setting."""
    found = Adapters()
    root = source.path.parent if source.is_file else source.path
    inside: Mapping[str, Iterator[tuple[str, Path]]] = (
        {}
        if source.is_file
        else {
            "loras": ((file.stem, file) for file in _files(root / "loras")),
            "embeddings": ((f"<{file.stem}>", file) for file in _files(root / "embeddings")),
            "controlnets": ((folder.name, folder) for folder in _folders(root / "controlnets")),
            "vaes": ((folder.name, folder) for folder in _folders(root / "vaes")),
        }
    )
    for kind, check in _CHECKS.items():
        taken: dict[str, Path] = getattr(found, kind)
        named: dict[str, Path] = getattr(source, kind)
        for name, path in inside.get(kind, iter(())):
            _take(taken, found.problems, name, path, root, base, check)
        for name, path in named.items():
            _take(taken, found.problems, name, path, path.parent, base, check)
    return found


def _take(
    taken: dict[str, Path], problems: list[str], name: str, path: Path, root: Path, base: Base, check: Check
) -> None:
    try:
        if not name.isprintable() or len(name) > _MAX_NAME:
            raise ModelUnavailable(f"{printable(path)} has a name that no request can carry. Rename it.")
        if not path.exists():
            raise ModelUnavailable(f"{printable(path)} does not exist. Put it there, or correct the setting `models`.")
        vet_adapter(path, root)
        check(path, base)
    except ModelUnavailable as error:
        taken.pop(name, None)
        problems.append(error.detail)
    else:
        taken[name] = path


def _check_lora(path: Path, base: Base) -> None:
    header = _only_file(path)
    names = list(header.tensors)
    if any(sign in name for name in names for sign in _OTHER_KINDS):
        raise ModelUnavailable(f"{printable(path)} is a LoHa, LoKr or OFT, which are not run here. Take a LoRA.")
    if not any("lora" in name.lower() for name in names):
        raise ModelUnavailable(f"{printable(path)} holds no LoRA. Take the file that its maker offers as LoRA.")
    kinds = [kind for kind, (starts, _) in _OF_DENOISER.items() if any(name.startswith(starts) for name in names)]
    if kinds and base.denoiser not in kinds:
        _, words = _OF_DENOISER[kinds[0]]
        raise ModelUnavailable(f"{printable(path)} is a LoRA for {words}, not for this model. Take one for its base.")
    width = next((one.shape[1] for name, one in header.tensors.items() if _into_context(name, one.shape)), None)
    _same(path, "was trained for a base that reads text", width, base.context)


def _into_context(name: str, shape: tuple[int, ...]) -> bool:
    return len(shape) > 1 and _INTO_CONTEXT.search(name) is not None


def _check_embedding(path: Path, base: Base) -> None:
    header = _only_file(path)
    widths = {tensor.shape[-1] for tensor in header.tensors.values() if tensor.shape}
    if not header.tensors or not all(len(tensor.shape) in (1, 2) for tensor in header.tensors.values()):
        raise ModelUnavailable(f"{printable(path)} holds no embedding: vectors, one or more rows. Take another file.")
    if base.widths and not widths & base.widths:
        _same(path, "was trained for a text encoder", min(widths), max(base.widths))


def _check_controlnet(path: Path, base: Base) -> None:
    config = _config(path)
    if str(config.get("_class_name")) not in ("ControlNetModel", "SD3ControlNetModel"):
        raise ModelUnavailable(f"{printable(path)} is {config.get('_class_name')!r}, not a ControlNet of diffusers.")
    field_name = "joint_attention_dim" if base.denoiser == "transformer" else "cross_attention_dim"
    width = config.get(field_name)
    _same(path, "was trained for a base that reads text", width if isinstance(width, int) else None, base.context)


def _check_vae(path: Path, base: Base) -> None:
    latents = _config(path).get("latent_channels", 4)
    _same(path, "makes latents", latents if isinstance(latents, int) else None, base.latents, "channels")


def _same(path: Path, what: str, found: int | None, expected: int | None, unit: str = "numbers wide") -> None:
    if found is not None and expected is not None and found != expected:
        raise ModelUnavailable(
            f"{printable(path)} {what} {found} {unit}, but this model has {expected}: it belongs to another base. "
            "Take the edition for this one."
        )


def _only_file(path: Path) -> Header:
    if not path.is_file() or path.suffix.lower() != ".safetensors":
        raise ModelUnavailable(f"{printable(path)} is no .safetensors file. Take the safetensors edition.")
    return read_header(path)


def _config(path: Path) -> JsonObject:
    """Of a folder that also has weights."""
    if not any(path.glob("*.safetensors")):
        raise ModelUnavailable(f"{printable(path)} holds no .safetensors file. Take the safetensors edition.")
    return read_json(path / "config.json")


def _files(path: Path) -> Iterator[Path]:
    """Every file but hidden ones and cards, so that one of a wrong format is said and not passed over."""
    for file in _listed(path):
        if file.suffix.lower() not in (".md", ".txt", ".json") and not file.is_dir():
            yield file


def _folders(path: Path) -> Iterator[Path]:
    yield from (folder for folder in _listed(path) if folder.is_dir() or folder.is_symlink())


def _listed(path: Path) -> list[Path]:
    try:
        return sorted(one for one in path.iterdir() if not one.name.startswith(".")) if path.is_dir() else []
    except OSError:
        return []


_CHECKS: Mapping[str, Check] = {
    "loras": _check_lora,
    "embeddings": _check_embedding,
    "controlnets": _check_controlnet,
    "vaes": _check_vae,
}
