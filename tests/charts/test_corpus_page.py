"""The page of an evaluation on labelled pictures, from what the evaluation really says."""

from typing import Any

import numpy as np
import pytest
from defusedxml.ElementTree import fromstring

from platemark.charts.corpus import corpus_page
from platemark.core.rates import wilson
from platemark.detectors.learning.calibration import reliability
from platemark.samples import NOW

SVG = "{http://www.w3.org/2000/svg}"


def evaluated(**more: Any) -> dict[str, Any]:
    scores = np.array([0.05] * 60 + [0.55] * 20 + [0.97] * 40)
    ai = np.array([False] * 60 + [True] * 12 + [False] * 8 + [True] * 40)

    def rates(name: str, at: float) -> dict[str, Any]:
        found: dict[str, Any] = {"threshold": name, "at": at}
        for word, inside in (("detected", ai), ("false_alarms", ~ai), ("screenshots", np.zeros_like(ai))):
            hits, total = int((scores[inside] > at).sum()), int(inside.sum())
            found[word] = hits / total if total else 0.0
            found[f"{word}_interval"] = list(wilson(hits, total))
        return found

    return {
        "pictures": {"ai": 52, "real": 68, "real_nonphoto": 0, "sources": 2},
        "rates": [rates("t_lo", 0.5), rates("t_hi", 0.9)],
        "sources": [
            {"label": "ai", "source": "a<b", "pictures": 52, "above": 40, "rate": 0.769, "low": 0.6, "high": 0.9},
            {"label": "real", "source": "c", "pictures": 68, "above": 0, "rate": 0.0, "low": 0.0, "high": 0.05},
        ],
        "reliability": reliability(scores, ai, np.ones_like(scores)),
        **more,
    }


HEAD = {"head": {"name": "line", "sha256": "ab" * 32, "calibration": "cal-1"}, "auc": 0.98, "auc_worse": 0.97}
FIGURES = {"ours": {"auc": 0.95, "tpr_at_5_fpr": 0.7}, "shortcut": {"auc": 0.6, "tpr_at_5_fpr": 0.1}}


def test_dots_and_rates_are_those_of_the_evaluation() -> None:
    page = corpus_page(evaluated(**HEAD), NOW)
    root = fromstring(page[page.index("<main>") : page.index("</main>") + 7])
    charts = {one.get("aria-labelledby"): one for one in root.iter(f"{SVG}svg") if one.get("role")}

    dots = [one.get("cx") for one in charts["reliability-title"].iter(f"{SVG}circle")]
    assert dots == ["5%", "55%", "97%"]
    marks = [one.get("cx") for one in charts["thresholds-title"].iter(f"{SVG}circle")]
    assert marks == ["100%", f"{round(40 / 52 * 100, 2):g}%"]
    table = next(root.iter("table"))
    rows = [["".join(cell.itertext()) for cell in row] for row in table.iter("tr")]
    assert rows[1] == ["0.0 to 0.1", "60", "5.0\u202f%", "0\u202f%"]
    assert rows[6] == ["0.5 to 0.6", "20", "55\u202f%", "60\u202f%"]
    assert rows[2] == ["0.1 to 0.2", "0", "–", "–"]


def test_what_there_is_none_of_is_left_out_and_names_are_text() -> None:
    page = corpus_page(evaluated(**HEAD), NOW)
    assert "AI-made: a&lt;b" in page
    assert "screenshots and the like:" not in page
    assert "n = 0" not in page


@pytest.mark.parametrize(("more", "flatters"), [(HEAD, True), ({"leaving_one_source_out": FIGURES}, False)])
def test_it_is_said_where_the_figures_may_flatter(more: dict[str, Any], flatters: bool) -> None:
    page = corpus_page(evaluated(**more), NOW)
    assert ("flatter" in page) == flatters
    assert ("Leaving one source out" in page) != flatters
    assert ("0.950" in page) != flatters
