"""DBOS itself: its database, its configuration and its quiet."""

import logging
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa
import sqlalchemy.event
from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer

from platemark.settings import CONTRACT_VERSION
from platemark.store import connections

APPLICATION = "platemark"
VERSION = f"contract-{CONTRACT_VERSION}"
_POOL = 10
_THREADS = 24


def open_engine(url: str) -> sa.Engine:
    """The database of the durable engine: its own SQLite file, or the schema `dbos` in the PostgreSQL database."""
    engine = sa.create_engine(
        url, pool_size=_POOL, max_overflow=0, pool_timeout=30, pool_pre_ping=not url.startswith("sqlite")
    )
    if url.startswith("sqlite"):
        sqlalchemy.event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # DBOS sets these only on engines that it makes itself; the write-ahead log is worth a factor of four.
    connection.isolation_level = "IMMEDIATE"
    connections.write_ahead(connection, connections.WAIT_SECONDS)
    for pragma in ("synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def launch(engine: sa.Engine, executor: str, queues: list[str]) -> None:
    """Start DBOS on the running event loop's thread, so that workflows run on it. Serves only `queues`."""
    _quieten()
    config: DBOSConfig = {
        "name": APPLICATION,
        "system_database_engine": engine,
        "serializer": DBOSPortableJSONSerializer(),
        "application_version": VERSION,
        "executor_id": executor,
        "max_executor_threads": _THREADS,
        "log_level": "WARNING",
        "scheduler_polling_interval_sec": 3600,
    }
    DBOS(config=config)
    DBOS.listen_queues(queues)
    DBOS.launch()


def client(engine: sa.Engine) -> DBOSClient:
    """For processes that submit work and run none."""
    _quieten()
    return DBOSClient(
        system_database_engine=engine, serializer=DBOSPortableJSONSerializer(), application_name=APPLICATION
    )


def migrate(engine: sa.Engine) -> None:
    """Bring the durable engine's own tables up to date without serving any work."""
    DBOS.migrate(engine.url.render_as_string(hide_password=False))


def fresh_default_executor() -> ThreadPoolExecutor:
    """DBOS puts its own thread pool under the loop and closes it at the end; this one takes its place."""
    return ThreadPoolExecutor(max_workers=4, thread_name_prefix="default")


def _quieten() -> None:
    log = logging.getLogger("dbos")
    if not log.handlers:
        log.addHandler(logging.NullHandler())
        log.addFilter(_worth_reading)
    log.propagate = True
    log.setLevel(logging.WARNING)


def _worth_reading(record: logging.LogRecord) -> bool:
    """Canceled and interrupted workflows are normal here and are logged by us."""
    text = record.getMessage()
    return "cancelled" not in text.lower() and "already exists in queue" not in text
