"""`platemark verify`: one line a file, without a server; thousands of files in bounded memory and in their order."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from pictures import encoded, house, noise
from platemark.cli import reading, verify
from platemark.cli.root import main
from platemark.core.errors import InvalidImage
from platemark.provenance.metadata import write_xmp

# A command that reads files by itself: nobody else waits for its loop.
pytestmark = pytest.mark.blocking
IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
FIELDS = [
    *("path", "id", "schema", "image", "verdict", "tier", "confidence", "policy_hint", "is_proof", "evidence"),
    *("limits", "input", "timings_ms", "versions", "created_at"),
]


def lines(capsys: pytest.CaptureFixture[str], *paths: Path, code: int = 0) -> list[dict[str, Any]]:
    assert main(["verify", "--json", *map(str, paths)]) == code
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture(autouse=True)
def no_classifier(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its network has tests of its own; loading it takes seconds."""
    monkeypatch.setenv("PLATEMARK_ORIGIN_CLASSIFIER", "false")


@pytest.fixture
def picture() -> bytes:
    return encoded(noise(64))


def test_a_file_is_one_line_that_begins_with_its_path(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, picture: bytes
) -> None:
    (tmp_path / "a.png").write_bytes(picture)
    (line,) = lines(capsys, tmp_path / "a.png")
    assert list(line) == FIELDS
    assert (line["path"], line["verdict"], line["tier"]) == (str(tmp_path / "a.png"), "no_evidence_of_ai", "none")
    states = {finding["kind"]: finding["status"] for finding in line["evidence"]}
    assert (states["registry"], states["own_watermark"]) == ("not_evaluated", "not_evaluated")
    assert (states["c2pa"], states["metadata"]) == ("none", "none")
    assert line["input"]["width"] == 64
    assert not any("detail" in finding for finding in line["evidence"])


def test_claims_are_read_and_stay_claims(capsys: pytest.CaptureFixture[str], tmp_path: Path, picture: bytes) -> None:
    for name in ("trainedAlgorithmicMedia", "digitalCapture"):
        data = write_xmp(picture, "image/png", source_type=IPTC + name, tool="Somebody")
        (tmp_path / f"{name}.png").write_bytes(data)
    found = {Path(line["path"]).stem: line["verdict"] for line in lines(capsys, tmp_path)}
    assert found == {"trainedAlgorithmicMedia": "ai_claimed", "digitalCapture": "camera_claimed"}


def test_what_cannot_be_read_is_a_line_too_and_the_others_are_read(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, picture: bytes
) -> None:
    (tmp_path / "cut.png").write_bytes(picture[:100])
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "whole.png").write_bytes(picture)
    os.mkfifo(tmp_path / "pipe")
    wanted = [tmp_path / name for name in ("cut.png", "gone.png", "pipe", "text.png", "whole.png")]
    found = lines(capsys, *wanted, code=2)
    assert [Path(line["path"]).name for line in found] == [path.name for path in wanted]
    assert [line["verdict"] for line in found] == [None, None, None, None, "no_evidence_of_ai"]
    assert [line.get("error", {}).get("code") for line in found] == [
        InvalidImage.code,
        "unreadable",
        "unreadable",
        InvalidImage.code,
        None,
    ]
    assert all(line["error"]["message"] for line in found[:4])


def test_a_name_that_is_no_utf_8_is_a_line_that_is_and_names_the_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, picture: bytes
) -> None:
    named = tmp_path / os.fsdecode(b"\xe9.png")
    named.write_bytes(picture)
    assert main(["verify", "--json", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert said.encode()
    assert json.loads(said)["path"] == str(named)


def test_folders_are_read_with_what_is_in_them_and_in_order(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, picture: bytes
) -> None:
    (tmp_path / "b").mkdir()
    for name in ("c.png", "a.PNG", "b/d.png", "b/notes.txt"):
        (tmp_path / name).write_bytes(picture)
    found = [str(Path(line["path"]).relative_to(tmp_path)) for line in lines(capsys, tmp_path)]
    assert found == ["a.PNG", "b/d.png", "c.png"]


def test_a_folder_without_pictures_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["verify", str(tmp_path)]) == 2
    assert "no image file" in capsys.readouterr().err


def test_people_read_a_verdict_and_its_reasons(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, picture: bytes
) -> None:
    hostile = write_xmp(picture, "image/png", source_type=IPTC + "trainedAlgorithmicMedia", tool="\u202eflux")
    (tmp_path / "a.png").write_bytes(hostile)
    (tmp_path / "b\n.png").write_bytes(picture[:50])
    assert main(["verify", str(tmp_path)]) == 2
    said = capsys.readouterr()
    first, second = said.out.splitlines()
    assert "a.png: ai_claimed · asserted · metadata: " in first
    assert "not evaluated: registry, own_watermark" in first
    assert "not read (" in second
    assert "\u202e" not in said.out
    assert "1 of 2 files" in said.err


def test_a_look_can_be_left_out(capsys: pytest.CaptureFixture[str], tmp_path: Path, picture: bytes) -> None:
    (tmp_path / "a.png").write_bytes(picture)
    assert main(["verify", "--json", "--without", "metadata", str(tmp_path)]) == 0
    line = json.loads(capsys.readouterr().out)
    assert next(one["status"] for one in line["evidence"] if one["kind"] == "metadata") == "skipped"
    assert main(["verify", "--without", "tea_leaves", str(tmp_path)]) == 2


async def test_many_files_are_read_few_at_a_time_and_told_in_order() -> None:
    files = [Path(f"{number}.png") for number in range(60)]
    busy = most = 0
    told: list[str] = []

    async def ask(file: Path) -> dict[str, Any]:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        # The first of every four is the slowest, so that answers wait for it.
        await anyio.sleep(0.004 if int(file.stem) % 4 == 0 else 0.0)
        busy -= 1
        return {"verdict": file.stem}

    await reading._in_order(files, ask, lambda path, answer: told.append(answer["verdict"]), 4)  # pyright: ignore[reportPrivateUsage]
    assert told == [file.stem for file in files]
    assert most <= 4


def test_a_bar_is_only_for_a_person_at_a_terminal(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(picture)
    lines(capsys, tmp_path)
    assert main(["verify", "--json", str(tmp_path)]) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["verify", "--json", str(tmp_path)]) == 0
    assert len([json.loads(line) for line in capsys.readouterr().out.splitlines()]) == 2


def test_remote_detectors_are_asked_only_on_demand() -> None:
    silent, asking = reading.Wanted().looks, replace(reading.Wanted(), remote=True).looks
    assert (silent.takes("remote", "hive"), asking.takes("remote", "hive")) == (False, True)
    assert silent.takes("learned")


def test_names_of_pictures_are_known_by_their_ending(tmp_path: Path) -> None:
    (tmp_path / "a.jpe").write_bytes(encoded(house(16), "JPEG"))
    assert [path.name for path in verify._files([tmp_path])] == ["a.jpe"]  # pyright: ignore[reportPrivateUsage]
