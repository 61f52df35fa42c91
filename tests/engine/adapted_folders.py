"""Tiny model folders with everything that steers a drawing in its place, and an engine of its own for them."""

import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import adapting
import painting
import torch

from platemark.engine.engine import Engine
from platemark.engine.memory.loaded import Loaded
from platemark.engine.serving.process import COMMAND
from platemark.engine.serving.supervisor import Supervisor

# `pose` has no preprocessor.
CONTROLS = ("canny", "scribble", "lineart", "colour", "pose")
LEARNED = "sks"
_LORAS = {"ink": ("unet", 1), "words": ("text_encoder", 2), "paint": ("unet", 3)}


def adapted_folder(folder: Path, name: str) -> Path:
    """The model `name` of adapting.py in `folder` with LoRAs, an embedding, an autoencoder and ControlNets."""
    loaded = adapting.load(folder, name)
    place = folder / name
    for lora, (component, seed) in _LORAS.items():
        part = loaded.folder.family.denoiser if component == "unet" else component
        state = adapting.peft_layout(adapting.factors(loaded, part, seed=seed))
        adapting.write(place / "loras" / f"{lora}.safetensors", state)
    adapting.write(place / "embeddings" / f"{LEARNED}.safetensors", _vectors(loaded))
    adapting.lib.AutoencoderKL.from_config(loaded.parts.vae.config).eval().save_pretrained(place / "vaes" / "soft")
    _put_controlnets(loaded, folder, place / "controlnets")
    return place


def _vectors(loaded: Loaded) -> Mapping[str, torch.Tensor]:
    numbers = torch.Generator().manual_seed(5)
    names = ("clip_l", "clip_g") if getattr(loaded.parts, "text_encoder_2", None) else ("emb_params",)
    return {name: 3 * torch.randn(2, 32, generator=numbers) for name in names}


def _put_controlnets(loaded: Loaded, folder: Path, goal: Path) -> None:
    made = painting.with_controls(loaded, folder / "nets").folder.controlnets
    for number, kind in enumerate(CONTROLS):
        shutil.copytree(made[("canny", "colour")[number % 2]], goal / kind)


@contextmanager
def engine_with(models: Mapping[str, Path], *, threads: int = 1) -> Generator[Engine]:
    """A real engine; it lives in threads of its own, so tests on any event loop can share it."""
    opening = {
        "kind": "open",
        "models": {name: str(path) for name, path in models.items()},
        "threads": threads,
        "warm": None,
        "memory": None,
        "speed": "exact",
    }
    supervisor = Supervisor(opening, COMMAND, step_timeout=60)
    supervisor.start(now=True)
    yield Engine(supervisor)
    supervisor.stop()
