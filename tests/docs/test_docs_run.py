"""Examples, and the blocks of documents that are marked to run, do what they say on a real server."""

import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from fences import Block, runnable

from checkout import ROOT, project_files
from serving import ADMIN_KEY, Served, serve

pytestmark = [pytest.mark.torch, pytest.mark.timeout(300)]
# The first draws the README's picture with a server of its own; the second takes minutes and has a test of its own.
NOT_RUN = frozenset({"terminal_picture.py", "contact_sheets.py"})
EXAMPLES = [
    file
    for file in project_files()
    if file.parent == ROOT / "examples" and file.suffix in (".py", ".sh") and file.name not in NOT_RUN
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    # The minute in which a decision can be undone is not waited for.
    with serve(tmp_path_factory.mktemp("shown") / "data", review_undo="PT0S", review_sample="0") as served:
        yield served


def run(command: list[str], server: Served, folder: Path) -> str:
    """Run a command as a reader would, with the environment that the documents ask for; return what it printed."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PLATEMARK_URL": server.url,
        "PLATEMARK_API_KEY": ADMIN_KEY,
        "SD_API_KEY": ADMIN_KEY,
        "PYTHONWARNINGS": "default",
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def interpreter(suffix: str) -> list[str]:
    return [sys.executable] if suffix in (".py", "python") else ["sh", "-eu"]


@pytest.mark.parametrize(
    "example",
    # Some forty programs, one after the other.
    [pytest.param(file, marks=pytest.mark.slow) if file.name == "moderation.sh" else file for file in EXAMPLES],
    ids=lambda file: file.name,
)
def test_an_example_runs(example: Path, server: Served, tmp_path: Path) -> None:
    said = run([*interpreter(example.suffix), str(example)], server, tmp_path)
    assert said or any(tmp_path.iterdir())


def of_document(document: Path) -> list[Block]:
    return [block for block in runnable() if block.document == document]


@pytest.mark.parametrize(
    "document",
    sorted({block.document for block in runnable()}),
    ids=lambda document: document.relative_to(ROOT).as_posix(),
)
def test_a_document_runs_from_its_first_block_to_its_last(document: Path, server: Served, tmp_path: Path) -> None:
    for block in of_document(document):
        run([*interpreter(block.language), "-c", block.body], server, tmp_path)
