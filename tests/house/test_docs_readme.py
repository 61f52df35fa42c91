"""The README's commands exist, and its examples are the files that the tests of examples/ run."""

import os
import re

import pytest

from checkout import ROOT, project_files, python_files, text_of

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SCRIPT = re.compile(r"(?:^|[\s;&|(])(?:\./)?(scripts/[\w-]+)", re.MULTILINE)


def blocks(language: str) -> list[str]:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return [body for name, body in BLOCK.findall(readme) if name == language]


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def stands_in(block: str, file: str) -> bool:
    """True when the lines of the block follow one another in the file, however they are indented there."""
    wanted, there = lines(block), lines(file)
    return any(there[start : start + len(wanted)] == wanted for start in range(len(there) - len(wanted) + 1))


def examples(suffix: str) -> list[str]:
    folder = ROOT / "examples"
    return [text_of(file) or "" for file in project_files() if folder in file.parents and file.suffix == suffix]


def test_the_two_commands_are_shown() -> None:
    shown = {script for block in blocks("sh") for script in SCRIPT.findall(block)}
    assert {"scripts/demo", "scripts/test"} <= shown


def test_every_script_that_is_shown_can_be_run() -> None:
    shown = {script for block in blocks("sh") for script in SCRIPT.findall(block)}
    assert sorted(script for script in shown if not os.access(ROOT / script, os.X_OK)) == []


def test_python_is_an_example_that_is_run() -> None:
    assert blocks("python")
    assert [block for block in blocks("python") if not any(stands_in(block, file) for file in examples(".py"))] == []


def test_curl_is_an_example_that_is_run() -> None:
    shown = [block for block in blocks("sh") if "curl " in block]
    assert shown
    assert [block for block in shown if not any(stands_in(block, file) for file in examples(".sh"))] == []


def test_the_examples_are_run_by_a_test() -> None:
    tests = [file for file in python_files("tests") if "house" not in file.parts]
    assert any("examples" in (text_of(file) or "") for file in tests)


@pytest.mark.parametrize(
    ("block", "there"), [("a = 1\nb = 2\n", True), ("b = 2\n", True), ("a = 1\nc = 3\n", False), ("d = 4\n", False)]
)
def test_a_block_must_stand_together(block: str, there: bool) -> None:
    assert stands_in(block, "def f():\n    a = 1\n\n    b = 2\n    c = 3\n") is there
