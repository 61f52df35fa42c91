"""Models of a hub by id and commit: where the cache keeps them, and how one is fetched. Never at serving time."""

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platemark.core.errors import ModelUnavailable
from platemark.telemetry import hide_secrets

COMMIT = re.compile(r"[0-9a-f]{40}")
_CONFIGS = (".json", ".txt", ".model")
_CARDS = ("README.md", "LICENSE", "LICENSE.md", "LICENSE.txt")


@dataclass(frozen=True, slots=True)
class Listed:
    """One file as the hub lists it: bytes, and SHA-256 (of large files) or Git's SHA-1 (of small ones)."""

    name: str
    size: int
    sha256: str | None = None
    git: str | None = None


def cache_folder() -> Path:
    """The cache that all hub tools of this user share."""
    if named := os.environ.get("HF_HUB_CACHE"):
        return Path(named).expanduser()
    if home := os.environ.get("HF_HOME"):
        return Path(home).expanduser() / "hub"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "huggingface" / "hub"


def snapshot(hub: str, commit: str) -> Path:
    """Where the files of one commit lie, or will."""
    return cache_folder() / f"models--{hub.replace('/', '--')}" / "snapshots" / commit


def commit_of(hub: str, revision: str) -> str:
    """The commit of a branch or tag: itself when it is one, from the cache when it is known there, else from the hub.

    Raises ModelUnavailable when the hub cannot be asked or does not know it.
    """
    if COMMIT.fullmatch(revision):
        return revision
    known = cache_folder() / f"models--{hub.replace('/', '--')}" / "refs" / revision
    try:
        if COMMIT.fullmatch(text := known.read_text().strip()):
            return text
    except OSError:
        pass
    return str(_ask(hub, revision).sha)


def fetch(hub: str, commit: str) -> Path:
    """Fetch what is needed of one commit and is not here yet, check every file, return the folder.

    Safetensors, configuration and the card only. Prints its progress to standard error where that is a terminal.
    Raises ModelUnavailable naming the file or the reason.
    """
    try:
        wanted = choose(_listed(_ask(hub, commit)))
    except ModelUnavailable:
        # Offline, what is complete is good enough; what is not says why.
        if (snapshot(hub, commit) / "model_index.json").is_file():
            return snapshot(hub, commit)
        raise
    if not any(one.name == "model_index.json" for one in wanted):
        raise ModelUnavailable(
            f"{hub} at {commit[:12]} is no diffusers folder. If it offers a checkpoint, fetch that by hand and "
            "name its path."
        )
    if not any(one.name.endswith(".safetensors") for one in wanted):
        raise ModelUnavailable(f"{hub} at {commit[:12]} offers no safetensors. Choose another edition of this model.")
    folder = _download(hub, commit, [one.name for one in wanted])
    verify(folder, wanted)
    return folder


def choose(files: Iterable[Listed]) -> tuple[Listed, ...]:
    """Of a repository's files those of its diffusers folder: full precision where it is there, no second copies."""
    every = {one.name: one for one in files}
    return tuple(one for name, one in sorted(every.items()) if _is_needed(name, every))


def _is_needed(name: str, every: Iterable[str]) -> bool:
    if "/" not in name:
        return name in _CARDS or name.endswith(".json")
    folder, _, file = name.rpartition("/")
    if "/" in folder or folder in ("safety_checker", "feature_extractor", "image_encoder"):
        return False
    if name.endswith(".safetensors"):
        return not _has_plain_twin(folder, file, every)
    return name.endswith(_CONFIGS) and ".fp16." not in file


def _has_plain_twin(folder: str, file: str, every: Iterable[str]) -> bool:
    """Whether this is a variant (`model.fp16.safetensors`) of weights that are also there without one."""
    weights = [one.rpartition("/")[2] for one in every if one.startswith(f"{folder}/") and one.endswith(".safetensors")]
    plain = [one for one in weights if re.fullmatch(r"[A-Za-z_0-9]+(-\d+-of-\d+)?\.safetensors", one)]
    half = [one for one in weights if ".fp16" in one]
    return file not in (plain or half)


def verify(folder: Path, files: Sequence[Listed]) -> None:
    """Compare what lies in a folder with what the hub lists. Raises ModelUnavailable naming the first other file."""
    for one in files:
        path = folder / one.name
        if not path.is_file():
            raise ModelUnavailable(f"{path} is missing after the fetch. Fetch it again.")
        if path.stat().st_size != one.size or not _same_hash(path, one):
            raise ModelUnavailable(
                f"{path} is not the file that the hub lists: size or hash differ. Delete {path.resolve()} and fetch it "
                "again."
            )


def _same_hash(path: Path, one: Listed) -> bool:
    with path.open("rb") as file:
        if one.sha256:
            return hashlib.file_digest(file, "sha256").hexdigest() == one.sha256
        if one.git:
            # Git's own name of a file, which the hub uses for small ones; no protection hangs on it alone.
            head = f"blob {one.size}\0".encode()
            return hashlib.sha1(head + file.read(), usedforsecurity=False).hexdigest() == one.git
    return True


def _listed(info: Any) -> list[Listed]:
    return [
        Listed(
            name=one.rfilename,
            size=one.lfs.size if one.lfs else one.size or 0,
            sha256=one.lfs.sha256 if one.lfs else None,
            git=None if one.lfs else one.blob_id,
        )
        for one in info.siblings or ()
        if not one.rfilename.startswith("/") and ".." not in one.rfilename.split("/")
    ]


def _ask(hub: str, revision: str) -> Any:
    library = _library()
    try:
        return library.HfApi().model_info(hub, revision=revision, files_metadata=True, timeout=30)
    except Exception as error:  # the library lets errors of its transport through
        raise _unreachable(hub, revision, error) from error


def _download(hub: str, commit: str, names: list[str]) -> Path:
    library = _library()
    try:
        return Path(library.snapshot_download(hub, revision=commit, allow_patterns=[_literal(name) for name in names]))
    except Exception as error:  # the library lets errors of its transport through
        raise _unreachable(hub, commit, error) from error


def _literal(name: str) -> str:
    """A pattern that only this name matches."""
    return re.sub(r"([*?\[])", r"[\1]", name)


def _library() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise ModelUnavailable(
            "Models of a hub are fetched with huggingface_hub. Install platemark with its extra: platemark[local]."
        ) from error
    return huggingface_hub


def _unreachable(hub: str, revision: str, error: Exception) -> ModelUnavailable:
    name = type(error).__name__
    if "NotFound" in name and "Local" not in name:
        return ModelUnavailable(
            f"The hub knows no {hub} at {revision}, or this token may not see it. Check id, revision and HF_TOKEN."
        )
    if "Gated" in name:
        return ModelUnavailable(f"{hub} asks for consent to its terms: give it on its page, then set HF_TOKEN.")
    said = hide_secrets(next(iter(str(error).splitlines()), ""))[:200]
    return ModelUnavailable(
        f"The hub could not be reached for {hub} ({name}: {said}). Try again where there is a network, or copy the "
        f"snapshot into {snapshot(hub, revision).parent}; serving itself never needs the hub."
    )
