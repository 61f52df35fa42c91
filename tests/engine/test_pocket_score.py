"""The shipped model draws what it is asked: a classifier judges it against the bounds in pocket_score.toml."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", exc_type=ImportError)

import diffusers
import torch
from PIL import Image

from platemark.engine.models.folder import POCKET, read_folder
from platemark.engine.training import checker, score
from platemark.engine.training.pipeline import draw
from platemark.engine.training.render import render

# The libraries warn of their own future.
pytestmark = [pytest.mark.torch, pytest.mark.timeout(300), pytest.mark.filterwarnings("ignore")]

BOUNDS = tomllib.loads(Path(__file__).with_name("pocket_score.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def judge() -> checker.Checker:
    return checker.load()


@pytest.fixture(scope="module")
def pocket() -> Any:
    diffusers.utils.logging.set_verbosity_error()
    library: Any = diffusers
    pipeline = library.StableDiffusionPipeline.from_pretrained(POCKET, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def drawn(pocket: Any, questions: Sequence[score.Question]) -> list[Image.Image]:
    declared = read_folder(POCKET).declared
    assert declared.steps
    assert declared.cfg_scale
    prompts = [question.prompt for question in questions]
    return draw(
        pocket, prompts, steps=declared.steps, guidance=declared.cfg_scale, rescale=declared.guidance_rescale, batch=8
    )


def test_the_classifier_knows_true_renders(judge: checker.Checker) -> None:
    questions = score.singles(64, seed=5)
    found = score.score_singles(judge, questions, [render(question.scene) for question in questions])
    assert {key: found[key] for key, bound in BOUNDS["renders"].items() if found[key] < bound} == {}


def test_one_thing_as_asked(judge: checker.Checker, pocket: Any) -> None:
    questions = score.singles(32)
    found = score.score_singles(judge, questions, drawn(pocket, questions))
    assert {key: found[key] for key, bound in BOUNDS["one_thing"].items() if found[key] < bound} == {}


def test_two_things_as_asked(judge: checker.Checker, pocket: Any) -> None:
    questions = score.pairs(16)
    found = score.score_pairs(judge, questions, drawn(pocket, questions))
    assert {key: found[key] for key, bound in BOUNDS["two_things"].items() if found[key] < bound} == {}
