"""The page of an evaluation on labelled pictures: reliability, and rates at the thresholds and of each source."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from platemark.charts import rates, reliability
from platemark.charts.page import facts, figure, page, section, table
from platemark.charts.rates import Rate
from platemark.charts.reliability import Bin
from platemark.charts.svg import el, said, words
from platemark.core.detector_report import ENOUGH
from platemark.core.inspection import LIMITS

_FEW = f"Hollow: fewer than {ENOUGH} pictures, too few to say much."
_RELIABILITY_KEY = (
    "Each dot is the pictures of one tenth of the score; its size and the number above it say how many. On the dashed "
    "line a score means what it says; below it, it says too much, above it too little. Sources count alike, whatever "
    f"their size. {_FEW}"
)
_RATES_KEY = (
    "Dot: AI-made pictures above the threshold; more is better. Diamond: real ones above it; less is better. Bar: 95 % "
    f"interval (Wilson), as if pictures were drawn one by one: sources differ by more. {_FEW}"
)
_WORDS = {"detected": "AI-made", "false_alarms": "photographs", "screenshots": "screenshots and the like"}
_KINDS = {"detected": "ai", "false_alarms": "real", "screenshots": "real_nonphoto"}
_LABELS = {"ai": "AI-made", "real": "photographs", "real_nonphoto": "screenshots and the like"}
_MEASURES = {
    "auc": "AUC",
    "auc_worse": "AUC, pictures made worse",
    "auc_with_screenshots": "AUC, screenshots count as real",
    "auc_worst": "AUC, the worst way",
    "tpr_at_5_fpr": "AI-made found at 5 % false alarms",
    "tpr_at_1_fpr": "AI-made found at 1 % false alarms",
    "screenshots_above_5_fpr": "screenshots above the level of 5 %",
}
_METHODS = (
    "Baseline: a simpler method, for comparison. Shortcut: sees nothing but size, bytes and format; where it comes "
    "near, the other figures mean little."
)
_HELD_OUT = ("leaving_one_source_out", "leaving_groups_out")
_SAMPLE = (
    "A score is a probability where half of all pictures are AI-made. Other pictures, and newer models, will differ."
)
_LEARNED = "Pictures that the head was trained on flatter it: hold their sources out (--held-out), or bring others."


def corpus_page(answer: Mapping[str, Any], when: datetime) -> str:
    """Whole HTML of what `detector evaluate --corpus` says: of one head, or with sources held out.

    `answer` is as of `learning.making.judge` or `compare`; `when` is now, in UTC.
    """
    counts = answer["pictures"]
    lede = (
        f"Measured {when:%Y-%m-%d %H:%M} UTC on {counts['ai']} AI-made pictures, {counts['real']} photographs and "
        f"{counts['real_nonphoto']} screenshots or the like, of {counts['sources']} sources."
    )
    limits = (*((_LEARNED,) if "head" in answer else ()), _SAMPLE, *LIMITS)
    parts = [_reliability(answer["reliability"]), _at_thresholds(answer), _sources(answer["sources"]), *_about(answer)]
    return page("What the detector says of labelled pictures", lede, *parts, limits=limits)


def _reliability(rows: Sequence[Mapping[str, Any]]) -> str:
    bins = [Bin(row["from"], row["to"], row["pictures"], row.get("said"), row.get("were")) for row in rows]
    caption = "Does a score mean what it says?"
    columns = ("score", "pictures", "said, in the mean", "were AI-made")
    told = [
        (
            f"{one.start:.1f} to {one.end:.1f}",
            one.pictures,
            None if one.said is None else said(one.said),
            None if one.were is None else said(one.were),
        )
        for one in bins
    ]
    return figure(caption, _RELIABILITY_KEY, reliability.chart("reliability", caption, bins), columns, told)


def _at_thresholds(answer: Mapping[str, Any]) -> str:
    sections = [
        (
            f"Above {row['threshold']}, {row['at']:.2f}",
            [_rate(answer["pictures"], row, name) for name in _WORDS if answer["pictures"][_KINDS[name]]],
        )
        for row in answer["rates"]
    ]
    return _figure("thresholds", "How many lie above each threshold", sections)


def _rate(counts: Mapping[str, int], row: Mapping[str, Any], name: str) -> Rate:
    low, high = row[f"{name}_interval"]
    return Rate(_WORDS[name], counts[_KINDS[name]], row[name], low, high, name != "detected")


def _sources(rows: Sequence[Mapping[str, Any]]) -> str:
    sections = [
        (
            heading,
            [
                Rate(row["source"], row["pictures"], row["rate"], row["low"], row["high"], label != "ai")
                for row in rows
                if row["label"] == label
            ],
        )
        for label, heading in _LABELS.items()
    ]
    return _figure("sources", "How many of each source lie above t_hi", sections)


def _figure(id: str, caption: str, sections: Sequence[tuple[str, Sequence[Rate]]]) -> str:
    rows = [
        (
            f"{heading}: {one.name}",
            f"{one.pictures}{one.warning}",
            None if one.rate is None else said(one.rate),
            f"{said(one.low)} to {said(one.high)}",
        )
        for heading, drawn in sections
        for one in drawn
    ]
    columns = ("pictures", "n", "rate", "95 % interval")
    return figure(caption, _RATES_KEY, rates.chart(id, caption, sections), columns, rows)


def _about(answer: Mapping[str, Any]) -> list[str]:
    if "head" in answer:
        head = answer["head"]
        told = {"Head": head["name"], "SHA-256": head["sha256"], "Calibration": head["calibration"]}
        return [
            section("How it was measured", facts(told | {"AUC": answer["auc"], "AUC, made worse": answer["auc_worse"]}))
        ]
    return [
        section(name.replace("_", " ").capitalize(), _methods(name, answer[name]))
        for name in _HELD_OUT
        if name in answer
    ]


def _methods(name: str, figures: Mapping[str, Mapping[str, float]]) -> str:
    measures = next(iter(figures.values()))
    rows = [
        (_MEASURES.get(measure, measure.replace("_", " ")), *(f"{found[measure]:.3f}" for found in figures.values()))
        for measure in measures
    ]
    return el("p", words(_METHODS), class_="key") + table(
        f"Learned anew, {name.replace('_', ' ')}", ("measured", *figures), rows
    )
