"""Model folders and adapters that are damaged or mean harm, made from a good folder."""

import json
import pickle
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import adapting
import torch
from adapted_folders import adapted_folder
from safetensors import torch as files

_files: Any = files
UNET = "unet/diffusion_pytorch_model.safetensors"


class Harm:
    """Would write a file if it were unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.proof, "run")


def pickled(folder: Path) -> None:
    (folder / UNET).write_bytes(pickle.dumps(Harm(folder.parent / "harmed")))


def pickled_beside(folder: Path) -> None:
    (folder / "unet" / "diffusion_pytorch_model.bin").write_bytes(pickle.dumps(Harm(folder.parent / "harmed")))


def misshapen(folder: Path) -> None:
    config = folder / "unet" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"cross_attention_dim": 48}))


def bomb(folder: Path) -> None:
    """A zip of zeros, as PyTorch's own format is a zip."""
    with zipfile.ZipFile(folder / UNET, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(50_000_000))


def endless(folder: Path) -> None:
    """Eight exabytes of header, and a tensor of as many numbers."""
    (folder / UNET).write_bytes(b"\xff" * 7 + b"\x7f" + b"{}" * 40)


def swollen(folder: Path) -> None:
    header = json.dumps({"x": {"dtype": "F32", "shape": [2**40, 2**20], "data_offsets": [0, 2**62]}}).encode()
    (folder / UNET).write_bytes(len(header).to_bytes(8, "little") + header)


def linked(folder: Path) -> None:
    shutil.move(folder / UNET, folder.parent / "outside.safetensors")
    (folder / UNET).symlink_to(folder.parent / "outside.safetensors")


def truncated(folder: Path) -> None:
    (folder / UNET).write_bytes((folder / UNET).read_bytes()[:-4096])


def own_code(folder: Path) -> None:
    (folder / "unet" / "modeling.py").write_text(f"open({str(folder.parent / 'harmed')!r}, 'w').write('run')")
    index = folder / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"unet": ["modeling", "UNet"]}))


HOSTILE: Mapping[str, Callable[[Path], None]] = {
    make.__name__.replace("_", "-"): make
    for make in (pickled, pickled_beside, misshapen, bomb, endless, swollen, linked, truncated, own_code)
}


def hostile_folders(good: Path, folder: Path) -> dict[str, Path]:
    """One of each kind, by name."""
    places = {name: folder / name for name in HOSTILE}
    for name, make in HOSTILE.items():
        shutil.copytree(good, places[name], ignore=shutil.ignore_patterns("loras", "controlnets", "vaes", "embeddings"))
        make(places[name])
    return places


def broken_numbers(good: Path, place: Path) -> Path:
    """A model that draws numbers that are none."""
    shutil.copytree(good, place)
    state = _files.load_file(place / UNET)
    state["conv_out.bias"] = torch.full_like(state["conv_out.bias"], torch.nan)
    _files.save_file(state, place / UNET, metadata={"format": "pt"})
    return place


def put_bad_loras(folder: Path, other: Mapping[str, torch.Tensor]) -> None:
    """A pickle, one that is cut off, one of NaN, and `other`, which was made for another base."""
    loras = folder / "loras"
    good = next(loras.glob("*.safetensors"))
    (loras / "pickled.pt").write_bytes(pickle.dumps(Harm(folder.parent / "harmed")))
    (loras / "disguised.safetensors").write_bytes(pickle.dumps(Harm(folder.parent / "harmed")))
    (loras / "cut.safetensors").write_bytes(good.read_bytes()[:-10])
    nan = {name: torch.full_like(tensor, torch.nan) for name, tensor in _files.load_file(good).items()}
    _files.save_file(nan, loras / "nan.safetensors")
    _files.save_file({name: tensor.contiguous() for name, tensor in other.items()}, loras / "strange.safetensors")


def folder_with_bad_adapters(folder: Path) -> Path:
    """A tiny model with good LoRAs and ControlNets, and bad ones beside them."""
    good = adapted_folder(folder, "sd")
    other = adapting.load(folder, "sdxl")
    put_bad_loras(good, adapting.peft_layout(adapting.factors(other, "unet")))
    return good
