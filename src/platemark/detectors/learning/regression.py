"""Logistic regression by Newton's method, and how its answers are measured. Nothing but numpy."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Line:
    """A line through features as they come: the scaling is part of it."""

    weights: Numbers
    bias: float

    def logits(self, values: Numbers) -> Numbers:
        """One for each row."""
        return np.einsum("ij,j->i", values, self.weights) + self.bias


def fit(values: Numbers, ai: Flags, counts: Numbers, strength: float, *, steps: int = 25) -> Line:
    """Standardised, with an L2 penalty of 1/`strength` on all weights but the bias. `counts`: how much a row counts."""
    middle, spread = values.mean(axis=0), values.std(axis=0) + 1e-6
    rows = np.hstack([(values - middle) / spread, np.ones((len(values), 1))])
    penalty = np.append(np.full(values.shape[1], 1 / strength), 1e-6)
    line, wanted = np.zeros(rows.shape[1]), ai.astype(np.float64)
    for _ in range(steps):
        said = sigmoid(rows @ line)
        slope = rows.T @ (counts * (said - wanted)) + penalty * line
        bend = (rows * (counts * said * (1 - said))[:, None]).T @ rows
        bend[np.diag_indices_from(bend)] += penalty
        step = np.linalg.solve(bend, slope)
        line = line - step
        if float(np.abs(step).max()) < 1e-6:
            break
    weights = line[:-1] / spread
    return Line(weights, float(line[-1] - weights @ middle))


def fair(ai: Flags, sources: NDArray[np.str_]) -> Numbers:
    """How much each row counts: both classes the same in sum, and in each class every source. Their mean is 1."""
    counts = np.zeros(len(ai))
    for side in (True, False):
        inside = ai == side
        names, which, many = np.unique(sources[inside], return_inverse=True, return_counts=True)
        counts[inside] = 1 / (many[which] * max(len(names), 1))
    return counts * len(ai) / max(float(counts.sum()), 1e-9)


def sigmoid(logits: Numbers) -> Numbers:
    """1 / (1 + e⁻ˣ), without overflow."""
    return 1 / (1 + np.exp(-np.clip(logits, -60, 60)))


def auc(ai: Numbers, real: Numbers) -> float:
    """How often a picture of `ai` scores higher than one of `real`; ties count half. 0.5 is chance."""
    both = np.concatenate([ai, real])
    _, which, many = np.unique(both, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(many) - (many - 1) / 2)[which]
    return float((ranks[: len(ai)].sum() - len(ai) * (len(ai) + 1) / 2) / max(len(ai) * len(real), 1))


def above(scores: Numbers, threshold: float) -> float:
    """The share of scores above the threshold; 0 where there are none."""
    return float((scores > threshold).mean()) if len(scores) else 0.0
