"""The denoiser and the text encoder learn together: several single-threaded processes that share their gradients.

A run can be killed at any time and started again: it goes on from the last state on disk.
"""

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from platemark.engine.training import dataset
from platemark.engine.training.captions import caption
from platemark.engine.training.libraries import Tensor, diffusers, torch, transformers
from platemark.engine.training.muon import Muon
from platemark.engine.training.noise import alphas, errors, noised
from platemark.engine.training.scene import Scene
from platemark.engine.training.text import tokens
from platemark.engine.training.things import FIRST_EDITION

_TEXT_RATE = 3e-4
_LONGEST_STEP = 600.0  # seconds


@dataclass(frozen=True, slots=True)
class Plan:
    """One run. `start` is the model folder whose denoiser and autoencoder it begins with, `text` the encoder's folder.

    The rate is held for the share `hold` of `minutes`, then falls in a line to 3 %. `minutes` counts all attempts.
    Pictures of things that the first edition did not know are taken `favour` times as often as others.
    """

    data: Path
    start: Path
    text: Path
    out: Path
    minutes: float
    rate: float = 1.5e-3
    hold: float = 0.5
    batch: int = 64
    world: int = 2
    favour: float = 2
    save_every: float = 5
    most_steps: int | None = None
    seed: int = 1


@dataclass(slots=True)
class Progress:
    """How far a run has come, over all attempts."""

    step: int = 0
    samples: int = 0
    seconds: float = 0
    loss: float | None = None
    log: list[dict[str, float]] = field(default_factory=list[dict[str, float]])


@dataclass(slots=True)
class Shared:
    """What the processes have in common: gradients [world, n], updates [n], control [rate, stop], a meeting point."""

    gradients: Tensor
    updates: Tensor
    control: Tensor
    barrier: Any


def train(plan: Plan) -> None:
    """Run the plan to its end; what is written into `plan.out` is state.pt."""
    plan.out.mkdir(parents=True, exist_ok=True)
    context = torch.multiprocessing.get_context("spawn")
    unet, text = _models(plan)
    count = sum(p.numel() for p in [*unet.parameters(), *text.parameters()])
    shared = Shared(
        torch.zeros(plan.world, count).share_memory_(),
        torch.zeros(count).share_memory_(),
        torch.zeros(2).share_memory_(),
        # Who waits for a process that was killed gives up at last.
        context.Barrier(plan.world, timeout=_LONGEST_STEP),
    )
    others: list[Any] = [context.Process(target=_work, args=(rank, plan, shared)) for rank in range(1, plan.world)]
    for process in others:
        process.start()
    try:
        _work(0, plan, shared)
    finally:
        for process in others:
            process.join()


def read_state(out: Path) -> dict[str, Any] | None:
    """The last state that a run wrote into `out`, or None."""
    place = out / "state.pt"
    return torch.load(place, map_location="cpu", weights_only=True) if place.exists() else None


def _models(plan: Plan) -> tuple[Any, Any]:
    unet: Any = diffusers.UNet2DConditionModel.from_pretrained(plan.start / "unet", dtype=torch.float32)
    text: Any = transformers.CLIPTextModel.from_pretrained(plan.text / "text_encoder", dtype=torch.float32)
    # Plain matrix products train a fifth faster than the fused attention on pictures this small.
    unet.set_attn_processor(diffusers.models.attention_processor.AttnProcessor())
    return unet.train().to(memory_format=torch.channels_last), text.train()


def _odds(scenes: Sequence[Scene], favour: float) -> NDArray[np.float64]:
    new = [any(thing.kind not in FIRST_EDITION for thing in scene.things) for scene in scenes]
    odds = np.where(new, favour, 1.0)
    return odds / odds.sum()


class Worker:
    """One process of a run: its copy of the networks, its share of each batch."""

    def __init__(self, rank: int, plan: Plan, shared: Shared):
        torch.set_num_threads(1)
        self.rank, self.plan, self.shared = rank, plan, shared
        self.unet, self.text = _models(plan)
        self.tokenizer: Any = transformers.CLIPTokenizer.from_pretrained(plan.text / "tokenizer")
        self.means = [copy.deepcopy(m).eval().requires_grad_(False) for m in (self.unet, self.text)]
        meet = shared.barrier.wait if plan.world > 1 else None
        self.muon = Muon(self.unet.named_parameters(), rank=rank, world=plan.world, share=shared.updates, meet=meet)
        self.adam = torch.optim.AdamW(self.text.parameters(), lr=_TEXT_RATE, betas=(0.9, 0.98), weight_decay=0.01)
        self.progress = Progress()
        self._resume()
        self.parameters = [*self.unet.parameters(), *self.text.parameters()]
        self.averages = [*self.means[0].parameters(), *self.means[1].parameters()]
        self.alphas = alphas()
        self.data = dataset.load(plan.data)
        self.odds = _odds(self.data.scenes, plan.favour)
        vae: Any = diffusers.AutoencoderTiny.from_pretrained(plan.start / "vae")
        self.latents = torch.from_numpy(self.data.latents).float() * vae.config.scaling_factor
        seed = plan.seed + rank + 1009 * self.progress.step
        torch.manual_seed(seed)
        self.rng = np.random.default_rng(seed)
        self.empty = tokens(self.tokenizer, [""])
        self.begun = self.saved = time.monotonic()
        self.first = self.progress.step

    def _resume(self) -> None:
        state = read_state(self.plan.out)
        if not state:
            return
        for module, key in zip(
            [self.unet, self.text, *self.means], ("unet", "text", "mean_unet", "mean_text"), strict=True
        ):
            module.load_state_dict(state[key])
        self.muon.restore(state["muon"])
        self.adam.load_state_dict(state["adam"])
        self.progress = Progress(**state["progress"])

    def save(self) -> None:
        """Write state.pt, whole or not at all."""
        modules = dict(
            zip(("unet", "text", "mean_unet", "mean_text"), [self.unet, self.text, *self.means], strict=True)
        )
        told = {name: getattr(self.progress, name) for name in Progress.__slots__} | {"seconds": self.seconds()}
        state = {key: module.state_dict() for key, module in modules.items()}
        partial = self.plan.out / "state.part"
        torch.save(state | {"muon": self.muon.state(), "adam": self.adam.state_dict(), "progress": told}, partial)
        partial.replace(self.plan.out / "state.pt")
        self.saved = time.monotonic()

    def seconds(self) -> float:
        """Training time over all attempts."""
        return self.progress.seconds + time.monotonic() - self.begun

    def step(self) -> bool:
        """One batch and one update; whether to go on."""
        even = self._gradients()
        if self.rank == 0:
            self._steer()
        self._exchange()
        rate, stop = self.shared.control.tolist()
        torch.nn.utils.clip_grad_norm_(self.unet.parameters(), 1.0)
        torch.nn.utils.clip_grad_norm_(self.text.parameters(), 1.0)
        self.muon.step(rate)
        self.adam.param_groups[0]["lr"] = _TEXT_RATE * rate / self.plan.rate
        self.adam.step()
        self.progress.step += 1
        self.progress.samples += self.plan.batch
        if self.rank == 0:
            self._account(even, rate, bool(stop))
        return not stop

    def _gradients(self) -> float:
        """Forward and backward over this process's share; returns the loss over evenly spread noise levels."""
        count = self.plan.batch // self.plan.world
        chosen: list[int] = self.rng.choice(len(self.latents), count, p=self.odds).tolist()
        read = tokens(self.tokenizer, [caption(self.data.scenes[index], self.rng) for index in chosen])
        read[torch.rand(count) < 0.1] = self.empty
        noisy, levels, wanted = noised(self.latents[chosen], self.alphas)
        with torch.autocast("cpu", torch.bfloat16):
            told = self.unet(noisy, levels, self.text(read).last_hidden_state).sample
        losses = errors(told, wanted)
        for parameter in self.parameters:
            parameter.grad = None
        losses.mean().backward()
        return float(losses[: count - count // 3].detach().mean())

    def _steer(self) -> None:
        """Set the rate of this step, and whether it is the last."""
        plan, progress = self.plan, self.progress
        share = self.seconds() / (plan.minutes * 60)
        warm = min(1.0, (progress.step - self.first + 1) / 40)
        fall = 1 if share < plan.hold else 0.03 + 0.97 * max(0.0, 1 - share) / (1 - plan.hold)
        ended = share >= 1 or (plan.most_steps is not None and progress.step + 1 >= plan.most_steps)
        self.shared.control[0] = plan.rate * warm * fall
        self.shared.control[1] = float(ended)

    def _exchange(self) -> None:
        """Every process gets the mean of all gradients."""
        if self.plan.world == 1:
            return
        flat = [(p.grad if p.grad is not None else torch.zeros_like(p)).reshape(-1) for p in self.parameters]
        torch.cat(flat, out=self.shared.gradients[self.rank])
        self.shared.barrier.wait()
        mean = self.shared.gradients.mean(0)
        for parameter, part in zip(self.parameters, mean.split([p.numel() for p in self.parameters]), strict=True):
            parameter.grad = part.view(parameter.shape)

    def _account(self, loss: float, rate: float, stop: bool) -> None:
        progress = self.progress
        keep = min(0.997, (1 + progress.step) / (10 + progress.step))
        torch._foreach_lerp_(self.averages, [p.detach() for p in self.parameters], 1 - keep)
        progress.loss = loss if progress.loss is None else progress.loss * 0.98 + loss * 0.02
        if progress.step % 20 == 0 or stop:
            line = {
                "minutes": self.seconds() / 60,
                "step": progress.step,
                "samples": progress.samples,
                "loss": progress.loss,
            }
            progress.log.append({key: round(value, 4) for key, value in (line | {"rate": rate}).items()})
            print("denoiser:", progress.log[-1], flush=True)
        if stop or time.monotonic() - self.saved > self.plan.save_every * 60:
            self.save()


def _work(rank: int, plan: Plan, shared: Shared) -> None:
    try:
        worker = Worker(rank, plan, shared)
        while worker.step():
            pass
    except BaseException:
        # The others would wait for this one for ever.
        shared.barrier.abort()
        raise
