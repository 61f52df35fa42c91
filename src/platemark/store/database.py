"""The store: one SQLite file, or a PostgreSQL database that many machines share."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Self

import anyio
from sqlalchemy import delete, select, text

from platemark.core.generation import TERMINAL
from platemark.store import connections, tables, workers
from platemark.store.answers import Pool
from platemark.store.postgres import Links
from platemark.store.reading import Rows
from platemark.store.workers import Worker
from platemark.store.writing import Writes


def _pools(url: str, wait_seconds: float) -> tuple[Pool, Pool]:
    parsed = connections.parse(url)
    readers, writers = (
        connections.connect(parsed, writes=writes, wait_seconds=wait_seconds) for writes in (False, True)
    )
    return readers, writers


class Database:
    """Implements the port Store, and keeps what the durable runtime needs to know of its workers."""

    def __init__(self, readers: Pool, writers: Pool) -> None:
        self._readers = readers
        self._writers = writers

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, *, wait_seconds: float = connections.WAIT_SECONDS) -> AsyncGenerator[Self]:
        """Pools to the database at `url`, which has been migrated. Raises Misconfigured for a URL that is none of ours.

        `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/DATABASE`. Nothing is connected before it is used. Whoever
        has to wait for a connection or a lock for longer than `wait_seconds` gets DatabaseUnavailable.
        """
        # In a thread, because the drivers are imported and look at the disk.
        readers, writers = await anyio.to_thread.run_sync(_pools, url, wait_seconds)
        try:
            yield cls(readers, writers)
        finally:
            await readers.dispose()
            await writers.dispose()

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Writes]:
        """Everything of the block or nothing. Raises DatabaseUnavailable, StorageFull."""
        async with connections.begun(self._writers) as connection:
            writes = Writes(connection)
            yield writes
            await writes.settle()

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[Rows]:
        """Reads of one moment, which never wait for writers. Raises DatabaseUnavailable."""
        async with connections.begun(self._readers) as connection:
            yield Rows(connection)

    async def check(self) -> None:
        """Raise DatabaseUnavailable when a trivial query fails."""
        async with connections.begun(self._readers) as connection:
            await connections.run(connection, text("SELECT version_num FROM alembic_version"))

    async def drop_transient(self, finished_before: datetime) -> int:
        """Delete progress and previews of generations that had finished by then; how many there were."""
        done = select(tables.generations.c.id).where(
            tables.generations.c.status.in_(sorted(TERMINAL)), tables.generations.c.finished_at < finished_before
        )
        statement = delete(tables.events).where(tables.TRANSIENT_EVENTS, tables.events.c.generation.in_(done))
        async with connections.begun(self._writers) as connection:
            return (await connections.run(connection, statement)).count

    async def beat(self, executor_id: str, boot_id: str, role: str) -> None:
        """Say that this worker lives, at the time of the database."""
        async with connections.begun(self._writers) as connection:
            await workers.beat(connection, executor_id, boot_id, role)

    async def live_workers(self, within: timedelta) -> list[Worker]:
        """Workers that were heard of within that time."""
        async with connections.begun(self._readers) as connection:
            return await workers.heard(connection, within)

    async def dead_workers(self, older_than: timedelta) -> list[Worker]:
        """Workers whose last sign of life is older than that."""
        async with connections.begun(self._readers) as connection:
            return await workers.silent(connection, older_than)

    async def forget_worker(self, worker: Worker) -> None:
        """Drop a worker that is gone; one that was started again since then stays."""
        async with connections.begun(self._writers) as connection:
            await workers.forget(connection, worker)

    @asynccontextmanager
    async def leading(self, task: str) -> AsyncGenerator[bool]:
        """True for one process at a time, for as long as the block lasts; always on SQLite, which has one machine.

        A leader that dies holds nobody up: its lock ends with its connection. One that loses its connection is not
        told, so keep the block short and its work idempotent.
        """
        if not isinstance(self._writers, Links):
            yield True
            return
        async with workers.leading(self._writers, task) as mine:
            yield mine
