"""The pictures of the training: scenes drawn at random, their pictures, and the latents of these."""

import pickle
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from platemark.engine.training.libraries import Tensor, diffusers, torch
from platemark.engine.training.render import render
from platemark.engine.training.scene import Scene, sample

CHUNK = 500
_SEED = 7_000_003


@dataclass(frozen=True, slots=True)
class Dataset:
    """Scenes, pictures in chunks on disk (uint8 [500, 128, 128, 3]) and unscaled latents (float16 [n, 4, 16, 16])."""

    scenes: Sequence[Scene]
    chunks: Sequence[NDArray[np.uint8]]
    latents: NDArray[np.float16]

    def pictures(self, indices: Iterable[int]) -> NDArray[np.uint8]:
        """uint8 [len(indices), 128, 128, 3]."""
        return np.stack([self.chunks[index // CHUNK][index % CHUNK] for index in indices])


def as_tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """float32 [n, 3, side, side] in -1..1 from uint8 [n, side, side, 3]."""
    tensor = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2)
    return tensor.float().div_(127.5).sub_(1).contiguous(memory_format=torch.channels_last)


def make(folder: Path, count: int, vae: Path, processes: int = 2) -> None:
    """Draw and encode `count` pictures, in chunks of 500; chunks that are there already are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    chunks = [(folder, number, min(CHUNK, count - number * CHUNK), vae) for number in range(-(-count // CHUNK))]
    with get_context("spawn").Pool(processes) as pool:
        for done, number in enumerate(pool.imap_unordered(_chunk, chunks), 1):
            if done % 10 == 0 or done == len(chunks):
                print(f"data: {done} of {len(chunks)} chunks (last: {number})", flush=True)


def load(folder: Path) -> Dataset:
    """All chunks of the folder, in order. Raises FileNotFoundError when there is none."""
    files = sorted(folder.glob("*.pkl"))
    if not files:
        raise FileNotFoundError(f"{folder} holds no pictures. Run the stage `data` first.")
    scenes: list[Scene] = []
    for file in files:
        scenes += pickle.loads(file.read_bytes())  # noqa: S301 - written by `make`, never fetched
    pictures = [np.load(file.with_suffix(".npy"), mmap_mode="r") for file in files]
    latents = np.concatenate([np.load(file.with_suffix(".latents.npy")) for file in files])
    return Dataset(scenes, pictures, latents)


def _chunk(job: tuple[Path, int, int, Path]) -> int:
    folder, number, count, vae = job
    place = folder / f"{number:04d}.pkl"
    if place.exists():
        return number
    torch.set_num_threads(1)
    rng = np.random.default_rng(_SEED + number)
    scenes = [sample(rng) for _ in range(count)]
    pictures = np.stack([np.asarray(render(scene)) for scene in scenes])
    np.save(place.with_suffix(".npy"), pictures)
    np.save(place.with_suffix(".latents.npy"), encode(pictures, _encoder(vae)))
    # Last, so that a chunk whose scenes are there is whole.
    partial = place.with_suffix(".part")
    partial.write_bytes(pickle.dumps(scenes))
    partial.replace(place)
    return number


_encoders: dict[Path, Any] = {}


def _encoder(vae: Path) -> Any:
    if vae not in _encoders:
        model: Any = diffusers.AutoencoderTiny.from_pretrained(vae, dtype=torch.float32)
        _encoders[vae] = model.to(torch.bfloat16).to(memory_format=torch.channels_last).eval()
    return _encoders[vae]


@torch.no_grad()
def encode(pictures: NDArray[np.uint8], vae: Any) -> NDArray[np.float16]:
    """Unscaled latents, float16 [n, 4, 16, 16]."""
    kind = next(vae.parameters()).dtype
    parts = [vae.encode(as_tensor(pictures[i : i + 50]).to(kind)).latents.float() for i in range(0, len(pictures), 50)]
    return torch.cat(parts).numpy().astype(np.float16)
