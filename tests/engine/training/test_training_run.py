"""Every stage at a tiny size, and a run that is killed and goes on."""

import json
import multiprocessing
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", exc_type=ImportError)

from platemark.engine.models.folder import POCKET
from platemark.engine.training import denoiser, stages
from platemark.engine.training.__main__ import main

# The libraries warn of their own future.
pytestmark = [pytest.mark.torch, pytest.mark.timeout(400), pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> stages.Course:
    """With its captions learned and its pictures drawn."""
    course = stages.small(POCKET, tmp_path_factory.mktemp("course"))
    stages.run(course, "text")
    stages.run(course, "data")
    return course


def progress(out: Path) -> dict[str, Any]:
    state = denoiser.read_state(out)
    return state["progress"] if state else {"step": 0}


def longer(course: stages.Course, out: Path, steps: int | None) -> denoiser.Plan:
    return denoiser.Plan(
        course.out / "data", POCKET, course.out / "text", out, 30, batch=4, world=1, save_every=0, most_steps=steps
    )


def test_a_run_goes_on_where_it_was_killed(course: stages.Course, tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(
        target=denoiser.train, args=(longer(course, tmp_path, None),)
    )
    process.start()
    while progress(tmp_path)["step"] < 1:
        assert process.is_alive()
        time.sleep(0.2)
    process.kill()
    process.join()
    before = progress(tmp_path)
    denoiser.train(longer(course, tmp_path, before["step"] + 2))
    after = progress(tmp_path)
    assert after["step"] == before["step"] + 2
    assert after["samples"] == 4 * after["step"]
    assert after["seconds"] > before["seconds"]


@pytest.mark.slow
def test_two_processes_share_a_batch(course: stages.Course, tmp_path: Path) -> None:
    plan = denoiser.Plan(course.out / "data", POCKET, course.out / "text", tmp_path, 5, batch=4, most_steps=2)
    denoiser.train(plan)
    assert (progress(tmp_path)["step"], progress(tmp_path)["samples"]) == (2, 8)


def test_the_other_stages_make_a_model_folder(course: stages.Course) -> None:
    stages.run(course)
    assert stages.finished(course.out) == list(stages.STAGES)
    model = course.out / "model"
    assert sorted(file.name for file in (model / "loras").iterdir()) == ["outline.safetensors", "sepia.safetensors"]
    assert (model / "controlnets/canny/diffusion_pytorch_model.safetensors").stat().st_size < 12_000_000
    assert json.loads((model / "platemark.json").read_text())["words"] == "words.txt"
    assert not [file for file in model.rglob("*.json") if str(course.out) in file.read_text()]
    assert {"singles", "pairs"} <= json.loads((course.out / "score.json").read_text()).keys()


def test_what_is_wrong_is_said_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path / "out"), "--start", str(tmp_path)]) == 1
    assert main(["--out", str(tmp_path / "out"), "--minutes", "0"]) == 1
    assert main(["--out", str(tmp_path / "out"), "--stage", "decoder"]) == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert [line.split(":")[0] for line in said] == ["ValueError", "ValueError", "FileNotFoundError"]
    assert "Run the stage `data` first" in said[2]
