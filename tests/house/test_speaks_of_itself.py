"""The project speaks only of itself: no path of somebody's machine, no host that packages come from."""

import re

import pytest

from checkout import ROOT, project_files, text_of

# Put together from parts, so that this file does not name what it looks for.
FOLDERS = ("home", "opt", "root", "Users", "work")
HOSTS = (
    "py" + "pi.org",
    "python" + "hosted.org",
    "registry.npm" + "js.org",
    "download.py" + "torch.org",
    "deb.deb" + "ian.org",
)
MACHINE_PATH = re.compile(rf"(?<![\w.~/:{{}}-])/(?:{'|'.join(FOLDERS)})/\w")
PACKAGE_HOST = re.compile("|".join(map(re.escape, HOSTS)))


def stray(text: str) -> list[str]:
    """Lines that name a place outside the project."""
    return [line.strip() for line in text.splitlines() if MACHINE_PATH.search(line) or PACKAGE_HOST.search(line)]


def test_no_file_names_a_machine_or_a_package_host() -> None:
    found = {str(file.relative_to(ROOT)): stray(text_of(file) or "") for file in project_files()}
    assert {file: lines for file, lines in found.items() if lines} == {}


@pytest.mark.parametrize("text", ["see /ro" + "ot/x", 'p = "/wo' + 'rk/x"', "from https://py" + "pi.org/simple"])
def test_strays_are_seen(text: str) -> None:
    assert stray(text)


@pytest.mark.parametrize(
    "text", ["/v1/wo" + "rk/x", "https://example.org/ro" + "ot/x", "a/wo" + "rk/b", "/data/x", "root / 'x'"]
)
def test_ordinary_paths_are_not(text: str) -> None:
    assert stray(text) == []
