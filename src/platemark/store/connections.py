"""Connections to SQLite and PostgreSQL, set up so that both keep the same promises."""

import sqlite3
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, exc, make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.sql.base import Executable

from platemark.core.errors import Misconfigured
from platemark.store.answers import Answer, Pool, Session, Statement
from platemark.store.faults import translated
from platemark.store.postgres import Links
from platemark.store.sqlite import Lanes

WAIT_SECONDS = 30.0
POOL = 5
_DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+aiosqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
_IDLE_SECONDS = 120
_TURN_SECONDS = 0.02


def parse(url: str) -> URL:
    """The URL with our driver. Raises Misconfigured, without quoting it, for one that is no database of ours."""
    try:
        parsed = make_url(url)
    except exc.ArgumentError:
        parsed = None
    if parsed is not None and (driver := _DRIVERS.get(parsed.drivername)) and parsed.database not in (None, ":memory:"):
        return parsed.set(drivername=driver)
    raise Misconfigured(
        "PLATEMARK_DATABASE_URL is not one that Platemark can use. Give postgresql://USER:PASSWORD@HOST/DATABASE or "
        "sqlite:///FILE, or leave it unset for a file in the data directory."
    )


def is_sqlite(url: URL) -> bool:
    """True for a file, False for PostgreSQL."""
    return url.get_backend_name() == "sqlite"


def connect(url: URL, *, writes: bool, wait_seconds: float = WAIT_SECONDS) -> Pool:
    """A pool of connections, for transactions or for reading alone."""
    options = _options(url)
    if is_sqlite(url):
        file = create_engine(url, **options, poolclass=NullPool)
        _prepare_sqlite(file, wait_seconds, begin="BEGIN IMMEDIATE" if writes else "BEGIN")
        # One writer: those of this process queue here in order, instead of polling for the lock of the file.
        return Lanes(file, 1 if writes else POOL, wait_seconds, writes=writes)
    engine = create_async_engine(
        url, **options, pool_size=POOL, max_overflow=0, pool_timeout=wait_seconds, pool_pre_ping=True
    )
    _prepare_postgres(engine.sync_engine, wait_seconds)
    # One moment for all reads of a block, as SQLite has it.
    repeatable = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    return Links(engine if writes else engine.execution_options(**repeatable))


def connect_blocking(url: URL) -> Engine:
    """For migrations, which run in a thread of their own and may make a table anew that others refer to."""
    engine = create_engine(url, **_options(url))
    if is_sqlite(url):
        _prepare_sqlite(engine, WAIT_SECONDS, begin="BEGIN IMMEDIATE", foreign_keys=False)
    else:
        _prepare_postgres(engine, WAIT_SECONDS)
    return engine


@asynccontextmanager
async def begun(pool: Pool) -> AsyncGenerator[Session]:
    """A connection inside a transaction: committed at the end of the block, rolled back when it raises. Our errors."""
    with translated():
        async with pool.begun() as session:
            yield session


async def run(session: Session, statement: Executable, rows: Any = None) -> Answer:
    """Execute, with one set of values or with several. Raises our errors."""
    return (await run_all(session, (statement, rows)))[0]


async def run_all(session: Session, *statements: Statement) -> list[Answer]:
    """Execute one after the other. Cancellation takes effect before them, not between. Raises our errors."""
    await anyio.lowlevel.checkpoint_if_cancelled()
    with translated():
        return await session.run(*statements)


def write_ahead(file: sqlite3.Connection, wait_seconds: float) -> None:
    """Wait for locks, and keep a write-ahead log. Of the processes that turn to it at once SQLite lets one win."""
    file.execute(f"PRAGMA busy_timeout={round(wait_seconds * 1000)}").close()
    end = time.monotonic() + wait_seconds
    while True:
        try:
            return file.execute("PRAGMA journal_mode=WAL").close()
        except sqlite3.OperationalError as error:
            # This statement does not heed the timeout where two would wait for each other.
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(_TURN_SECONDS)


def _options(url: URL) -> dict[str, Any]:
    connect_args = {} if is_sqlite(url) else {"connect_timeout": 10, "application_name": "platemark", **url.query}
    # Parameters are hidden because errors would quote prompts.
    return {"hide_parameters": True, "connect_args": connect_args}


def _prepare_sqlite(engine: Engine, wait_seconds: float, *, begin: str, foreign_keys: bool = True) -> None:
    pragmas = (
        # NORMAL may lose what was committed just before a power cut, such as an attempt that was paid for.
        "synchronous=FULL",
        f"foreign_keys={'ON' if foreign_keys else 'OFF'}",
    )

    def prepare(dbapi: Any, _record: object) -> None:
        # The driver's own idea of when a transaction begins is too late for us.
        dbapi.isolation_level = None
        write_ahead(dbapi, wait_seconds)
        for pragma in pragmas:
            dbapi.execute(f"PRAGMA {pragma}").close()

    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", start)


def _prepare_postgres(engine: Engine, wait_seconds: float) -> None:
    session = (
        f"SET timezone = 'UTC'; SET lock_timeout = {round(wait_seconds * 1000)}; "
        f"SET idle_in_transaction_session_timeout = '{_IDLE_SECONDS}s'"
    )

    def prepare(dbapi: Any, _record: object) -> None:
        cursor = dbapi.cursor()
        cursor.execute(session)
        cursor.close()
        dbapi.commit()

    event.listen(engine, "connect", prepare)
