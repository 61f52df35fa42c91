"""Model folders to draw with, and one real engine for the whole session."""

import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from platemark.engine.engine import Engine
from platemark.engine.models.digest import Revisions
from platemark.engine.models.folder import POCKET
from platemark.engine.serving.supervisor import Supervisor


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tiny")


@pytest.fixture(scope="session")
def revision() -> str:
    """Of pocket."""
    return Revisions().of(POCKET)


class Overheard(logging.Handler):
    """What the child wrote to standard error."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture(scope="session")
def overheard() -> Iterator[list[str]]:
    logger, handler = logging.getLogger("platemark.engine.serving.process"), Overheard()
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield handler.lines
    logger.removeHandler(handler)


@pytest.fixture(scope="session")
def models(tiny_folder: Path) -> dict[str, Path]:
    """Pocket, and folders that tests which ask for `tiny` find there, or put there."""
    names = ("sd", "sdxl", "sd3", "fleeting", "misfit", "broken-numbers")
    return {"local/pocket": POCKET} | {f"local/{name}": tiny_folder / name for name in names}


@pytest.fixture(scope="session")
def engine(models: dict[str, Path], tiny_folder: Path, overheard: list[str]) -> Iterator[Engine]:
    """It lives in threads of its own, so tests on any event loop can share it."""
    folders = {name: str(path) for name, path in models.items()}
    opening = {
        "kind": "open",
        "models": folders,
        "threads": 2,
        "warm": "local/pocket",
        "memory": None,
        "speed": "exact",
    }
    command = (sys.executable, "-W", "ignore", str(Path(__file__).with_name("building_child.py")), str(tiny_folder))
    supervisor = Supervisor(opening, command, step_timeout=60)
    supervisor.start(now=True)
    yield Engine(supervisor)
    supervisor.stop()


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path, engine: Engine) -> Path:
    """A folder with the model folders `sd`, `sdxl` and `sd3`, all with random weights."""
    while engine.pid is None or not (tiny_folder / "built").exists():  # ended by the time limit of the test
        time.sleep(0.05)
    return tiny_folder
