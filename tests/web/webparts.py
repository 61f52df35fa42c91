"""A platform of real parts for the tests of the web layer, without the durable runtime, which has tests of its own."""

import shutil
import sqlite3
import struct
import zlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import httpx2
from fastapi import Request

from platemark.core.errors import FetchRefused, NotFound, Unavailable
from platemark.core.generation import Generation
from platemark.core.inspection import Finding
from platemark.core.limits import Limits
from platemark.core.moderation import Ruling, Signal, strictest
from platemark.core.policy import Reason
from platemark.core.ports import Circumstances, Claim, Platform
from platemark.core.project import ApiKey, Principal, Project
from platemark.flows import generate
from platemark.flows.keys import hash_secret
from platemark.flows.resolve import DEFAULT
from platemark.imaging.containers import png_chunk
from platemark.policy.bundles import YamlBundles
from platemark.provenance.metadata import write_xmp
from platemark.settings import Settings
from platemark.simulate.scripted import Scripted
from platemark.store.database import Database
from platemark.store.upgrade import upgrade
from platemark.system import LocalNotices, OpenBudget, SystemClock, SystemIds
from platemark.web.app import create_app
from platemark.web.auth import Call
from platemark.web.stopping import Stopping
from waiting import until

ALL = (
    "images:read",
    "images:write",
    "roles:assert",
    "reviews:decide",
    "audit:read",
    "keys:manage",
    "projects:manage",
    "moderation:manage",
    "policies:manage",
)
RULES = {"weapon": "block", "doubtful": "review"}


class MemoryBlobs:
    """Bytes in a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.fault: Exception | None = None

    async def put(self, key: str, data: bytes) -> None:
        self._ask()
        self.kept.setdefault(key, data)

    async def get(self, key: str) -> bytes:
        self._ask()
        if key not in self.kept:
            raise NotFound("There are no such bytes.")
        return self.kept[key]

    async def exists(self, key: str) -> bool:
        return key in self.kept

    async def delete(self, key: str) -> None:
        self.kept.pop(key, None)

    async def check(self) -> None:
        self._ask()

    def _ask(self) -> None:
        if self.fault is not None:
            raise self.fault


@dataclass
class MemoryWeb:
    """URLs that can be read, without a network."""

    pages: dict[str, bytes] = field(default_factory=dict[str, bytes])
    read: list[str] = field(default_factory=list[str])

    async def __call__(self, url: str, /) -> bytes:
        self.read.append(url)
        if url not in self.pages:
            raise FetchRefused("there is no such address here. Check the URL.")
        return self.pages[url]


class Words:
    """A text detector that finds the words of `RULES`."""

    name, version = "words", "1"

    async def look(self, texts: Mapping[str, str]) -> Sequence[Signal]:
        found = [word for word in RULES if word in texts.get("prompt", "")]
        return [Signal(detector="words", version="1", category=word, score=1.0) for word in found]


class Rules:
    """A policy that rules as `RULES` says."""

    version = "test"

    def rule(self, signals: Sequence[Signal], circumstances: Circumstances) -> Ruling:
        hits: list[Any] = [RULES[signal.category] for signal in signals if signal.category in RULES]
        code = next((f"word_{signal.category}" for signal in signals), None)
        return Ruling(decision=strictest(*hits), reason_code=code if hits else None, policy_version="test")

    def explain(self, signals: Sequence[Signal], circumstances: Circumstances) -> tuple[Reason, ...]:
        return tuple(
            Reason(rule=one.category, decision="review", reason_code=f"word_{one.category}", signals=(one,))
            for one in signals
        )


class Plain:
    """A provenance that signs nothing, knows its own files again, and leaves pixels as they are."""

    signer = "nobody"

    async def seal(self, data: bytes, media_type: str, claim: Claim) -> bytes:
        return write_xmp(data, media_type, source_type=claim.digital_source_type or "", tool=claim.image)

    async def read(self, data: bytes, media_type: str) -> tuple[Finding, ...]:
        if b"CreatorTool" not in data:
            return (Finding(kind="c2pa", status="absent"),)
        detail = {"credential_state": "valid", "signer": self.signer, "own": True}
        return (Finding(kind="c2pa", status="valid_untrusted", detail=detail),)


@dataclass
class InlineJobs:
    """Runs what is submitted in a task group, once `running` is set; until then it waits."""

    group: anyio.abc.TaskGroup
    platform: Platform | None = None
    running: anyio.Event = field(default_factory=anyio.Event)
    fault: Exception | None = None
    submitted: int = 0
    active: int = 0
    repeats: bool = True

    async def submit(self, generation: Generation, *, delay: float = 0.0) -> None:
        self.submitted += 1
        self.group.start_soon(self._work, generation)

    async def _work(self, generation: Generation) -> None:
        await self.running.wait()
        assert self.platform is not None
        self.active += 1
        try:
            outcome = await generate.call(self.platform, generation.id)
            while outcome.kind == "retry" and self.repeats:
                await anyio.sleep(outcome.delay)
                outcome = await generate.call(self.platform, generation.id)
            if outcome.kind == "made":
                await generate.finish(self.platform, generation.id)
        finally:
            self.active -= 1

    async def settle(self) -> None:
        """Wait for what has begun: a query that is cut off would outlive the database."""
        await until(lambda: self.active == 0)

    async def check(self) -> None:
        if self.fault is not None:
            raise self.fault


@dataclass
class Site:
    """A running application, its parts, and a client for it."""

    app: Any
    platform: Platform
    jobs: InlineJobs
    blobs: MemoryBlobs
    provider: Scripted
    web: MemoryWeb
    stopping: Stopping
    client: httpx2.AsyncClient
    project: str
    key: str

    async def new_key(self, project: str | None = None, scopes: Sequence[str] = ALL, **changes: Any) -> str:
        """A key's secret; a new project when none is named."""
        project = project or await self.new_project()
        secret = "pm_" + self.platform.ids.secret(32)
        key = ApiKey(
            id=self.platform.ids.new("key"),
            project=project,
            name="test",
            secret_sha256=hash_secret(secret),
            hint=f"…{secret[-4:]}",
            scopes=tuple(scopes),
            created_at=self.platform.clock.now(),
        )
        async with self.platform.store.transaction() as tx:
            await tx.add(key.model_copy(update=changes))
        return secret

    async def new_project(self) -> str:
        project = Project(id=self.platform.ids.new("prj"), name="test", created_at=self.platform.clock.now())
        async with self.platform.store.transaction() as tx:
            await tx.add(project)
        return project.id

    def as_(self, secret: str | None, **headers: str) -> httpx2.AsyncClient:
        """A client with another key, or with none."""
        return client_of(self.app, secret, **headers)

    async def generate(self, prompt: str = "a red house", **body: Any) -> dict[str, Any]:
        """A finished generation."""
        answer = await self.client.post("/v1/generate", json={"prompt": prompt, **body})
        assert answer.status_code == 200, answer.text
        return answer.json()


def call_of(site: Site, **changes: Any) -> Call:
    scope = {"type": "http", "method": "GET", "scheme": "http", "path": "/", "headers": [(b"host", b"api.test")]}
    principal = Principal(project=site.project, key="key_x", scopes=frozenset({"images:read"}))
    settings = site.app.state.settings
    call = Call(Request(scope), site.platform, settings, site.stopping, principal, "http://api.test")
    return replace(call, **changes)


def client_of(app: Any, secret: str | None, *, address: str = "127.0.0.1", **headers: str) -> httpx2.AsyncClient:
    auth = {} if secret is None else {"Authorization": f"Bearer {secret}"}
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False, client=(address, 1))
    return httpx2.AsyncClient(transport=transport, base_url="http://api.test", headers={**auth, **headers}, timeout=30)


async def counted(site: Site) -> dict[str, int]:
    """Rows of every table that has any."""

    def read() -> dict[str, int]:
        with closing(sqlite3.connect(site.app.state.settings.data / "test.db")) as database:
            names = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            rows = {name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}  # noqa: S608
        return {name: number for name, number in rows.items() if number}

    return await anyio.to_thread.run_sync(read)


def claiming(width: int, height: int) -> bytes:
    """A small PNG file that says it has so many pixels, and has none."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = png_chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + data + png_chunk(b"IEND", b"")


async def fresh_database(folder: Path) -> Path:
    """A migrated SQLite file, to be copied."""
    file = folder / "empty.db"
    await upgrade(f"sqlite:///{file}")
    return file


@asynccontextmanager
async def open_site(folder: Path, database: Path, **settings: Any) -> AsyncGenerator[Site]:
    """A site on a copy of `database`; work is done at once unless `site.jobs.running` is replaced."""
    await anyio.to_thread.run_sync(shutil.copy, database, folder / "test.db")
    clock, blobs, provider, stopping = SystemClock(), MemoryBlobs(), Scripted(), Stopping()
    ids, web = SystemIds(clock), MemoryWeb()
    chosen: dict[str, Any] = {"data": folder, "rate_burst": 10_000, "rate_per_minute": 600_000, **settings}
    configured = await anyio.to_thread.run_sync(lambda: Settings(**chosen))
    async with Database.open(f"sqlite:///{folder / 'test.db'}") as store, anyio.create_task_group() as group:
        jobs = InlineJobs(group)
        jobs.running.set()
        platform = Platform(
            clock=clock,
            ids=ids,
            store=store,
            blobs=blobs,
            fetch=web,
            jobs=jobs,
            notices=LocalNotices(),
            budget=OpenBudget(),
            providers={"scripted": provider},
            aliases={
                DEFAULT: ("scripted/plain",),
                "stable-diffusion-xl": ("scripted/plain",),
                "final": ("gone/away", "scripted/plain", "scripted/studio"),
            },
            text_detectors=(Words(),),
            image_detectors=(),
            policy=Rules(),
            bundles=YamlBundles(),
            provenance=Plain(),
            limits=Limits(
                retry_base_seconds=0.001, retry_cap_seconds=0.001, max_image_bytes=configured.max_image_bytes
            ),
            url_secret=b"test",
        )
        jobs.platform = platform
        app = create_app(platform, configured, stopping=stopping)
        site = Site(app, platform, jobs, blobs, provider, web, stopping, client_of(app, None), "", "")
        site.project = await site.new_project()
        site.key = await site.new_key(site.project)
        site = replace(site, client=client_of(app, site.key))
        async with site.client:
            yield site
        await jobs.settle()
        group.cancel_scope.cancel()


def unavailable() -> Unavailable:
    return Unavailable("It does not answer.")
