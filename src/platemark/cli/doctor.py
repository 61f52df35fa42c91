"""`platemark doctor`: what this installation has, what it lacks, and what to do about it. Changes nothing."""

import asyncio
import importlib.util
import os
import platform
import shutil
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from platemark.cli.connect import Data, Json
from platemark.cli.faults import FAILED

if TYPE_CHECKING:
    from platemark.settings import Settings

State = Literal["ok", "note", "failed"]
PACKAGES = ("platemark", "torch", "diffusers", "transformers", "dbos", "fastapi", "sqlalchemy", "c2pa-python")
# Below this a batch of pictures fills the disk while nobody looks.
_LOW_DISK_BYTES = 2 * 1024**3
_UNTRUSTED = "Others see its signatures as valid, never as trusted."
_LOCAL_PARTS = ("torch", "diffusers", "transformers", "safetensors")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `note` is worth knowing and stops nothing."""

    part: str
    state: State
    detail: str


def doctor(json: Json = False, data: Data = None) -> None:
    """Look at this installation: versions, data directory, database, image store, models, certificate, checks.

    Exit code 1 when something stands in the way of serving.
    """
    from platemark.cli import output
    from platemark.cli.serve import settings

    findings = list(_look(settings(data=data)))
    if json:
        output.document([asdict(finding) for finding in findings])
    else:
        rows = [(finding.part, finding.state, finding.detail) for finding in findings]
        output.table(["PART", "STATE", ""], rows, empty="nothing was looked at")
    if any(finding.state == "failed" for finding in findings):
        raise typer.Exit(FAILED)


def _look(settings: "Settings") -> Iterator[Finding]:
    yield _versions()
    yield _libraries()
    yield from _directory(settings.data)
    yield _guarded("database", lambda: _database(settings))
    yield _guarded("image store", lambda: _blobs(settings))
    yield from _models(settings)
    yield _guarded("certificate", lambda: _certificate(settings))
    yield _guarded("trust lists", lambda: _trust(settings))
    yield _guarded("networks", lambda: _networks(settings))


def _guarded(part: str, look: Callable[[], Finding]) -> Finding:
    """What a look found, or the error that says what to do."""
    from platemark.core.errors import PlatemarkError

    try:
        return look()
    except PlatemarkError as error:
        return Finding(part, "failed", error.detail)
    except ModuleNotFoundError as error:
        return Finding(part, "failed", f"{error.name} is not installed: pip install 'platemark[server,local]'")


def _versions() -> Finding:
    found = [f"{name} {known}" for name in PACKAGES if (known := _version(name))]
    return Finding("versions", "ok", f"Python {platform.python_version()}, {', '.join(found)}")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _libraries() -> Finding:
    missing = [name for name in _LOCAL_PARTS if importlib.util.find_spec(name) is None]
    if missing:
        return Finding(
            "local engine", "note", f"{', '.join(missing)} missing: pip install 'platemark[local]' to draw here"
        )
    return Finding("local engine", "ok", "its libraries are installed")


def _directory(data: Path) -> Iterator[Finding]:
    if not data.exists():
        parent = next(folder for folder in data.parents if folder.exists())
        able = os.access(parent, os.W_OK)
        yield Finding(
            "data directory",
            "note" if able else "failed",
            f"{data} will be made at the first start" if able else f"{data} cannot be made in {parent}",
        )
        data = parent
    elif os.access(data, os.W_OK | os.X_OK) and data.is_dir():
        yield Finding("data directory", "ok", f"{data} can be written to")
    else:
        yield Finding("data directory", "failed", f"{data} cannot be written to; change its owner or use --data")
    free = shutil.disk_usage(data).free
    yield Finding("free disk", "note" if free < _LOW_DISK_BYTES else "ok", f"{free / 1024**3:.1f} GiB")


def _database(settings: "Settings") -> Finding:
    from platemark.store.database import Database
    from platemark.wiring import database_url

    file = settings.data / "platemark.db"
    if settings.database_url is None and not file.exists():
        return Finding("database", "note", f"{file} will be made at the first start")

    async def ask() -> None:
        async with Database.open(database_url(settings)) as database:
            await database.check()

    asyncio.run(ask())
    return Finding("database", "ok", f"{file}" if settings.database_url is None else "PostgreSQL answers")


def _blobs(settings: "Settings") -> Finding:
    from platemark.store.blobs import open_blobs

    folder = settings.data / "blobs"
    if settings.blobs is None and not folder.exists():
        return Finding("image store", "note", f"{folder} will be made at the first start")
    options = {name: value.get_secret_value() for name, value in settings.blob_options.items()}
    _wait(open_blobs(settings.blobs or str(folder), options).check)
    return Finding("image store", "ok", settings.blobs or str(folder))


def _wait(check: Callable[[], Awaitable[None]]) -> None:
    async def ask() -> None:
        await check()

    asyncio.run(ask())


def _models(settings: "Settings") -> Iterator[Finding]:
    from platemark.engine.models.catalogue import sources
    from platemark.engine.models.folder import read_folder
    from platemark.engine.models.source import Source

    def look(name: str, source: Source) -> Finding:
        problems = read_folder(source).problems
        detail = f"{source.path}; left out: {' '.join(problems)}" if problems else str(source.path)
        return Finding(f"model {name}", "note" if problems else "ok", detail)

    for full, source in sources(settings).items():
        name = full.removeprefix("local/")
        yield _guarded(f"model {name}", lambda name=name, source=source: look(name, source))


def _certificate(settings: "Settings") -> Finding:
    from datetime import UTC, datetime

    from platemark.provenance.signing import credential_of, present_of

    now = datetime.now(UTC)
    identity = present_of(settings, now)
    if identity is None:
        return Finding(
            "certificate", "note", f"a development certificate will be made at the first start. {_UNTRUSTED}"
        )
    credential = credential_of(settings, identity)
    credential.try_out()
    days = (identity.ends - now).days
    said = f"{identity.name}, until {identity.ends:%Y-%m-%d} ({days} days), signs"
    if identity.development:
        return Finding("certificate", "note", f"{said}. {_UNTRUSTED} A new one is made in time.")
    if days <= settings.signing_warn_days:
        return Finding("certificate", "note", f"{said}. Renew it and restart: nothing is sealed afterwards.")
    return Finding("certificate", "ok", said)


def _trust(settings: "Settings") -> Finding:
    from platemark.provenance.signing import operator_lists
    from platemark.trust import missing_lists, public_lists

    lists = (*public_lists(settings), *operator_lists(settings))
    said = ", ".join(f"{one.name} of {one.dated}" if one.dated else one.name for one in lists)
    if lacking := " ".join(missing_lists(settings)):
        return Finding("trust lists", "note", f"{said or 'nobody is trusted'}. Get: platemark models pull {lacking}")
    return Finding("trust lists", "ok" if lists else "note", said or "no signer is trusted: trust_lists is empty")


def _networks(settings: "Settings") -> Finding:
    from platemark.engine.models.weights import check, load_weights

    wanted = [weight for weight in load_weights() if weight.name.startswith(("moderation/", "origin/"))]
    checked = check(wanted, settings.cache)
    if lacking := " ".join(one.weight.name for one in checked if one.state != "good"):
        return Finding("networks", "note", f"not evaluated without these weights: platemark models pull {lacking}")
    if not (settings.image_classifiers and settings.origin_classifier):
        off = [name for name in ("image_classifiers", "origin_classifier") if not getattr(settings, name)]
        return Finding("networks", "note", f"there; switched off: {', '.join(off)}")
    return Finding("networks", "ok", f"{len(checked)} files are those that were listed")
