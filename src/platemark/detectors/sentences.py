"""The sentence model: a text in, the direction of its meaning out. Data of others, run by our own session."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from platemark.core.errors import ModelUnavailable
from platemark.detectors.onnx import Session, Weights, open_session

Vector: TypeAlias = NDArray[np.float32]
DIMENSIONS = 384
# The network knows 512 places; longer pieces are cut before they come here (detectors/pieces.py).
MOST_TOKENS = 512


class Embed(Protocol):
    """Gives a text its unit vector of `DIMENSIONS` numbers. Blocks; raises ModelUnavailable saying what to do."""

    def __call__(self, text: str, /) -> Vector:
        """The vector of one text."""
        ...


@dataclass(frozen=True, slots=True)
class SentenceModel:
    """MiniLM by its two files. They are read with the first text; until they are there, each call raises."""

    network: Weights
    tokenizer: Weights

    def __call__(self, text: str, /) -> Vector:
        """The mean of the tokens' vectors, of length 1. One text a run: this network's numbers depend on the batch."""
        session, cutter = open_session(self.network), _open_tokenizer(self.tokenizer)
        return _run(session, cutter.encode(text).ids[:MOST_TOKENS])


def _run(session: Session, tokens: list[int]) -> Vector:
    ids = np.array([tokens], dtype=np.int64)
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    mean = session.run(None, inputs)[0][0].mean(axis=0)
    return mean / np.linalg.norm(mean)


@cache
def _open_tokenizer(weights: Weights) -> Any:
    """The tokenizer without its padding and its limit. Raises ModelUnavailable."""
    remedy = f"Run: platemark models pull {weights.name}"
    try:
        data = weights.path.read_bytes()
    except OSError as error:
        raise ModelUnavailable(f"The weights {weights.name} are not on this machine. {remedy}") from error
    if hashlib.sha256(data).hexdigest() != weights.sha256:
        raise ModelUnavailable(f"The weights {weights.name} are not the file that was listed. {remedy}")
    try:
        library: Any = import_module("tokenizers")
    except ImportError as error:
        raise ModelUnavailable("tokenizers is not installed. Run: pip install 'platemark[server]'") from error
    cutter: Any = library.Tokenizer.from_buffer(data)
    cutter.no_padding()
    cutter.no_truncation()
    return cutter
