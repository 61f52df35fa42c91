"""From logits of held-out sources to probabilities with intervals, thresholds from real pictures, and a diagram."""

import hashlib
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from platemark.core.rates import quantile
from platemark.detectors.ai_image_head import Calibration
from platemark.detectors.learning.regression import Flags, Numbers, above, fair, fit, sigmoid

# Of real pictures, so many lie below the lower and the upper threshold.
LOWER, UPPER = 0.95, 0.98
_DRAWS, _INSIDE = 200, (5.0, 95.0)
_BINS = 10
_GRID = 25


def calibrate(logits: Numbers, ai: Flags, real: Flags, sources: NDArray[np.str_]) -> Calibration:
    """Platt's scaling of logits that no line was trained for, on sources that count alike.

    The interval is that of 90 % of 200 draws of sources, so it is as wide as sources differ. Thresholds are quantiles
    of real photographs alone, split-conformal: they hold for pictures like these, and uploads need not be.
    """
    scaled = _platt(logits, ai, sources)
    grid = np.linspace(float(logits.min()) - 1, float(logits.max()) + 1, _GRID)
    draws = np.array([sigmoid(slope * grid + shift) for slope, shift in _drawn(logits, ai, sources)])
    low, high = np.percentile(draws, _INSIDE, axis=0)
    middle = sigmoid(scaled[0] * grid + scaled[1])
    curve = tuple(
        (round(float(at), 4), round(float(p), 4), round(float(min(a, p)), 4), round(float(max(b, p)), 4))
        for at, p, a, b in zip(grid, middle, low, high, strict=True)
    )
    # As `ai_image_head.probability` reads them, so that a threshold means what it says.
    scores = np.interp(logits, grid, middle)
    t_lo, t_hi = (_threshold(scores, real, share) for share in (LOWER, UPPER))
    digest = hashlib.sha256(repr((curve, t_lo, t_hi)).encode()).hexdigest()[:8]
    return Calibration(
        id=f"cal-{digest}",
        curve=curve,
        t_lo=t_lo,
        t_hi=t_hi,
        fpr_at_t_lo=round(above(scores[real], t_lo), 4),
        fpr_at_t_hi=round(above(scores[real], t_hi), 4),
        real_pictures=int(real.sum()),
    )


def reliability(scores: Numbers, ai: Flags, counts: Numbers) -> list[dict[str, Any]]:
    """Ten bins of scores: how many pictures, what was said of them in the mean, and how many were AI-made.

    `counts`: how much each picture counts in both means; 1 for none more than another.
    """
    which = np.minimum((scores * _BINS).astype(int), _BINS - 1)
    rows: list[dict[str, Any]] = []
    for number in range(_BINS):
        inside = which == number
        total = float(counts[inside].sum())
        row: dict[str, Any] = {"from": number / _BINS, "to": (number + 1) / _BINS, "pictures": int(inside.sum())}
        if total:
            row["said"] = round(float((scores * counts)[inside].sum()) / total, 3)
            row["were"] = round(float((ai * counts)[inside].sum()) / total, 3)
        rows.append(row)
    return rows


def expected_error(rows: list[dict[str, Any]]) -> float:
    """Mean distance between what was said and what was, over pictures; 0 is perfect."""
    total = sum(row["pictures"] for row in rows) or 1
    return round(sum(row["pictures"] * abs(row["said"] - row["were"]) for row in rows if "said" in row) / total, 3)


def _threshold(scores: Numbers, real: Flags, share: float) -> float:
    # Up, so that no picture that the quantile spares lies above it.
    return math.ceil(quantile(scores[real].tolist(), share) * 10_000) / 10_000


def _platt(logits: Numbers, ai: Flags, sources: NDArray[np.str_]) -> tuple[float, float]:
    line = fit(logits[:, None], ai, fair(ai, sources), 100.0)
    return max(float(line.weights[0]), 1e-3), line.bias


def _drawn(logits: Numbers, ai: Flags, sources: NDArray[np.str_]) -> list[tuple[float, float]]:
    chance = np.random.default_rng(1)
    places: dict[bool, list[NDArray[np.intp]]] = {
        side: [np.flatnonzero((ai == side) & (sources == name)) for name in sorted(set(sources[ai == side]))]
        for side in (True, False)
    }
    draws: list[tuple[float, float]] = []
    for _ in range(_DRAWS):
        chosen: list[NDArray[np.intp]] = [
            group[number] for group in places.values() for number in chance.integers(0, len(group), len(group))
        ]
        rows = np.concatenate(chosen)
        # A source that was drawn twice is two sources.
        names = np.repeat(np.arange(len(chosen)).astype(str), [len(one) for one in chosen])
        draws.append(_platt(logits[rows], ai[rows], names))
    return draws
