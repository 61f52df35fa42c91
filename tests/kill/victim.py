"""A real process that works on generations and dies at a chosen moment. Run as `python victim.py PLAN`, PLAN in JSON.

`accept`: how many generations to accept. `profile`: of their project. `sourced`: each
starts from a picture. `routed`: to a route whose first model always fails. `finish`: ids to wait for. `die`: where
to send SIGKILL to itself, the type of the event that was committed last, `attempt.sent`, `submitting`, `submitted`,
`update`, `put:N`, `seal`.
Prints one JSON line per fact.
"""

import hashlib
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
from dbos import DBOS
from pydantic import SecretStr

from platemark import settings as configuration

# As if this process ran another release, whose workflows are not these; read when jobs are imported below.
if contract := json.loads(sys.argv[1]).get("contract"):
    setattr(configuration, "CONTRACT_VERSION", contract)  # noqa: B010

from platemark.core.attempt import Attempt
from platemark.core.errors import ProviderUnavailable
from platemark.core.event import Event
from platemark.core.generation import Generation
from platemark.core.image import Image, Publication
from platemark.core.ports import Blobs, Claim, Jobs, Platform, Provenance, Store, Transaction
from platemark.core.project import Principal
from platemark.core.request import PART, GenerationRequest
from platemark.core.updates import Order, Update
from platemark.flows.accept import accept
from platemark.flows.keys import authenticate
from platemark.flows.projects import set_profile
from platemark.flows.record import image_record
from platemark.flows.wait import wait
from platemark.settings import Settings
from platemark.simulate.scripted import Scripted, plain_png
from platemark.wiring import open_platform


def die() -> None:
    """The hardest way to stop: no handler, no flush, no goodbye."""
    os.kill(os.getpid(), signal.SIGKILL)


class Fuse:
    """Burns at the nth time that a place is passed."""

    def __init__(self, place: str) -> None:
        self.place, _, self.moment = place.partition(":")
        self.passed = 0

    def at(self, place: str) -> None:
        if place == self.place:
            self.passed += 1
            if self.moment in ("", str(self.passed)):
                die()


class Watched:
    """A transaction that remembers what it is about."""

    def __init__(self, inner: Transaction) -> None:
        self._inner = inner
        self.facts: list[str] = []

    async def emit(self, event: Event) -> Event:
        self.facts.append(event.type)
        return await self._inner.emit(event)

    async def change(self, noun: Any, **changes: Any) -> Any:
        if changes.get("state") == "sent":
            self.facts.append("attempt.sent")
        return await self._inner.change(noun, **changes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


@dataclass(eq=False)
class DyingStore:
    inner: Store
    fuse: Fuse

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Any]:
        async with self.inner.transaction() as tx:
            watched = Watched(tx)
            yield watched
        for fact in watched.facts:
            self.fuse.at(fact)

    def reading(self) -> Any:
        return self.inner.reading()

    async def check(self) -> None:
        await self.inner.check()


@dataclass
class DyingBlobs:
    inner: Blobs
    fuse: Fuse

    async def put(self, key: str, data: bytes) -> None:
        await self.inner.put(key, data)
        self.fuse.at("put")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@dataclass
class DyingJobs:
    inner: Jobs
    fuse: Fuse

    async def submit(self, generation: Generation, *, delay: float = 0.0) -> None:
        self.fuse.at("submitting")
        await self.inner.submit(generation, delay=delay)
        self.fuse.at("submitted")

    async def check(self) -> None:
        await self.inner.check()


@dataclass
class DyingProvenance:
    inner: Provenance
    fuse: Fuse

    @property
    def signer(self) -> str:
        return self.inner.signer

    async def seal(self, data: bytes, media_type: str, claim: Claim) -> bytes:
        sealed = await self.inner.seal(data, media_type, claim)
        self.fuse.at("seal")
        return sealed

    async def read(self, data: bytes, media_type: str) -> Any:
        return await self.inner.read(data, media_type)


@dataclass
class Counting(Scripted):
    """Writes each call that reached the provider, and the job that made it, to a file that survives the process."""

    ledger: Path = Path()
    fuse: Fuse | None = None

    async def generate(self, order: Order, *, ticket: str | None = None) -> AsyncGenerator[Update]:
        with self.ledger.open("a") as file:
            file.write(f"{'resume' if ticket else 'call'} {order.idempotency_key} {DBOS.workflow_id}\n")
            file.flush()
            os.fsync(file.fileno())
        if order.image is not None:
            self.ledger.with_name("sources").write_text(hashlib.sha256(order.image).hexdigest())
        async for update in super().generate(order, ticket=ticket):
            yield update
            if self.fuse is not None:
                self.fuse.at("update")


def is_down(_number: int, _order: Order) -> None:
    """The script of a provider that never works."""
    raise ProviderUnavailable("it is down")


def arm(plan: dict[str, Any], fuse: Fuse, platform: Platform) -> Platform:
    provider = Counting(
        ledger=Path(plan["data"]) / "ledger",
        fuse=fuse,
        tickets=plan.get("tickets", False),
        free_repeat=plan.get("free_repeat", True),
        steps=1,
        step_seconds=0.01,
    )
    down = replace(provider, name="down", script=is_down)
    return replace(
        platform,
        providers={"scripted": provider, "down": down},
        aliases={"default": ("down/plain", "scripted/plain") if plan.get("routed") else ("scripted/plain",)},
        store=DyingStore(platform.store, fuse),
        blobs=DyingBlobs(platform.blobs, fuse),
        jobs=DyingJobs(platform.jobs, fuse),
        provenance=DyingProvenance(platform.provenance, fuse),
    )


async def describe(platform: Platform, caller: Principal, id: str) -> dict[str, Any]:
    """Everything a test asks about one generation after it was recovered."""
    generation = await wait(platform, id, 60)
    async with platform.store.reading() as read:
        images = await read.all(Image, generation=id)
        attempts = await read.all(Attempt, generation=id, order_by="number")
        publications = await read.all(Publication, project=caller.project)
    records = [await image_record(platform, caller, image.id) for image in images]
    return {
        "id": id,
        "status": generation.status,
        "code": (generation.error or {}).get("code"),
        "runs": generation.runs,
        "attempts": [attempt.state for attempt in attempts],
        "asked": [attempt.model for attempt in attempts],
        "publications": len(publications),
        "parents": [list(image.parents) for image in images],
        "inputs": [each.image for each in generation.inputs],
        "stored": [await platform.blobs.exists(f"{image.project}/{image.sha256}") for image in images],
        "records": [record.model_dump(mode="json") for record in records],
    }


def asked(prompt: str, plan: dict[str, Any]) -> tuple[GenerationRequest, dict[str, bytes]]:
    """A request, and the bytes of its file part where it has one."""
    if not plan.get("sourced"):
        return GenerationRequest(prompt=prompt), {}
    image = plain_png(64, 48, (200, 40, 40))
    part = PART + hashlib.sha256(image).hexdigest()
    return GenerationRequest(prompt=prompt, model="scripted/studio", operation="upscale", image=part), {part: image}


async def main(plan: dict[str, Any]) -> None:
    url = plan.get("database_url")
    settings = Settings(
        data=Path(plan["data"]),
        providers=(),
        default_model="scripted/plain",
        sweep_seconds=plan.get("sweep_seconds", 1.0),
        worker_dead_seconds=plan.get("worker_dead_seconds", 45.0),
        database_url=SecretStr(url) if url else None,
        admin_key=SecretStr("kill-tests-admin-key"),
        log_level="warning",
        executor_id=plan.get("executor_id"),
        image_classifiers=False,
    )
    fuse = Fuse(plan.get("die", "nowhere"))
    async with open_platform(settings, change=lambda platform: arm(plan, fuse, platform)) as platform:
        caller = await authenticate(platform, "kill-tests-admin-key")
        if profile := plan.get("profile"):
            await set_profile(platform, caller, caller.project, profile)
        for number in range(plan.get("accept", 0)):
            request, parts = asked(f"a red house, number {number}", plan)
            accepted = await accept(platform, caller, request, parts=parts, idempotency_key=f"kill-{number}")
            print(json.dumps({"accepted": accepted.generation.id}), flush=True)
        print(json.dumps({"ready": True}), flush=True)
        for id in plan.get("finish", []):
            print(json.dumps(await describe(platform, caller, id)), flush=True)
        if plan.get("linger"):
            await anyio.sleep(plan["linger"])


if __name__ == "__main__":
    anyio.run(main, json.loads(sys.argv[1]))
