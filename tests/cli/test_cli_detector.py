"""`platemark detector`: from labelled pictures to a head that a server can use; the report on one's own pictures."""

import json
from pathlib import Path
from typing import Any

import pytest
from anyio.to_thread import run_sync

from pictures import encoded, gradient, house, noise
from platemark.cli.root import main
from platemark.detectors.ai_image_head import read_head
from platemark.origin import encoder_weights
from platemark.settings import Settings
from workbench import open_bench


@pytest.fixture(name="labelled")
def _labelled(tmp_path: Path) -> Path:
    if not encoder_weights(Settings().cache).path.exists():
        pytest.skip("no weights: platemark models pull origin/clip-vit-b16")
    folder = tmp_path / "labelled"
    pictures = {
        "ai/a": gradient(120, (250, 200, 170), (120, 60, 40)),
        "ai/b": gradient(120, (10, 20, 170), (120, 60, 40)),
        "real/c": noise(120),
        "real/d": house(120),
    }
    for name, picture in pictures.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "one.png").write_bytes(encoded(picture))
    return folder


def said(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out)


def test_a_head_is_trained_evaluated_and_calibrated(
    labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head, anew = tmp_path / "head.json", tmp_path / "anew.json"
    common = ["--corpus", str(labelled), "--features", str(tmp_path / "features"), "--json"]

    assert main(["detector", "train", *common, "--no-pairs", "--out", str(head)]) == 0
    assert said(capsys)["sha256"] == read_head(head).sha256

    assert main(["detector", "evaluate", *common, "--head", str(head)]) == 0
    assert said(capsys)["pictures"] == {"ai": 2, "real": 2, "real_nonphoto": 0, "sources": 4}

    assert main(["detector", "calibrate", *common, "--head", str(head), "--out", str(anew)]) == 0
    assert said(capsys)["head"]["sha256"] == read_head(anew).sha256


async def test_own_pictures_are_reported_by_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLATEMARK_ORIGIN_CLASSIFIER", "false")
    async with open_bench(tmp_path) as bench:
        generation = await bench.make()
    code = await run_sync(main, ["detector", "evaluate", "--own", "--data", str(tmp_path), "--json"])

    (detector,) = said(capsys)["detectors"]
    assert code == 0
    assert [(row["group"], row["not_evaluated"]) for row in detector["groups"]] == [(generation.model, 1)]
    assert "origin_classifier" in detector["groups"][0]["reasons"][0]


@pytest.mark.parametrize("more", [[], ["--own", "--corpus", "somewhere"]])
def test_it_is_said_what_to_evaluate_on(more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detector", "evaluate", *more]) != 0
    assert "--own" in capsys.readouterr().err


def test_a_folder_without_labels_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["detector", "evaluate", "--corpus", str(tmp_path)]) != 0
    assert "ai/SOURCE" in capsys.readouterr().err
