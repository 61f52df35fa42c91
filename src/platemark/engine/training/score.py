"""How often the model draws what was asked, on combinations that its training never saw."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from platemark.engine.training.captions import caption
from platemark.engine.training.checker import Checker, judge
from platemark.engine.training.palette import COLOURS, PLAINS
from platemark.engine.training.render import render
from platemark.engine.training.scene import PLACES, Pair, Scene, Thing, compose, held_out, pick, sample
from platemark.engine.training.things import KINDS

Draw = Callable[[Sequence[str]], list[Image.Image]]


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt, and the scene that it asks for."""

    prompt: str
    scene: Scene


def singles(count: int, seed: int = 77) -> list[Question]:
    """Prompts for one thing each, all of held-out combinations, kinds in turn."""
    rng = np.random.default_rng(seed)
    asked: list[Question] = []
    while len(asked) < count:
        scene = sample(rng, held=True)
        if scene.things[0].kind == KINDS[len(asked) % len(KINDS)]:
            asked.append(Question(caption(scene, rng, complete=True), scene))
    return asked


def pairs(count: int, seed: int = 78) -> list[Question]:
    """Prompts for two things, side by side and one above the other in turn, with a held-out combination."""
    rng = np.random.default_rng(seed)
    asked: list[Question] = []
    while len(asked) < count:
        pair: Pair = "stacked" if len(asked) % 2 else "beside"
        background = pick(rng, list(PLAINS))
        places = PLACES[3:5] if pair == "stacked" else PLACES[1:3]
        kinds = [str(kind) for kind in rng.choice(KINDS, 2, replace=False)]
        things = [
            Thing(kind, pick(rng, list(COLOURS)), "medium", place) for kind, place in zip(kinds, places, strict=True)
        ]
        scene = compose(rng, things, background, plain=True, pair=pair)
        hidden = any(thing.colour in (background, "white", "black", "yellow") for thing in things)
        if not hidden and any(held_out(thing.kind, thing.colour, background) for thing in things):
            asked.append(Question(caption(scene, rng, complete=True), scene))
    return asked


def score_singles(checker: Checker, questions: Sequence[Question], pictures: Sequence[Image.Image]) -> dict[str, Any]:
    """Shares right, 0..1: thing, colour, place, background with its light, all four; and right/asked by kind."""
    right = _judged(checker, questions, pictures)
    background = right["background"] & right["light"]
    every = right["kind"] & right["colour"] & right["place"] & background
    by_kind: dict[str, list[bool]] = {}
    for question, hit in zip(questions, right["kind"].tolist(), strict=True):
        by_kind.setdefault(question.scene.things[0].kind, []).append(hit)
    return {
        "prompts": len(questions),
        "thing": _share(right["kind"]),
        "colour": _share(right["colour"]),
        "place": _share(right["place"]),
        "background": _share(background),
        "all_four": _share(every),
        "by_kind": {kind: f"{sum(hits)}/{len(hits)}" for kind, hits in sorted(by_kind.items())},
    }


def score_pairs(checker: Checker, questions: Sequence[Question], pictures: Sequence[Image.Image]) -> dict[str, Any]:
    """Shares right, 0..1: both things in their places, and their colours too."""
    right = _judged(checker, questions, pictures)
    placed = right["kind"] & right["other_kind"] & right["pair"]
    beside = np.array([question.scene.pair == "beside" for question in questions])
    return {
        "prompts": len(questions),
        "arrangement": _share(right["pair"]),
        "left_right": round(float(placed.numpy()[beside].mean()), 3),
        "above_below": round(float(placed.numpy()[~beside].mean()), 3),
        "both_things": _share(placed),
        "both_things_and_colours": _share(placed & right["colour"] & right["other_colour"]),
    }


def full(checker: Checker, draw: Draw, count: int = 300, pair_count: int = 80) -> dict[str, Any]:
    """The whole score of a model, beside that of true renders of the same scenes."""
    single, double = singles(count), pairs(pair_count)
    return {
        "singles": score_singles(checker, single, draw([question.prompt for question in single])),
        "singles_rendered": score_singles(checker, single, [render(question.scene) for question in single]),
        "pairs": score_pairs(checker, double, draw([question.prompt for question in double])),
        "pairs_rendered": score_pairs(checker, double, [render(question.scene) for question in double]),
    }


def _judged(checker: Checker, questions: Sequence[Question], pictures: Sequence[Image.Image]) -> dict[str, Any]:
    stack = np.stack([np.asarray(picture.convert("RGB")) for picture in pictures])
    return judge(checker, stack, [question.scene for question in questions])


def _share(hits: Any) -> float:
    return round(float(hits.float().mean()), 3)
