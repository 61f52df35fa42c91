"""The files of this repository, for tests that look at the project itself."""

import functools
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "platemark"
# Without git (an unpacked archive), everything counts that no tool has made.
MADE = frozenset({".git", ".venv", "__pycache__", "build", "data", "dist", "node_modules", "site"})
CACHES = (".cache", ".hypothesis", ".import_linter_cache", ".pytest_cache", ".ruff_cache")


@functools.cache
def project_files() -> tuple[Path, ...]:
    """Every file that belongs to the project: tracked, or new and not ignored."""
    return _listed_by_git() or _walked()


def python_files(*folders: str) -> list[Path]:
    """The Python files below these folders of the repository."""
    wanted = [ROOT / folder for folder in folders]
    return [
        file for file in project_files() if file.suffix == ".py" and any(folder in file.parents for folder in wanted)
    ]


def text_of(file: Path) -> str | None:
    """The text of a file, or None for one that is not text."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def _listed_by_git() -> tuple[Path, ...]:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return ()
    command = [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    names = listed.stdout.decode().split("\0")
    return tuple(sorted({ROOT / name for name in names if name and (ROOT / name).is_file()}))


def _walked() -> tuple[Path, ...]:
    found = (path for path in ROOT.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return tuple(sorted(path for path in found if not MADE.union(CACHES) & set(path.relative_to(ROOT).parts)))
