"""The text encoder learns the words of the grammar by naming what a caption says, before any picture is drawn."""

import time
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from platemark.engine.training.captions import caption
from platemark.engine.training.libraries import Tensor, torch, transformers
from platemark.engine.training.palette import COLOURS, PLAINS
from platemark.engine.training.scene import HILLS, LIGHTS, PLACES, SETTINGS, SIZES, Scene, sample
from platemark.engine.training.things import FIRST_EDITION, KINDS

LENGTH = 32  # tokens of a prompt, start and end included
BACKGROUNDS = (*(f"plain {name}" for name in PLAINS), *SETTINGS, HILLS)
ANSWERS = {
    "kind": len(KINDS) + 1,
    "colour": len(COLOURS) + 1,
    "other_kind": len(KINDS) + 1,
    "other_colour": len(COLOURS) + 1,
    "size": len(SIZES) + 1,
    "place": len(PLACES) + 1,
    "pair": 3,
    "background": len(BACKGROUNDS),
    "light": len(LIGHTS),
    "sun": 2,
    "moon": 2,
    "clouds": 2,
}


def answers(scene: Scene) -> list[int]:
    """What a caption of the scene may say, as indices into the classes of ANSWERS."""
    things: list[Any] = [*scene.things, None, None][:2]
    kinds = [KINDS.index(t.kind) if t else len(KINDS) for t in things]
    colours = [list(COLOURS).index(t.colour) if t else len(COLOURS) for t in things]
    first = things[0]
    return [
        kinds[0], colours[0], kinds[1], colours[1],
        list(SIZES).index(first.size) if first else len(SIZES),
        PLACES.index(first.place) if first else len(PLACES),
        (None, "beside", "stacked").index(scene.pair),
        BACKGROUNDS.index(f"plain {scene.background}" if scene.plain else scene.background),
        LIGHTS.index(scene.light),
        int(scene.sun), int(scene.moon), int(bool(scene.clouds)),
    ]  # fmt: skip


def tokens(tokenizer: Any, texts: list[str]) -> Tensor:
    """Token numbers, int64 [n, 32]."""
    read: Any = tokenizer(texts, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt")
    return read.input_ids


def is_first_edition(scene: Scene) -> bool:
    """Whether the first edition knew everything in the scene, so that its encoder's reading of it is right."""
    known = all(thing.kind in FIRST_EDITION for thing in scene.things) and scene.pair != "stacked"
    bare = scene.background == HILLS or (scene.light == "day" and scene.background in SETTINGS[:5])
    return bool(scene.things) and known and (scene.plain or bare)


def train(start: Path, out: Path, minutes: float, *, scenes: int = 12000, batch: int = 96) -> None:
    """Continue the encoder of the folder `start` on the grammar; writes tokenizer and text_encoder into `out`.

    Where the first edition knew everything in a caption, the new hidden states are held near the old ones, so that the
    denoiser can go on reading them.
    """
    torch.manual_seed(0)
    rng = np.random.default_rng(5)
    tokenizer: Any = transformers.CLIPTokenizer.from_pretrained(start / "tokenizer")
    model, old = _encoder(start), _encoder(start)
    drawn = [sample(rng) for _ in range(scenes)]
    wanted = torch.tensor([answers(scene) for scene in drawn])
    familiar = torch.tensor([is_first_edition(scene) for scene in drawn])
    heads = nn.ModuleDict({key: nn.Linear(model.config.hidden_size, count) for key, count in ANSWERS.items()})
    parameters = [*model.parameters(), *heads.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=1e-3, betas=(0.9, 0.98), weight_decay=0.01)
    out.mkdir(parents=True, exist_ok=True)
    state = out / "text.pt"
    if state.exists():
        saved = torch.load(state, weights_only=True)
        model.load_state_dict(saved["model"])
        heads.load_state_dict(saved["heads"])
    begun, step, share = time.monotonic(), 0, 0.0
    while share < 1:
        share = min(1, (time.monotonic() - begun) / (minutes * 60))
        optimiser.param_groups[0]["lr"] = 1e-3 * min(1, (step + 1) / 50) * (1 - 0.95 * share)
        chosen: list[int] = rng.integers(0, scenes - scenes // 10, batch).tolist()
        read = tokens(tokenizer, [caption(drawn[index], rng) for index in chosen])
        with torch.autocast("cpu", torch.bfloat16):
            hidden = model(read).last_hidden_state.float()
        named = _naming(heads, hidden, wanted[chosen], rng)
        kept = familiar[chosen]
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            before = old(read[kept]).last_hidden_state.float()
        drift = torch.nn.functional.mse_loss(hidden[kept], before) if kept.any() else hidden.new_zeros(())
        optimiser.zero_grad()
        (named + 10 * drift).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        step += 1
        if step % 100 == 0:
            print(
                f"text: step {step}, naming {float(named.detach()):.3f}, drift {float(drift.detach()):.4f}", flush=True
            )
    print(f"text: named right {_exam(model, tokenizer, heads, drawn, wanted, rng)}", flush=True)
    torch.save({"model": model.state_dict(), "heads": heads.state_dict()}, state)
    model.save_pretrained(out / "text_encoder")
    tokenizer.save_pretrained(out / "tokenizer")


def _encoder(start: Path) -> Any:
    return transformers.CLIPTextModel.from_pretrained(start / "text_encoder", dtype=torch.float32)


def _naming(heads: nn.ModuleDict, hidden: Tensor, wanted: Tensor, rng: np.random.Generator) -> Tensor:
    # Late positions have read the whole caption: attention only looks back.
    summary = hidden[:, [-1, int(rng.integers(22, 31))]].mean(1)
    losses = [
        torch.nn.functional.cross_entropy(heads[key](summary), wanted[:, index]) for index, key in enumerate(ANSWERS)
    ]
    return torch.stack(losses).sum()


@torch.no_grad()
def _exam(
    model: Any,
    tokenizer: Any,
    heads: nn.ModuleDict,
    scenes: list[Scene],
    wanted: Tensor,
    rng: np.random.Generator,
) -> dict[str, float]:
    unseen = range(len(scenes) - len(scenes) // 10, len(scenes))
    summary = model(tokens(tokenizer, [caption(scenes[i], rng) for i in unseen])).last_hidden_state[:, -1]
    return {
        key: round(float((heads[key](summary).argmax(-1) == wanted[list(unseen), i]).float().mean()), 3)
        for i, key in enumerate(ANSWERS)
    }
