"""A platform on a real SQLite store and a directory, with the scripted provider; its jobs run when the test says so."""

import hashlib
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
from pydantic import SecretStr

from platemark import telemetry
from platemark.core.attempt import Attempt
from platemark.core.generation import Generation
from platemark.core.image import Image
from platemark.core.ports import Platform
from platemark.core.project import SCOPES, Principal
from platemark.core.request import PART, GenerationRequest
from platemark.flows import generate
from platemark.flows.accept import accept
from platemark.flows.keys import authenticate, issue
from platemark.flows.projects import create_project
from platemark.settings import Settings
from platemark.simulate.scripted import Scripted
from platemark.wiring import open_parts

ADMIN_KEY = "flow-tests-admin-key"


def as_part(data: bytes) -> str:
    """What stands for a file part in a request."""
    return PART + hashlib.sha256(data).hexdigest()


@dataclass
class SteppedClock:
    """Time that stands still until a test moves it."""

    moment: datetime = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    seconds: float = 0.0

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.pass_(timedelta(seconds=seconds))

    def pass_(self, span: timedelta) -> None:
        self.moment += span
        self.seconds += span.total_seconds()


@dataclass
class HandJobs:
    """Keeps what was submitted until the test lets it run."""

    submitted: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])
    broken: Exception | None = None

    async def submit(self, generation: Generation, *, delay: float = 0.0) -> None:
        if self.broken is not None:
            raise self.broken
        self.submitted.append((generation.id, delay))

    async def check(self) -> None: ...


@dataclass
class Bench:
    """The platform with what a test wants to reach for."""

    platform: Platform
    caller: Principal
    provider: Scripted
    jobs: HandJobs
    clock: SteppedClock

    def change(self, **ports: Any) -> None:
        self.platform = replace(self.platform, **ports)

    async def ask(self, *, key: str | None = None, files: Any = (), **fields: Any) -> Generation:
        """One accepted request. `files` (bytes each) came as parts of a form; `as_part` is what stands for each."""
        request = GenerationRequest.model_validate({"prompt": "a red house in a meadow", **fields})
        parts = {as_part(file): file for file in files}
        return (await accept(self.platform, self.caller, request, parts=parts, idempotency_key=key)).generation

    async def run(self, generation: Generation) -> Generation:
        """One run of the workflow: call, and finish when there is something to finish."""
        outcome = await generate.call(self.platform, generation.id)
        if outcome.kind == "made":
            outcome = await generate.finish(self.platform, generation.id)
        if outcome.kind == "retry":
            self.clock.pass_(timedelta(seconds=outcome.delay))
        return await self.again(generation)

    async def again(self, generation: Generation) -> Generation:
        async with self.platform.store.reading() as read:
            return await read.get(Generation, generation.id)

    async def make(self, **fields: Any) -> Generation:
        return await self.run(await self.ask(**fields))

    async def images(self, generation: Generation) -> list[Image]:
        async with self.platform.store.reading() as read:
            return await read.all(Image, generation=generation.id, order_by="index")

    async def attempts(self, generation: Generation) -> list[Attempt]:
        async with self.platform.store.reading() as read:
            return await read.all(Attempt, generation=generation.id, order_by="number")

    async def ticketed(self, generation: Generation) -> bool:
        """A provider has told its ticket."""
        return any(attempt.ticket for attempt in await self.attempts(generation))

    async def events(self, generation: Generation) -> list[str]:
        async with self.platform.store.reading() as read:
            return [event.type for event in await read.events(generation.project, generation=generation.id)]

    async def stranger(self) -> Principal:
        """A caller with every scope in another project."""
        project = await create_project(self.platform, self.caller, "other")
        _, secret = await issue(self.platform, self.caller, name="other", scopes=SCOPES, project=project.id)
        return await authenticate(self.platform, secret)


def configure(data: Path, **settings: Any) -> Settings:
    """Settings without an engine and without networks: the scripted provider is put in by the test."""
    settings.setdefault("image_classifiers", False)
    settings.setdefault("origin_classifier", False)
    return Settings(
        data=data,
        providers=(),
        default_model="scripted/plain",
        admin_key=SecretStr(ADMIN_KEY),
        aliases={"stable-diffusion-xl": "scripted/plain"},
        **settings,
    )


@asynccontextmanager
async def open_bench(data: Path, **settings: Any) -> AsyncGenerator[Bench]:
    telemetry.configure(level="error")
    configured = await anyio.to_thread.run_sync(lambda: configure(data, **settings))
    provider, jobs, clock = Scripted(), HandJobs(), SteppedClock()

    def change(platform: Platform) -> Platform:
        return replace(platform, providers={"scripted": provider}, jobs=jobs, clock=clock)

    file = data / "platemark.db"
    alike = configured.database_url is None and await anyio.to_thread.run_sync(_laid, file)
    async with open_parts(configured, change=change) as platform:
        if alike and not _BEGINNING:
            _BEGINNING.append(await anyio.to_thread.run_sync(_copied, file))
        yield Bench(platform, await authenticate(platform, ADMIN_KEY), provider, jobs, clock)


# A database as the first bench of this process found it, so that the others need not be made step by step.
_BEGINNING: list[bytes] = []


def _laid(file: Path) -> bool:
    """Lay that database down where there is no data yet; False where there is."""
    if file.parent.exists():
        return False
    if _BEGINNING:
        file.parent.mkdir(mode=0o700, parents=True)
        file.write_bytes(_BEGINNING[0])
    return True


def _copied(file: Path) -> bytes:
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(":memory:")) as copy:
        source.backup(copy)
        return copy.serialize()
