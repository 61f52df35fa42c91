"""The sentence model for tests, where its weights lie on this machine: in PLATEMARK_CACHE, else ~/.cache/platemark."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from platemark.core.errors import ModelUnavailable
from platemark.detectors.sentences import DIMENSIONS, Vector
from platemark.settings import Settings
from platemark.wiring import sentence_model

CACHE = Path(os.environ.get("PLATEMARK_CACHE", "~/.cache/platemark")).expanduser()
MODEL = sentence_model(Settings(cache=CACHE))
THERE = MODEL.network.path.is_file() and MODEL.tokenizer.path.is_file()
needs_model = pytest.mark.skipif(not THERE, reason="no sentence model here: platemark models pull moderation/minilm*")


def axis(at: int) -> Vector:
    """A direction that nothing else points in."""
    vector = np.zeros(DIMENSIONS, dtype=np.float32)
    vector[at] = 1
    return vector


class Scripted:
    """Stands in for the model: each text points where the first of `words` that it holds does, else to the last axis.

    `texts` are those that it was asked for.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words
        self.texts: list[str] = []

    def __call__(self, text: str, /) -> Vector:
        self.texts.append(text)
        return next((axis(at) for at, word in enumerate(self.words) if word in text), axis(-1))


def missing(_: str, /) -> Vector:
    """A model that is not there."""
    raise ModelUnavailable("not here. Run: platemark models pull moderation/minilm")
