"""Prints what a set of scripts/_env installs, one requirement a line, read from pyproject.toml.

`torch` is the engine's pin alone: it is installed first, in its own step, so that a CPU build can be taken for it.
"""

import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"


def requirements(name: str) -> list[str]:
    """Requirement lines of `torch`, `run` (server and engine) or `dev` (every extra and group)."""
    table = tomllib.loads(PYPROJECT.read_text())
    extras: dict[str, list[str]] = table["project"]["optional-dependencies"]
    groups: dict[str, list[str]] = table["dependency-groups"]
    if name == "torch":
        return [line for line in extras["local"] if line.startswith("torch==")]
    if name == "run":
        return ["-e .[server,local]"]
    return [f"-e .[{','.join(extras)}]", *(line for group in groups.values() for line in group)]


if __name__ == "__main__":
    sys.stdout.write("\n".join(requirements(sys.argv[1])) + "\n")
