"""Measured on sources that were not learned from: ours, the research baseline, and what a blind man would score."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from platemark.core.rates import quantile, wilson
from platemark.detectors.learning.regression import Flags, Line, Numbers, above, auc, fair, fit
from platemark.detectors.learning.table import REMADE, STORED, WORSE, Table

Method = Literal["ours", "baseline", "shortcut"]
METHODS: tuple[Method, ...] = ("ours", "baseline", "shortcut")
# Strengths that are tried inside the training sources; the baseline's is that of the research.
GRID = (1e-5, 3e-5, 1e-4)
_BASELINE, _SHORTCUT = 0.003, 1.0
_REMADE = 0.3
PARTITIONS = 6
_GROUPS = 3
Tell = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Scores:
    """A logit for each sample, each by a line that never saw its source."""

    stored: Numbers
    worse: Numbers


def leave_one_out(table: Table, method: Method, tell: Tell) -> Scores:
    """Every source held out once."""
    return _scores(table, method, [{name} for name in _names(table)], tell)


def leave_groups_out(table: Table, method: Method, tell: Tell, partitions: int = PARTITIONS) -> list[Scores]:
    """The sources in three groups, each held out once, for several ways to group them."""
    return [_scores(table, method, _grouped(table, number), tell) for number in range(partitions)]


def learn(table: Table, inside: Flags, method: Method) -> Line:
    """A line from the samples of `inside`, in both views."""
    values = {view: _values(table, view, method) for view in (STORED, WORSE)}
    rows = np.concatenate([values[STORED][inside], values[WORSE][inside]])
    ai, counts = np.tile(table.ai[inside], 2), np.tile(fair(table.ai[inside], table.sources[inside]), 2)
    if method == "ours" and REMADE in table.values:
        rows, ai, counts = _with_remade(table, inside, rows, ai, counts)
    strength = {"baseline": _BASELINE, "shortcut": _SHORTCUT}.get(method) or _strength(table, inside)
    line = fit(rows, ai, counts, strength, steps=10)
    return _scaled(line, rows, counts) if method == "ours" else line


def _with_remade(
    table: Table, inside: Flags, rows: Numbers, ai: Flags, counts: Numbers
) -> tuple[Numbers, Flags, Numbers]:
    """And the photographs of `inside`, remade, as AI-made ones that count for `_REMADE` of a view together."""
    chosen = inside & table.real
    more = table.middle(REMADE)[chosen]
    weight = np.full(len(more), _REMADE * inside.sum() / max(len(more), 1))
    ai, counts = np.append(ai, np.ones(len(more), dtype=bool)), np.append(counts, weight)
    # Both classes count the same, or the line's bias would move with its strength.
    counts[ai] *= counts[~ai].sum() / counts[ai].sum()
    return np.concatenate([rows, more]), ai, counts


def _scaled(line: Line, rows: Numbers, counts: Numbers) -> Line:
    """With a spread of 1 on what it learned from, so that logits of different folds and strengths can be compared.

    Not moved: the mean of the samples depends on how many of them are AI-made, which would tell what was held out.
    """
    logits = line.logits(rows)
    middle = np.average(logits, weights=counts)
    spread = float(np.sqrt(np.average((logits - middle) ** 2, weights=counts))) or 1.0
    return Line(line.weights / spread, line.bias / spread)


def figures(table: Table, scores: Sequence[Scores]) -> dict[str, Any]:
    """AUC and detection rates, in the mean over `scores`. Real are photographs, unless it is said."""
    found = [_figures(table, one) for one in scores]
    means = {name: round(float(np.mean([one[name] for one in found])), 3) for name in found[0]}
    return means | ({"auc_worst": round(min(one["auc"] for one in found), 3)} if len(found) > 1 else {})


def by_source(table: Table, scores: Numbers, threshold: float) -> list[dict[str, Any]]:
    """Of every source, how many pictures lie above a logit, with the 95 % interval of that rate."""
    rows: list[dict[str, Any]] = []
    for label in ("ai", "real", "real_nonphoto"):
        labelled = np.array([one.label == label for one in table.samples])
        for name in sorted(set(table.sources[labelled])):
            inside = labelled & (table.sources == name)
            hits, total = int((scores[inside] > threshold).sum()), int(inside.sum())
            low, high = wilson(hits, total)
            row = {"label": label, "source": str(name), "pictures": total, "above": hits}
            rows.append(row | {"rate": round(hits / total, 3), "low": round(low, 3), "high": round(high, 3)})
    return rows


def _figures(table: Table, scores: Scores) -> dict[str, float]:
    ai, real, other = table.ai, table.real, table.nonphoto
    at = {share: quantile(scores.stored[real].tolist(), share) for share in (0.95, 0.99)}
    return {
        "auc": auc(scores.stored[ai], scores.stored[real]),
        "auc_worse": auc(scores.worse[ai], scores.worse[real]),
        "auc_with_screenshots": auc(scores.stored[ai], scores.stored[~ai]),
        "tpr_at_5_fpr": above(scores.stored[ai], at[0.95]),
        "tpr_at_1_fpr": above(scores.stored[ai], at[0.99]),
        "screenshots_above_5_fpr": above(scores.stored[other], at[0.95]),
    }


def _values(table: Table, view: str, method: Method) -> Numbers:
    if method == "shortcut":
        return table.control
    return table.last(view) if method == "baseline" else table.middle(view)


def _scores(table: Table, method: Method, groups: Sequence[set[str]], tell: Tell) -> Scores:
    stored, worse = np.zeros(len(table.ai)), np.zeros(len(table.ai))
    for number, group in enumerate(groups):
        out = np.isin(table.sources, list(group))
        line = learn(table, ~out, method)
        stored[out] = line.logits(_values(table, STORED, method)[out])
        worse[out] = line.logits(_values(table, WORSE, method)[out])
        tell(number + 1, len(groups))
    return Scores(stored, worse)


def _strength(table: Table, inside: Flags) -> float:
    """The strength of GRID that is best on sources held out of `inside`, so that nothing outside has a say."""
    names = sorted(set(table.sources[inside]))
    best = {strength: 0.0 for strength in GRID}
    for group in _parts(table, names, seed=0):
        out = inside & np.isin(table.sources, list(group))
        kept = inside & ~out
        if not (out & table.ai).any() or not (out & ~table.ai).any():
            continue
        counts = fair(table.ai[kept], table.sources[kept])
        values = table.middle(WORSE)
        for strength in GRID:
            line = fit(values[kept], table.ai[kept], counts, strength, steps=6)
            logits = line.logits(values)
            best[strength] += auc(logits[out & table.ai], logits[out & ~table.ai])
    return max(best, key=lambda strength: best[strength])


def _names(table: Table) -> list[str]:
    return sorted(set(table.sources))


def _grouped(table: Table, number: int) -> list[set[str]]:
    return _parts(table, _names(table), seed=number)


def _parts(table: Table, names: Sequence[str], seed: int) -> list[set[str]]:
    """Three groups with both classes in each, where chance finds them; the same ones for the same seed."""
    found: list[set[str]] = []
    for found in _shuffles(names, seed):
        if all(_both(table, group) for group in found):
            break
    return found


def _shuffles(names: Sequence[str], seed: int) -> Iterator[list[set[str]]]:
    chance = random.Random(seed)  # noqa: S311 - the same groups at every run
    for _ in range(200):
        order = list(names)
        chance.shuffle(order)
        yield [set(order[start::_GROUPS]) for start in range(_GROUPS)]


def _both(table: Table, group: set[str]) -> bool:
    inside = np.isin(table.sources, list(group))
    return bool((inside & table.ai).any() and (inside & table.real).any())
