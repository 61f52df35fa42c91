"""Who works, by the clock of the database because those of many machines differ; and who leads."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from platemark.core.errors import DatabaseUnavailable
from platemark.store.answers import Session
from platemark.store.connections import run
from platemark.store.faults import translated
from platemark.store.postgres import Links
from platemark.store.tables import workers

_LEADERS = 7_226_171_915

_INSERT = {"postgresql": postgresql.insert, "sqlite": sqlite.insert}


@dataclass(frozen=True, slots=True)
class Worker:
    """One process. `executor_id` names its place, `boot_id` this start of it."""

    executor_id: str
    boot_id: str
    role: str
    heartbeat_at: datetime


async def beat(connection: Session, executor_id: str, boot_id: str, role: str) -> None:
    """Say that this worker lives now."""
    now = {"boot_id": boot_id, "role": role, "heartbeat_at": _ago(connection, timedelta())}
    statement = _INSERT[connection.dialect.name](workers).values(executor_id=executor_id, **now)
    await run(connection, statement.on_conflict_do_update(index_elements=[workers.c.executor_id], set_=now))


async def heard(connection: Session, within: timedelta) -> list[Worker]:
    """Workers that gave a sign of life within that time."""
    return await _workers(connection, workers.c.heartbeat_at >= _ago(connection, within))


async def silent(connection: Session, older_than: timedelta) -> list[Worker]:
    """Workers whose last sign of life is older."""
    return await _workers(connection, workers.c.heartbeat_at < _ago(connection, older_than))


async def forget(connection: Session, worker: Worker) -> None:
    """Drop a worker that is gone; one that was started again since then stays."""
    await run(
        connection,
        delete(workers).where(workers.c.executor_id == worker.executor_id, workers.c.boot_id == worker.boot_id),
    )


@asynccontextmanager
async def leading(links: Links, task: str) -> AsyncGenerator[bool]:
    """PostgreSQL's lock on `task`, held by one session; False when another has it."""
    key = func.hashtextextended(task, _LEADERS)
    with translated():
        async with links.taken() as session:
            # A lock of the session rather than of a transaction, which would keep the server from cleaning up.
            await session.connection.execution_options(isolation_level="AUTOCOMMIT")
            (row,) = (await run(session, select(func.pg_try_advisory_lock(key).label("mine")))).rows
            try:
                yield bool(row["mine"])
            finally:
                with suppress(DatabaseUnavailable):
                    await run(session, select(func.pg_advisory_unlock_all()))


async def _workers(connection: Session, condition: ColumnElement[bool]) -> list[Worker]:
    found = await run(connection, select(workers).where(condition).order_by(workers.c.executor_id))
    return [Worker(**row) for row in found.rows]


def _ago(connection: Session, span: timedelta) -> ColumnElement[Any]:
    seconds = span.total_seconds()
    if connection.dialect.name == "sqlite":
        # The shape in which SQLAlchemy keeps moments there, which has microseconds.
        return func.strftime("%Y-%m-%d %H:%M:%f000", "now", f"{-seconds:+.3f} seconds")
    return func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, seconds)
