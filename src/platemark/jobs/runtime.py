"""Submitting, starting and stopping durable work."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import anyio
import sqlalchemy as sa
from dbos import DBOS, DBOSClient, EnqueueOptions, SetEnqueueOptions, SetWorkflowID
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from platemark.core.errors import DatabaseUnavailable
from platemark.core.generation import Generation
from platemark.core.ports import Platform, Provider
from platemark.jobs import engine as durable
from platemark.jobs.executor import Executor, claim
from platemark.jobs.slots import Slots
from platemark.jobs.workflows import Bound, bind, generate
from platemark.settings import RoleName
from platemark.telemetry import logger

log = logger(__name__)
LANES = ("interactive", "batch")
# Interactive generations of one provider that may wait for a slot in memory; more of them wait in the queue.
_MOST_INSIDE = 32
# Claimed before a slot is free, so that the poll interval does not stand between two of them.
_AHEAD = 4
# DBOS knows waiting rows by their priority, lowest first; 0 would go before all.
_PRIORITY = {"interactive": 1, "batch": 10}


@dataclass(frozen=True, slots=True)
class Pace:
    """How often queues are polled, and how long a stop waits, in seconds."""

    interactive: float
    batch: float
    stop: float


@dataclass
class DurableJobs:
    """The Jobs port on DBOS. Open with `start`, close with `stop`, both on the platform's event loop."""

    url: str
    role: RoleName
    locks: Path
    pace: Pace
    executor_id: str | None = None
    _engine: sa.Engine | None = None
    _client: DBOSClient | None = None
    _executor: Executor | None = None
    _bound: Bound | None = None

    @property
    def works(self) -> bool:
        """True when this process runs workflows."""
        return self.role != "api"

    @property
    def executor(self) -> str:
        """The id under which this process owns work. Only after `start`, and only where it works."""
        if self._executor is None:
            raise RuntimeError("this process runs no workflows")
        return self._executor.id

    async def start(self, platform: Platform) -> None:
        """Launch, take up the work that this executor left behind, and register the providers' queues."""
        self._engine = durable.open_engine(self.url)
        try:
            if self.works:
                await self._launch(platform, self._engine)
            else:
                await anyio.to_thread.run_sync(durable.migrate, self._engine)
                self._client = await anyio.to_thread.run_sync(durable.client, self._engine)
        except OperationalError as error:
            raise DatabaseUnavailable(
                "The job engine's database does not answer. Check PLATEMARK_DATABASE_URL."
            ) from error

    async def _launch(self, platform: Platform, engine: sa.Engine) -> None:
        self._executor = await anyio.to_thread.run_sync(claim, self.locks, self.role, self.executor_id)
        slots = {name: Slots(provider.concurrency) for name, provider in platform.providers.items()}
        self._bound = Bound(platform, slots)
        bind(self._bound)
        served = served_providers(self.role, platform.providers)
        # By name, because DBOS remembers the queues of providers that are no longer configured.
        durable.launch(engine, self._executor.id, [queue_of(name, lane) for name in served for lane in LANES])
        for name, provider in served.items():
            for lane in LANES:
                await DBOS.register_queue_async(
                    queue_of(name, lane),
                    worker_concurrency=provider.concurrency + _AHEAD,
                    polling_interval_sec=self.pace.interactive if lane == "interactive" else self.pace.batch,
                    on_conflict="always_update",
                )

    async def submit(self, generation: Generation, *, delay: float = 0.0) -> None:
        """Start directly while few are in the process, else queue. One (generation, runs) is one workflow."""
        provider = generation.model.split("/", 1)[0]
        workflow, queue = workflow_id(generation), queue_of(provider, generation.lane)
        if self._client is not None:
            options = EnqueueOptions(
                workflow_name="generate",
                queue_name=queue,
                workflow_id=workflow,
                app_version=durable.VERSION,
                priority=_PRIORITY[generation.lane],
            )
            if delay > 0:
                options["delay_seconds"] = delay
            await self._client.enqueue_async(options, generation.id)
            return
        with SetWorkflowID(workflow):
            if delay == 0 and self._may_start_now(provider, generation.lane):
                await DBOS.start_workflow_async(generate, generation.id)
                return
            with SetEnqueueOptions(priority=_PRIORITY[generation.lane], delay_seconds=delay or None):
                await DBOS.enqueue_workflow_async(queue, generate, generation.id)

    def _may_start_now(self, provider: str, lane: str) -> bool:
        """Only a process that serves everything may skip the queue: elsewhere the queue decides who works."""
        slots = self._bound.slots.get(provider) if self._bound else None
        return self.role == "all" and lane == "interactive" and slots is not None and slots.inside < _MOST_INSIDE

    async def check(self) -> None:
        """Raise DatabaseUnavailable when the durable engine's database does not answer."""
        engine = self._engine
        if engine is None:
            raise DatabaseUnavailable("The job engine is not running.")

        def ask() -> None:
            with engine.connect() as connection:
                connection.execute(sa.text("SELECT 1"))

        try:
            await anyio.to_thread.run_sync(ask)
        except SQLAlchemyError as error:
            raise DatabaseUnavailable("The database of the job engine does not answer.") from error

    async def stop(self) -> None:
        """Let running work end for a while, then leave it to the next start; nothing is lost."""
        if self._bound is not None:
            await self._drain(self._bound.running)
            await anyio.to_thread.run_sync(DBOS.destroy)
            asyncio.get_running_loop().set_default_executor(durable.fresh_default_executor())
        if self._client is not None:
            await anyio.to_thread.run_sync(self._client.destroy)
        if self._executor is not None:
            self._executor.release()
        if self._engine is not None:
            self._engine.dispose()

    async def _drain(self, running: set[asyncio.Task[object]]) -> None:
        if running:
            await asyncio.wait(set(running), timeout=self.pace.stop)
        for task in set(running):
            task.cancel("the server stops; the work goes on at the next start")
        if running:
            await asyncio.wait(set(running), timeout=5)

    def fence(self) -> None:
        """Stop all own work at once: this worker could not say that it lives, so others may be taking the work over."""
        for task in set(self._bound.running if self._bound else ()):
            task.cancel("this worker lost its heartbeat")


def queue_of(provider: str, lane: str) -> str:
    """The name of a provider's queue."""
    return f"{provider}.{lane}"


def workflow_id(generation: Generation) -> str:
    """One run of one generation: submitting it twice is submitting it once."""
    return f"{generation.id}.{generation.runs}"


def served_providers(role: RoleName, providers: Mapping[str, Provider]) -> dict[str, Provider]:
    """`engine` draws locally, `worker` calls everybody else, `all` does both."""
    local = role == "engine"
    return {name: provider for name, provider in providers.items() if role == "all" or (name == "local") == local}
