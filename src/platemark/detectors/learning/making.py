"""A head from a table of features; and what a head says of pictures that it was not made from."""

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np

from platemark.core.rates import wilson
from platemark.detectors.ai_image_head import Head, probability
from platemark.detectors.encoder import LAYER
from platemark.detectors.learning import held_out
from platemark.detectors.learning.calibration import calibrate, expected_error, reliability
from platemark.detectors.learning.regression import Numbers, above, auc, fair
from platemark.detectors.learning.table import REMADE, STORED, WORSE, Table

NAME = "clip-vit-b16-int8+line"
Step = Callable[[str], held_out.Tell]


def train(table: Table, encoder_sha256: str, today: date, step: Step) -> Head:
    """A line from everything, calibrated by logits of lines that each left one source out. Blocks for a minute."""
    scores = held_out.leave_one_out(table, "ours", step("leaving one source out"))
    logits, ai = np.concatenate([scores.stored, scores.worse]), np.tile(table.ai, 2)
    calibration = calibrate(logits, ai, np.tile(table.real, 2), np.tile(table.sources, 2))
    line = held_out.learn(table, np.ones(len(table.ai), dtype=bool), "ours")
    return Head(
        name=NAME,
        sha256="",
        encoder_sha256=encoder_sha256,
        weights=line.weights,
        bias=line.bias,
        calibration=calibration,
        trained_on=_trained_on(table, today),
        measured={"leaving_one_source_out": held_out.figures(table, [scores])},
    )


def compare(table: Table, step: Step, partitions: int = held_out.PARTITIONS) -> dict[str, Any]:
    """Ours, the baseline of the research and the shortcut, by the same sources held out; and ours source by source."""
    answer: dict[str, Any] = {"pictures": _counts(table), "leaving_one_source_out": {}, "leaving_groups_out": {}}
    for method in held_out.METHODS:
        one = held_out.leave_one_out(table, method, step(f"{method}, one source out"))
        answer["leaving_one_source_out"][method] = held_out.figures(table, [one])
        if method == "ours":
            answer |= _calibrated(table, one)
        groups = held_out.leave_groups_out(table, method, step(f"{method}, a third of the sources out"), partitions)
        answer["leaving_groups_out"][method] = held_out.figures(table, groups)
    return answer


def judge(table: Table, head: Head) -> dict[str, Any]:
    """What a head says of these pictures, without learning from them: rates at its thresholds, and reliability."""
    views = {view: _probabilities(table, head, view) for view in (STORED, WORSE)}
    scores, held = views[STORED], head.calibration
    return {
        "pictures": _counts(table),
        "head": {"name": head.name, "sha256": head.sha256, "calibration": held.id},
        "auc": round(auc(scores[table.ai], scores[table.real]), 3),
        "auc_worse": round(auc(views[WORSE][table.ai], views[WORSE][table.real]), 3),
        "rates": [_rates(table, scores, name, at) for name, at in (("t_lo", held.t_lo), ("t_hi", held.t_hi))],
        "sources": held_out.by_source(table, scores, held.t_hi),
        "reliability": reliability(scores, table.ai, fair(table.ai, table.sources)),
    }


def recalibrate(table: Table, head: Head) -> Head:
    """The same line with probabilities and thresholds from these pictures, which must not be what it was made from."""
    logits = np.concatenate([_logits(table, head, view) for view in (STORED, WORSE)])
    calibration = calibrate(logits, np.tile(table.ai, 2), np.tile(table.real, 2), np.tile(table.sources, 2))
    measured = head.measured | {"recalibrated_on": _counts(table)}
    return Head(head.name, "", head.encoder_sha256, head.weights, head.bias, calibration, head.trained_on, measured)


def _calibrated(table: Table, scores: held_out.Scores) -> dict[str, Any]:
    held = calibrate(scores.stored, table.ai, table.real, table.sources)
    said = np.array([probability(held, float(logit))[0] for logit in scores.stored])
    rows = reliability(said, table.ai, fair(table.ai, table.sources))
    return {
        "thresholds": {"t_lo": held.t_lo, "t_hi": held.t_hi},
        "rates": [_rates(table, said, name, level) for name, level in (("t_lo", held.t_lo), ("t_hi", held.t_hi))],
        "sources": held_out.by_source(table, said, held.t_hi),
        "reliability": rows,
        "expected_calibration_error": expected_error(rows),
    }


def _rates(table: Table, scores: Numbers, name: str, level: float) -> dict[str, Any]:
    found: dict[str, Any] = {"threshold": name, "at": level}
    for word, inside in (("detected", table.ai), ("false_alarms", table.real), ("screenshots", table.nonphoto)):
        total = int(inside.sum())
        low, high = wilson(int((scores[inside] > level).sum()), total)
        found[word] = round(above(scores[inside], level), 3)
        found[f"{word}_interval"] = [round(low, 3), round(high, 3)]
    return found


def _logits(table: Table, head: Head, view: str) -> Numbers:
    return table.middle(view) @ head.weights + head.bias


def _probabilities(table: Table, head: Head, view: str) -> Numbers:
    return np.array([probability(head.calibration, float(one))[0] for one in _logits(table, head, view)])


def _counts(table: Table) -> dict[str, int]:
    return {
        "ai": int(table.ai.sum()),
        "real": int(table.real.sum()),
        "real_nonphoto": int(table.nonphoto.sum()),
        "sources": len(set(table.sources)),
    }


def _trained_on(table: Table, today: date) -> dict[str, Any]:
    rows: dict[str, dict[str, int]] = {}
    for sample in table.samples:
        row = rows.setdefault(sample.source, {})
        row[sample.label] = row.get(sample.label, 0) + 1
    return {
        "when": today.isoformat(),
        "layer": LAYER,
        "pictures": _counts(table),
        "remade": int(table.real.sum()) if REMADE in table.values else 0,
        "sources": dict(sorted(rows.items())),
    }
