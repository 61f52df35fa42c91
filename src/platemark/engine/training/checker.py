"""A small classifier that says what a picture shows; it judges what the model draws.

It is trained on true renders, softened and disturbed at random, so that a soft decoder does not mislead it.
"""

import io
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from platemark.engine.training.dataset import Dataset, as_tensor
from platemark.engine.training.libraries import Tensor, safetensors, torch
from platemark.engine.training.muon import Muon
from platemark.engine.training.scene import PLACES, Scene
from platemark.engine.training.text import ANSWERS, answers

# What it answers. With two things, `kind` is the left or upper one's and `place` means nothing.
_ASKED = ("kind", "colour", "other_kind", "other_colour", "place", "pair", "background", "light")
CLASSES = {name: ANSWERS[name] for name in _ASKED}
WEIGHTS = Path(__file__).parent / "checker.safetensors"


def truth(scene: Scene) -> list[int]:
    """Right answers, in the order of CLASSES."""
    right = dict(zip(ANSWERS, answers(scene), strict=True))
    if len(scene.things) > 1:
        right["place"] = len(PLACES)
    return [right[name] for name in CLASSES]


class Checker(nn.Module):
    """Answers for pictures, float [n, 3, 128, 128] in -1..1: logits by name of CLASSES."""

    def __init__(self) -> None:
        super().__init__()
        widths = ((3, 32, 2), (32, 48, 2), (48, 64, 1), (64, 96, 2), (96, 96, 1), (96, 128, 2), (128, 96, 1))
        layers: list[nn.Module] = []
        for inside, outside, stride in widths:
            layers += [nn.Conv2d(inside, outside, 3, stride, 1), nn.GroupNorm(8, outside), nn.GELU()]
        # 8×8 places of 96 features, halved once more by the mean: where a thing is must stay readable.
        self.features = nn.Sequential(*layers, nn.AvgPool2d(2), nn.Flatten(), nn.Linear(96 * 16, 192), nn.GELU())
        self.heads = nn.ModuleDict({name: nn.Linear(192, count) for name, count in CLASSES.items()})

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """Logits [n, classes] by name."""
        seen = self.features(pictures.contiguous(memory_format=torch.channels_last))
        return {name: head(seen) for name, head in self.heads.items()}


def load(path: Path = WEIGHTS) -> Checker:
    """The trained classifier."""
    checker: Any = Checker()
    checker.load_state_dict({key: value.float() for key, value in safetensors.load_file(path).items()})
    return checker.eval()


@torch.no_grad()
def judge(checker: Checker, pictures: NDArray[np.uint8], scenes: list[Scene]) -> dict[str, Tensor]:
    """For every answer, whether it is right: bool [n]."""
    wanted = torch.tensor([truth(scene) for scene in scenes])
    said = checker(as_tensor(pictures))
    return {name: said[name].argmax(-1) == wanted[:, index] for index, name in enumerate(CLASSES)}


def train(data: Dataset, out: Path, minutes: float, *, batch: int = 48, state: Path | None = None) -> dict[str, float]:
    """Train on all pictures but the last 600 (or a tenth); writes float16 weights. Returns the share right on those."""
    torch.manual_seed(0)
    rng = np.random.default_rng(int(time.time()))
    unseen = min(600, len(data.scenes) // 10)
    seen = len(data.scenes) - unseen
    wanted = torch.tensor([truth(scene) for scene in data.scenes])
    checker: Any = Checker()
    checker.to(memory_format=torch.channels_last)
    if state and state.exists():
        checker.load_state_dict(torch.load(state, weights_only=True))
    muon = Muon(checker.named_parameters())
    begun, step, share = time.monotonic(), 0, 0.0
    while share < 1:
        share = min(1.0, (time.monotonic() - begun) / (minutes * 60))
        chosen: list[int] = rng.integers(0, seen, batch).tolist()
        with torch.autocast("cpu", torch.bfloat16):
            said = checker(_disturbed(data.pictures(chosen), rng))
        loss = _loss(said, wanted[chosen])
        checker.zero_grad()
        loss.backward()
        muon.step(2e-3 * min(1.0, (step + 1) / 30) * (1 - 0.98 * share))
        step += 1
        if step % 50 == 0:
            print(f"checker: step {step}, loss {float(loss.detach()):.3f}", flush=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    if state:
        torch.save(checker.state_dict(), state)
    safetensors.save_file({key: value.half().contiguous() for key, value in checker.state_dict().items()}, out)
    return exam(checker.eval(), data, unseen)


def exam(checker: Checker, data: Dataset, count: int) -> dict[str, float]:
    """Share right on the last `count` pictures."""
    picked = range(len(data.scenes) - count, len(data.scenes))
    right = judge(checker, data.pictures(picked), [data.scenes[index] for index in picked])
    return {name: round(float(hits.float().mean()), 4) for name, hits in right.items()}


def _loss(said: dict[str, Tensor], wanted: Tensor) -> Tensor:
    losses = [
        torch.nn.functional.cross_entropy(said[name].float(), wanted[:, index], label_smoothing=0.03)
        for index, name in enumerate(CLASSES)
    ]
    return torch.stack(losses).sum()


def _disturbed(pictures: NDArray[np.uint8], rng: np.random.Generator) -> Tensor:
    """Softened, noisy, tinted, some as JPEG; float [n, 3, 128, 128]."""
    taken = np.stack([_as_jpeg(picture, rng) if rng.random() < 0.25 else picture for picture in pictures])
    tensor = as_tensor(taken)
    if rng.random() < 0.6:
        factor = 2 if rng.random() < 0.7 else 1.6
        small = torch.nn.functional.interpolate(tensor, scale_factor=1 / factor, mode="area")
        tensor = torch.nn.functional.interpolate(small, size=tensor.shape[-2:], mode="bilinear")
    count = len(pictures)
    grain = torch.randn_like(tensor) * 0.1 * torch.rand(count, 1, 1, 1)
    return tensor + grain + torch.randn(count, 3, 1, 1) * 0.03


def _as_jpeg(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=int(rng.integers(40, 90)))
    return np.asarray(Image.open(buffer))
