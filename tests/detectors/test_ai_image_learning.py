"""How the classifier learns and is measured: on made numbers whose answers are known."""

import csv
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from pictures import encoded, house, noise
from platemark.core.errors import InvalidRequest, ModelUnavailable
from platemark.core.rates import quantile, wilson
from platemark.detectors.encoder import LAST_SIZE, SIZE
from platemark.detectors.learning import held_out, making
from platemark.detectors.learning.calibration import calibrate, expected_error, reliability
from platemark.detectors.learning.corpus import Label, Sample, read_corpus
from platemark.detectors.learning.regression import auc, fair, fit
from platemark.detectors.learning.table import REMADE, STORED, WORSE, Table, measure
from platemark.detectors.onnx import Weights

SOURCES: tuple[tuple[str, Label, int], ...] = (
    ("paint", "ai", 12),
    ("draw", "ai", 8),
    ("dream", "ai", 6),
    ("camera", "real", 14),
    ("phone", "real", 9),
    ("film", "real", 6),
    ("screen", "real_nonphoto", 4),
)


def quiet(_: int, __: int) -> None:
    pass


def silent(_: str) -> held_out.Tell:
    return quiet


def made_table(signal: float = 1.5, *, remade: bool = False) -> Table:
    """A table in which some numbers tell what is AI-made, and others from which source a picture is."""
    chance = np.random.default_rng(3)
    samples = tuple(
        Sample(Path(f"{name}-{number}.png"), label, name) for name, label, count in SOURCES for number in range(count)
    )
    ai = np.array([one.ai for one in samples])
    names = np.array([one.source for one in samples])
    values = chance.normal(size=(len(samples), SIZE + LAST_SIZE)) * 0.1
    values[:, :300] += 0.1 * np.where(ai, signal, -signal)[:, None]
    order = [source for source, _, _ in SOURCES]
    values[:, 300:320] += chance.normal(size=(len(order), 20))[[order.index(name) for name in names]]
    views = {STORED: values, WORSE: values + chance.normal(size=values.shape) * 0.05}
    if remade:
        again = values.copy()
        again[:, :300] = 0.1 * signal
        views[REMADE] = np.where(np.array([one.label == "real" for one in samples])[:, None], again, np.nan)
    return Table(samples, ai, names, views, chance.normal(size=(len(samples), 7)))


def test_auc_counts_pairs_and_ties_half() -> None:
    assert auc(np.array([3.0, 2.0]), np.array([1.0, 0.0])) == 1.0
    assert auc(np.array([1.0]), np.array([1.0])) == 0.5
    assert auc(np.array([1.0, 0.0]), np.array([0.5])) == 0.5


def test_every_source_of_a_class_counts_the_same() -> None:
    ai, sources = np.array([True, True, True, False]), np.array(["a", "a", "b", "c"])

    assert fair(ai, sources).tolist() == pytest.approx([0.5, 0.5, 1.0, 2.0])


def test_a_line_finds_what_tells_the_classes_apart() -> None:
    chance = np.random.default_rng(1)
    values = chance.normal(size=(200, 5))
    ai = values[:, 2] > 0
    line = fit(values, ai, np.ones(200), 10.0)

    assert int(np.abs(line.weights).argmax()) == 2
    assert ((line.logits(values) > 0) == ai).mean() > 0.97


def test_a_rate_has_the_interval_of_wilson() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(8, 10) == (pytest.approx(0.490, abs=0.001), pytest.approx(0.943, abs=0.001))


def test_a_quantile_errs_to_the_safe_side() -> None:
    assert quantile([0.1, 0.2, 0.3, 0.4], 0.5) == 0.3
    assert quantile([0.1, 0.2], 0.99) == 0.2
    with pytest.raises(ValueError, match="no score"):
        quantile([], 0.5)


@pytest.mark.parametrize("remade", [False, True])
def test_what_holds_for_every_source_is_found_in_sources_that_were_not_learned_from(remade: bool) -> None:
    table = made_table(remade=remade)
    scores = held_out.leave_one_out(table, "ours", quiet)

    assert held_out.figures(table, [scores])["auc"] > 0.9


def test_pictures_without_a_difference_are_told_apart_by_chance_only() -> None:
    table = made_table(signal=0.0)
    found = held_out.figures(table, [held_out.leave_one_out(table, "shortcut", quiet)])

    assert 0.2 < found["auc"] < 0.8


def test_groups_hold_out_every_source_once() -> None:
    table = made_table()
    groups = held_out.leave_groups_out(table, "baseline", quiet, partitions=2)

    assert len(groups) == 2
    assert all((one.stored != 0).all() for one in groups)
    assert "auc_worst" in held_out.figures(table, groups)


def test_thresholds_come_from_real_pictures() -> None:
    table = made_table()
    logits = held_out.leave_one_out(table, "ours", quiet).stored
    found = calibrate(logits, table.ai, table.real, table.sources)

    assert found.t_lo <= found.t_hi
    assert found.fpr_at_t_hi <= found.fpr_at_t_lo <= 0.05
    scores = [score for _, score, _, _ in found.curve]
    assert scores == sorted(scores)
    assert all(low <= score <= high for _, score, low, high in found.curve)
    assert calibrate(logits, table.ai, table.real, table.sources) == found


def test_a_diagram_says_what_was_said_and_what_was() -> None:
    scores, ai = np.array([0.05, 0.05, 0.95, 0.95]), np.array([False, False, True, False])
    rows = reliability(scores, ai, np.ones(4))

    assert [row["pictures"] for row in rows] == [2, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    assert (rows[9]["said"], rows[9]["were"]) == (0.95, 0.5)
    assert expected_error(rows) == pytest.approx((2 * 0.05 + 2 * 0.45) / 4)


def test_a_head_is_trained_judged_and_calibrated_anew() -> None:
    table = made_table()
    head = making.train(table, "e" * 64, date(2026, 11, 1), silent)
    answer = making.judge(table, head)
    again = making.recalibrate(table, head)

    assert answer["auc"] > 0.9
    assert head.trained_on["sources"]["paint"] == {"ai": 12}
    assert (again.weights == head.weights).all()
    assert again.calibration.id != head.calibration.id


def test_a_comparison_has_all_methods_and_the_control() -> None:
    answer = making.compare(made_table(), silent, partitions=1)

    for way in ("leaving_one_source_out", "leaving_groups_out"):
        assert set(answer[way]) == {"ours", "baseline", "shortcut"}
    assert answer["leaving_one_source_out"]["ours"]["auc"] > answer["leaving_one_source_out"]["shortcut"]["auc"]


def fill(folder: Path) -> None:
    for label, source in (("ai", "a"), ("ai", "b"), ("real", "c"), ("real", "d"), ("real_nonphoto", "e")):
        (folder / label / source).mkdir(parents=True)
        (folder / label / source / "one.png").write_bytes(encoded(house(64)))


def test_folders_are_read_by_label_and_source(tmp_path: Path) -> None:
    fill(tmp_path)

    assert [(one.label, one.source) for one in read_corpus(tmp_path)] == [
        ("ai", "a"),
        ("ai", "b"),
        ("real", "c"),
        ("real", "d"),
        ("real_nonphoto", "e"),
    ]


def test_a_manifest_names_files_and_sheets(tmp_path: Path) -> None:
    rows = [("x.png", "ai", "a", "2x2 sheet"), ("y.png", "ai", "b", ""), ("z.png", "real", "c", "")]
    rows += [("v.png", "real", "d", ""), ("w.png", "c2pa_test", "e", "")]
    with (tmp_path / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "label", "source_repo", "note"), *rows])
    (tmp_path / "x.png").write_bytes(encoded(noise(64)))
    found = read_corpus(tmp_path)

    assert [one.sheet for one in found] == [True, False, False, False]
    assert found[0].picture(3).size == (32, 32)


def test_one_source_of_a_class_is_not_enough(tmp_path: Path) -> None:
    (tmp_path / "ai" / "a").mkdir(parents=True)

    with pytest.raises(InvalidRequest, match="two are needed"):
        read_corpus(tmp_path)


def test_a_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    fill(tmp_path)
    broken = tmp_path / "ai" / "a" / "one.png"
    broken.write_bytes(b"no picture")
    weights = Weights("origin/none", tmp_path / "none.onnx", "0" * 64)

    with pytest.raises(InvalidRequest, match=r"one\.png"):
        measure(read_corpus(tmp_path), weights, tmp_path / "cache", quiet)


def test_without_weights_nothing_is_measured(tmp_path: Path) -> None:
    fill(tmp_path)
    weights = Weights("origin/clip-vit-b16", tmp_path / "none.onnx", "0" * 64)

    with pytest.raises(ModelUnavailable, match="models pull"):
        measure(read_corpus(tmp_path), weights, tmp_path / "cache", quiet)
