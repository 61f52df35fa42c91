"""Reads image files with the verifier's own parts, alone or beside a store; a few at a time, answers in order."""

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
from anyio.to_thread import run_sync

from platemark import telemetry
from platemark.cli.offline import configured
from platemark.cli.serve import settings
from platemark.core.errors import PlatemarkError, TooLarge
from platemark.core.inspection import SCHEMA, Inspection, document
from platemark.core.ports import OriginDetector
from platemark.detectors.pool import open_pool
from platemark.flows.analyze import Picture, picture
from platemark.flows.evidence import EVERYTHING, Choice, Gathered, Step, gather, guessing, not_evaluated, reading
from platemark.flows.fuse import fuse
from platemark.flows.inspect import VERSION, look_over, versions
from platemark.imaging.decode import remembering
from platemark.origin import open_classifier
from platemark.provenance.certificates import development_identity
from platemark.provenance.credential import Credential
from platemark.provenance.known_marks import KnownMarks
from platemark.provenance.signing import operator_lists
from platemark.settings import Settings
from platemark.system import SystemClock
from platemark.trust import public_lists
from platemark.wiring import open_platform

MAX_BYTES = 256 * 1024 * 1024
MAX_PIXELS = 256_000_000
_MOST_AT_ONCE = 4
_NO_STORE = "no --data was given"
_BOUNDS = {"max_image_bytes": MAX_BYTES, "max_pixels": MAX_PIXELS}

Answer = dict[str, Any]
Tell = Callable[[Path, Answer], None]
Look = Callable[[bytes, Picture], Awaitable[tuple[Gathered, dict[str, str]]]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """How files are read: `data` opens a store, `remote` asks others, who then see the files."""

    data: Path | None = None
    choice: Choice = EVERYTHING
    remote: bool = False

    @property
    def looks(self) -> Choice:
        """What is to look."""
        without = self.choice.without if self.remote else self.choice.without | {"remote"}
        return Choice(self.choice.only, frozenset(without))


def read(files: Sequence[Path], wanted: Wanted, tell: Tell) -> None:
    """Tell what each file says about itself, in order, and, with a store, whether it is known there.

    A file that cannot be read has an `error` instead. Few files are in memory at a time. Raises Misconfigured where
    there is no store.
    """
    # Standard output is for answers; what opening a store has to say goes to standard error, where it is grave.
    telemetry.configure(level="error")
    store = None if wanted.data is None else configured(wanted.data)
    asyncio.run(_all(files, store, wanted, tell))


async def _all(files: Sequence[Path], store: Settings | None, wanted: Wanted, tell: Tell) -> None:
    async with _alone(wanted) if store is None else _beside(store, wanted) as look:
        at_once = max(1, min(_MOST_AT_ONCE, len(os.sched_getaffinity(0))))
        await _in_order(files, lambda file: _one(file, look), tell, at_once)


async def _in_order(files: Sequence[Path], ask: Callable[[Path], Awaitable[Answer]], tell: Tell, at_once: int) -> None:
    """Ask about `at_once` files at a time. A place is free again once its answer was told, so none pile up."""
    places = anyio.Semaphore(at_once)
    waiting: dict[int, Answer] = {}
    told = 0

    async def one(number: int) -> None:
        nonlocal told
        waiting[number] = await ask(files[number])
        while told in waiting:
            tell(files[told], waiting.pop(told))
            told += 1
            places.release()

    async with anyio.create_task_group() as group:
        for number in range(len(files)):
            await places.acquire()
            group.start_soon(one, number)


async def _one(file: Path, look: Look) -> Answer:
    try:
        data = await run_sync(_bytes, file)
        with remembering(data):
            found = await run_sync(lambda: picture(data, max_bytes=MAX_BYTES, max_pixels=MAX_PIXELS))
            gathered, made_with = await look(data, found)
        return _answer(found, gathered, made_with)
    except OSError as error:
        return _unread("unreadable", f"{error.strerror or error}")
    except PlatemarkError as error:
        return _unread(error.code, error.detail)
    except Exception as error:
        # One file, however it was made, does not end the reading of thousands.
        return _unread("unexpected", f"{type(error).__name__}: {error}"[:300])


def _bytes(file: Path) -> bytes:
    if not file.is_file():
        raise OSError("it is a folder, a device or a pipe" if file.exists() else "there is no such file")
    if (size := file.stat().st_size) > MAX_BYTES:
        raise TooLarge(f"The file has {size} bytes; at most {MAX_BYTES} are read. Make it smaller.")
    return file.read_bytes()


def _unread(code: str, message: str) -> Answer:
    return {"schema": SCHEMA, "verdict": None, "error": {"code": code, "message": message}}


def _answer(found: Picture, gathered: Gathered, made_with: dict[str, str]) -> Answer:
    fused, facts = fuse(gathered.evidence), found.facts
    inspection = Inspection(
        id="",
        project="",
        image=None,
        verdict=fused.verdict,
        tier=fused.tier,
        confidence=fused.confidence,
        evidence=tuple(gathered.evidence),
        input_sha256=found.sha256,
        media_type=facts.media_type,
        width=facts.width,
        height=facts.height,
        versions=made_with,
        timings_ms=gathered.timings_ms,
        created_at=datetime.now(UTC),
    )
    # Nothing is kept, so there is nothing that an id could name.
    return {**document(inspection), "id": None}


@asynccontextmanager
async def _alone(wanted: Wanted) -> AsyncGenerator[Look]:
    """Reads files alone: there is no registry, and nobody knows the key of a watermark."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="platemark-verify-")))
        # Reading needs an identity, to tell our own signatures from others'; this one has signed nothing.
        identity = await run_sync(development_identity, folder, datetime.now(UTC))
        found = await run_sync(lambda: settings(data=folder, role="api", **_BOUNDS))
        trust = await run_sync(lambda: (*public_lists(found), *operator_lists(found)))
        provenance, clock, choice = Credential(identity, trust=trust), SystemClock(), wanted.looks
        pool = await stack.enter_async_context(open_pool(found.moderation_workers))
        marks = KnownMarks(max_bytes=MAX_BYTES, max_pixels=MAX_PIXELS)
        detectors: tuple[OriginDetector, ...] = (marks, await run_sync(open_classifier, found, pool))
        made_with = {"schema": SCHEMA, "inspect": VERSION, **_versions(detectors, choice)}

        async def nobody() -> list[Any]:
            return [not_evaluated("registry", _NO_STORE), not_evaluated("own_watermark", _NO_STORE)]

        async def look(data: bytes, found: Picture) -> tuple[Gathered, dict[str, str]]:
            media_type = found.facts.media_type
            steps = [
                Step(("registry", "own_watermark"), nobody),
                reading(provenance, data, media_type),
                *guessing(detectors, data, media_type, choice),
            ]
            return await gather(clock, steps, choice), made_with

        yield look


def _versions(detectors: Sequence[OriginDetector], choice: Choice) -> dict[str, str]:
    return {one.name: one.version for one in detectors if choice.takes(one.kind, one.name)}


@asynccontextmanager
async def _beside(store: Settings, wanted: Wanted) -> AsyncGenerator[Look]:
    """Reads files beside a store, whose operator sees the images of every project."""
    async with open_platform(store) as platform:
        made_with = versions(platform, wanted.looks)

        async def look(data: bytes, found: Picture) -> tuple[Gathered, dict[str, str]]:
            looks = found.fingerprint("")
            return await look_over(platform, data, found.facts.media_type, looks, wanted.looks), made_with

        yield look
