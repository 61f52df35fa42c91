"""`platemark moderate` without a server: one answer a line, whatever the line is, and nothing left on disk."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from pictures import encoded, house
from platemark.cli import main
from platemark.core.request import MAX_PROMPT

NAMES = ["input", "decision", "reason_code", "signals", "policy_version"]
POLICY = """
version: "1"
rules:
  - {id: brands, categories: [IP_TRADEMARK], at_least: 0.1, decision: block}
  - {id: school, categories: [GORE], at_least: 0.1, decision: review, audiences: [education]}
"""
WORDS = """
version: "1"
terms:
  - {id: cola, code: IP_TRADEMARK, strength: review, words: [acme cola]}
  - {id: meat, code: GORE, strength: label, words: [slaughterhouse]}
"""


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "words.yaml").write_text(WORDS)
    monkeypatch.setenv("PLATEMARK_POLICY", str(tmp_path / "policy.yaml"))
    monkeypatch.setenv("PLATEMARK_LEXICON", str(tmp_path / "words.yaml"))
    monkeypatch.chdir(tmp_path)


def answers(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> list[dict[str, Any]]:
    assert main(["moderate", "--json", *arguments]) == code, capsys.readouterr().err
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(list(answer)[:5] == NAMES for answer in found)
    return found


def test_each_line_and_each_picture_has_its_answer(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("a red house\n\na can of acme cola\r\na slaughterhouse")
    # Told by its bytes, not by its name.
    (tmp_path / "picture.txt").write_bytes(encoded(house(48)))
    found = answers(capsys, "lines.txt", "picture.txt", "--image", "picture.txt")
    assert [(answer["input"], answer["decision"], answer["reason_code"]) for answer in found[:4]] == [
        ("a red house", "allow", None),
        ("", "allow", None),
        ("a can of acme cola", "block", "IP_TRADEMARK"),
        ("a slaughterhouse", "allow", None),
    ]
    assert [answer["input"] for answer in found[4:]] == ["picture.txt"] * 2
    assert {signal["detector"] for signal in found[2]["signals"]} >= {"lexicon"}
    assert found[0]["policy_version"].startswith("pol_")
    assert not (tmp_path / "data").exists()


def test_the_audience_counts(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_text("a slaughterhouse\n")
    (found,) = answers(capsys, "lines.txt", "--audience", "education")
    assert (found["decision"], found["reason_code"], found["audience"]) == ("review", "GORE", "education")


def test_what_cannot_be_read_is_never_allowed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_bytes(b"a house\n\xff\xfe\n" + b"x" * (5 * MAX_PROMPT) + b"\na mill\n")
    (tmp_path / "broken.png").write_bytes(encoded(house(48))[:200])
    found = answers(capsys, "lines.txt", "--image", "broken.png", "--image", "gone.png", code=2)
    assert [answer["decision"] for answer in found] == ["allow", "review", "review", "allow", "review", "review"]
    assert [answer.get("error", {}).get("code") for answer in found] == [
        *(None, "unreadable", "unreadable", None, "invalid_image", "unreadable")
    ]
    assert {answer["reason_code"] for answer in found if "error" in answer} == {"MODERATION_UNAVAILABLE"}


def test_lines_come_from_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO("un café\nacme cola\n".encode()))))
    assert main(["moderate"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in out] == ["allow", "block"]
    assert "IP_TRADEMARK" in out[1]


def test_a_named_store_has_to_be_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["moderate", "--data", str(tmp_path / "nowhere"), "-"]) == 2
    assert "no store" in capsys.readouterr().err
