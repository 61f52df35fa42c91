"""The scripts can be run from anywhere, and say what to do when they cannot."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from checkout import ROOT

SCRIPTS = sorted(path for path in (ROOT / "scripts").iterdir() if path.is_file() and not path.suffix)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the scripts read, without an environment."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def ready(checkout: Path, target: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    script = checkout / "scripts" / "try"
    script.write_text(f'set -eu\n. "$(dirname -- "$0")/_env"\nready {target}\necho "$VENV"\n')
    clean = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run(["sh", str(script)], env=clean, cwd="/", capture_output=True, text=True, check=False)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_plain_shell(script: Path) -> None:
    assert subprocess.run(["sh", "-n", str(script)], check=False).returncode == 0
    if not script.name.startswith("_"):
        assert script.read_text().startswith("#!/bin/sh\n# ")
        assert os.access(script, os.X_OK)


def test_an_unknown_target_is_named(checkout: Path) -> None:
    done = ready(checkout, "everything")
    assert done.returncode == 1
    assert "everything" in done.stderr


def test_a_python_that_does_not_work_is_named(checkout: Path) -> None:
    done = ready(checkout, "demo", PLATEMARK_PYTHON="no-such-python")
    assert done.returncode == 1
    assert "no-such-python is not a working Python 3.11" in done.stderr
    assert not (checkout / ".venv").exists()


def test_a_machine_without_python_is_told_what_to_install(checkout: Path, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "cat", "cksum", "dirname"):
        (tools / name).symlink_to(shutil.which(name) or name)
    done = ready(checkout, "demo", PATH=str(tools))
    assert done.returncode == 1
    assert "no Python 3.11 or newer found" in done.stderr


def test_what_is_installed_is_not_installed_again(checkout: Path) -> None:
    venv = _pretend_installed(checkout)
    done = ready(checkout, "demo")
    assert done.stdout.strip() == str(venv.resolve())
    assert done.stderr == ""


def test_networks_of_moderation_are_asked_for_once(checkout: Path, tmp_path: Path) -> None:
    source = checkout / "src" / "platemark"
    source.mkdir(parents=True)
    shutil.copy(ROOT / "src" / "platemark" / "weights.toml", source)
    _pretend_installed(checkout)
    empty = {"PLATEMARK_CACHE": str(tmp_path / "cache")}

    first, second = ready(checkout, "demo", **empty), ready(checkout, "demo", **empty)
    assert (first.returncode, second.returncode) == (0, 0)
    assert "fetching the networks of moderation" in first.stderr
    assert second.stderr == ""


def _pretend_installed(checkout: Path) -> Path:
    venv = checkout / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to("/bin/true")
    stamp = f'{{ printf "%s\\n" "{checkout.resolve()}" && cat "{checkout}/pyproject.toml"; }} | cksum'
    (venv / ".installed-dev").write_text(subprocess.check_output(["sh", "-c", stamp], text=True))
    return venv


def test_ci_runs_the_command_of_the_readme() -> None:
    steps = (ROOT / ".ci" / "run").read_text()
    for script in ("scripts/test --all", "scripts/lint", "scripts/types", "scripts/docs"):
        assert script in steps
