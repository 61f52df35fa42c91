"""Detector: prompts compared with labelled examples by meaning. By itself it asks for a person, and never blocks.

The measure is a margin: how much closer a text lies to the violating examples of a category than to the safe ones.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import anyio
import anyio.to_thread
import numpy as np
from numpy.typing import NDArray

from platemark.core.errors import Misconfigured, ModelUnavailable
from platemark.core.moderation import NOTHING_FOUND, Signal
from platemark.detectors.absent import NOT_EVALUATED
from platemark.detectors.bank import SAFE, Bank, read_bank, read_vectors
from platemark.detectors.lexicon import NEGATIVE
from platemark.detectors.pieces import Piece, pieces_of
from platemark.detectors.sentences import Embed, SentenceModel

NAME = "prompt_examples"
# How many neighbours on each side; the mean of five is steadier than the nearest one.
_NEIGHBOURS = 5
# The margin at which a person should look (score 0.5), and what a clause by itself has to have on top.
REVIEW_AT, _CLAUSE_EXTRA = 0.04, 0.04
_SLOPE = 8.0
# Below the policy's threshold for a block: likeness to examples is no proof.
MOST = 0.8
LEAST = 0.25
# How far behind the best category another one may lie and still be named.
_RIVAL = 0.03
# A word or two, such as a file's name, is like everything a little; it has to be like one example very much.
_FEW, _CLEARLY = 2, 0.6
# The network lets go of Python's lock, so two threads are two cores.
_THREADS = 2
Vectors: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Found:
    """A category of one piece with its margin and the index of its nearest example."""

    category: str
    margin: float
    nearest: int
    similarity: float
    piece: Piece


class Neighbours:
    """The bank as vectors, one a row; `codes[i]` is the code of row `i`."""

    def __init__(self, rows: Vectors, codes: Sequence[str]) -> None:
        # By code, safe ones last, so that each code is a slice and nothing has to be gathered for a look.
        kinds = [*sorted(set(codes) - {SAFE}), SAFE]
        self._order = np.array(sorted(range(len(codes)), key=lambda row: kinds.index(codes[row])), dtype=np.intp)
        self._rows = np.ascontiguousarray(rows[self._order])
        ends = np.cumsum([list(codes).count(kind) for kind in kinds]).tolist()
        self._slices = {kind: slice(start, end) for kind, start, end in zip(kinds, [0, *ends], ends, strict=False)}
        self._safe = self._slices.pop(SAFE)

    def margins(self, vector: Vectors) -> Iterator[tuple[str, float, int, float]]:
        """Category, margin, index of its nearest example and similarity to it, of every category."""
        # Not through BLAS, whose threads would spin for a product as small as this.
        near = np.einsum("ij,j->i", self._rows, vector)
        safe = _mean_of_most(near[self._safe])
        whatever = _mean_of_most(near[: self._safe.start])
        for code, places in self._slices.items():
            ours = near[places]
            best = int(ours.argmax())
            # Half of what speaks for this category, half of what speaks for any.
            margin = (_mean_of_most(ours) + whatever) / 2 - safe
            yield code, margin, int(self._order[places.start + best]), float(ours[best])


class PromptExamples:
    """Looks at every named text but the negative prompt, which says what is not wanted.

    `embed` and `vectors` are asked for with the first text, in a thread; where they raise ModelUnavailable or
    Misconfigured, the texts were not evaluated, and the next call asks again.
    """

    name = NAME

    def __init__(self, bank: Bank, embed: Embed, vectors: Callable[[], Vectors], *, model: str) -> None:
        self.version = f"{bank.version}/{model[:12]}"
        self._bank, self._embed, self._read = bank, embed, vectors
        self._neighbours: Neighbours | None = None
        self._limiter = anyio.CapacityLimiter(_THREADS)

    @classmethod
    def load(cls, model: SentenceModel) -> "PromptExamples":
        """Read the bank that ships. Blocks. Raises Misconfigured where its files are not what was installed."""
        bank = read_bank()
        sha256 = model.network.sha256
        return cls(bank, model, partial(read_vectors, bank, sha256), model=sha256)

    async def look(self, texts: Mapping[str, str], /) -> Sequence[Signal]:
        """A signal for each category that a text lies close to, score 0.25 to 0.8; one of `none` where there is none.

        Evidence: field and place of the clause, margin, similarity, and the nearest example's number in the bank.
        """
        return await anyio.to_thread.run_sync(self.measure, texts, limiter=self._limiter)

    async def warm(self) -> None:
        """Load what the first text needs. Raises ModelUnavailable or Misconfigured."""
        await anyio.to_thread.run_sync(list, self._pieces("a house"), limiter=self._limiter)

    def measure(self, texts: Mapping[str, str]) -> Sequence[Signal]:
        """As `look`, in this thread."""
        try:
            signals = [signal for name, text in texts.items() if name != NEGATIVE for signal in self._of(name, text)]
        except (ModelUnavailable, Misconfigured) as error:
            return [self._unseen(error.detail)]
        except Exception as error:
            # The session and the tokenizer raise kinds of their own for files that are damaged.
            return [self._unseen(f"The sentence model failed ({type(error).__name__}). Run: platemark models check")]
        return signals or [self._signal(NOTHING_FOUND, 0.0, {})]

    def _of(self, field: str, text: str) -> Iterator[Signal]:
        best: dict[str, _Found] = {}
        for found in self._pieces(text):
            if found.category not in best or best[found.category].margin < found.margin:
                best[found.category] = found
        least = max((found.margin for found in best.values()), default=0.0) - _RIVAL
        for found in sorted(best.values(), key=lambda found: -found.margin):
            if found.margin >= least and (score := score_of(found.margin)) >= LEAST:
                yield self._signal(found.category, score, _evidence(field, found))

    def _pieces(self, text: str) -> Iterator[_Found]:
        if self._neighbours is None:
            self._neighbours = Neighbours(self._read(), self._bank.codes)
        for piece in pieces_of(text):
            less = 0.0 if piece.whole else _CLAUSE_EXTRA
            for code, margin, nearest, similarity in self._neighbours.margins(self._embed(piece.text)):
                if similarity >= _CLEARLY or len(piece.text.split()) > _FEW:
                    yield _Found(code, margin - less, nearest, similarity, piece)

    def _signal(self, category: str, score: float, evidence: dict[str, Any]) -> Signal:
        return Signal(detector=NAME, version=self.version, category=category, score=score, evidence=evidence)

    def _unseen(self, reason: str) -> Signal:
        return Signal(
            detector=NAME, version=self.version, category=NOT_EVALUATED, evaluated=False, evidence={"reason": reason}
        )


def score_of(margin: float) -> float:
    """A margin on the scale of policies: 0.5 where a person should look, at most `MOST`."""
    return round(min(max(0.5 + (margin - REVIEW_AT) * _SLOPE, 0.0), MOST), 4)


def _mean_of_most(near: Vectors) -> float:
    count = min(_NEIGHBOURS, len(near))
    return float(np.add.reduce(np.partition(near, -count)[-count:])) / count


def _evidence(field: str, found: _Found) -> dict[str, Any]:
    return {
        "field": field,
        "start": found.piece.start,
        "end": found.piece.end,
        "margin": round(found.margin, 4),
        "similarity": round(found.similarity, 4),
        "example": found.nearest,
    }
