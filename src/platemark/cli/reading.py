"""Reads image files with the verifier's own parts, alone or beside a store."""

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from anyio.to_thread import run_sync

from platemark.cli.offline import configured
from platemark.core.errors import PlatemarkError
from platemark.core.image import Fingerprint
from platemark.core.inspection import LIMITS, Finding, FindingKind
from platemark.core.project import Project
from platemark.flows.fuse import fuse
from platemark.flows.inspect import VERSION, inspect
from platemark.imaging.decode import inspect_bytes
from platemark.imaging.fingerprint import pdq
from platemark.provenance.certificates import Identity, development_identity
from platemark.provenance.credential import Credential
from platemark.settings import Settings
from platemark.wiring import open_platform

_MAX_BYTES = 256 * 1024 * 1024
_MAX_PIXELS = 256_000_000
_UNSEEN: tuple[FindingKind, ...] = ("own_watermark", "third_party_watermark", "learned")
# Ids and times of a look that is not kept.
_NOT_SHOWN = {"id", "image", "created_at", "media_type", "project", "input_sha256", "width", "height"}


@dataclass(frozen=True, slots=True)
class Picture:
    """A file that was read: what it is, and how the registry would know it."""

    data: bytes = field(repr=False)
    media_type: str
    width: int
    height: int
    sha256: str
    pdq: str
    quality: int

    @property
    def input(self) -> dict[str, Any]:
        """What was looked at."""
        return {"sha256": self.sha256, "media_type": self.media_type, "width": self.width, "height": self.height}


Look = Callable[[Picture], Awaitable[dict[str, Any]]]
Answers = list[tuple[Path, dict[str, Any]]]


def read(files: list[Path], data: Path | None) -> Answers:
    """What each file says about itself, and, with a data directory, whether it is known there.

    A file that cannot be read has an `error` instead. Raises Misconfigured where there is no store in `data`.
    """
    store = None if data is None else configured(data)
    with tempfile.TemporaryDirectory(prefix="platemark-verify-") as folder:
        # Reading needs an identity, to tell our own signatures from others'; this one has signed nothing.
        identity = development_identity(Path(folder), datetime.now(UTC))
        return asyncio.run(_all(files, identity, store))


async def _all(files: list[Path], identity: Identity, store: Settings | None) -> Answers:
    async with _reader(identity) if store is None else _registry(store) as look:
        return [(file, await _one(file, look)) for file in files]


async def _one(file: Path, look: Look) -> dict[str, Any]:

    try:
        return await look(await run_sync(_read, file))
    except OSError as error:
        return {"error": {"code": "unreadable", "detail": f"{error.strerror or error}"}}
    except PlatemarkError as error:
        return {"error": {"code": error.code, "detail": error.detail}}


def _read(file: Path) -> Picture:

    data = file.read_bytes()
    facts = inspect_bytes(data, max_bytes=_MAX_BYTES, max_pixels=_MAX_PIXELS)
    digits, quality = pdq(data, max_bytes=_MAX_BYTES, max_pixels=_MAX_PIXELS)
    digest = hashlib.sha256(data).hexdigest()
    return Picture(data, facts.media_type, facts.width, facts.height, digest, digits, quality)


@asynccontextmanager
async def _reader(identity: Identity) -> AsyncGenerator[Look]:
    """Reads files alone: without a store the registry is not evaluated."""

    provenance = Credential(identity)
    unseen = [
        Finding(kind="registry", status="not_evaluated", detail={"reason": "no --data was given"}),
        *(Finding(kind=kind, status="not_evaluated", detail={"reason": "none is installed"}) for kind in _UNSEEN),
    ]

    async def look(picture: Picture) -> dict[str, Any]:
        evidence = [unseen[0], *await provenance.read(picture.data, picture.media_type), *unseen[1:]]
        verdict, tier, p_ai = fuse(evidence)
        return {
            "verdict": verdict,
            "tier": tier,
            "confidence": {"p_ai": p_ai},
            "is_proof": False,
            "evidence": [finding.model_dump(mode="json") for finding in evidence],
            "limits": LIMITS,
            "input": picture.input,
            "versions": {"inspect": VERSION},
        }

    yield look


@asynccontextmanager
async def _registry(store: Settings) -> AsyncGenerator[Look]:
    """Reads files beside a store, whose operator sees the images of every project."""

    async with open_platform(store) as platform:
        async with platform.store.reading() as read:
            projects = [project.id for project in await read.all(Project)]

        async def look(picture: Picture) -> dict[str, Any]:
            answer: dict[str, Any] = {}
            for project in projects:
                entry = Fingerprint(
                    id="img_", project=project, sha256=picture.sha256, pdq=picture.pdq, quality=picture.quality
                )
                size = picture.width, picture.height
                found = await inspect(
                    platform, picture.data, picture.media_type, project=project, fingerprint=entry, size=size
                )
                # An owner is told where there is one; else what the file itself says.
                if not answer or found.verdict == "generated_by_us":
                    answer = found.model_dump(mode="json", exclude=_NOT_SHOWN)
            return {**answer, "is_proof": False, "input": picture.input}

        yield look
