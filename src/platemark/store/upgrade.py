"""Brings a database to the schema of this version, also when several processes start at once."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import anyio
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, text

from platemark.core.errors import Misconfigured
from platemark.store import connections
from platemark.store.faults import translated

_LOCK = 7_226_171_914
# Alembic keeps the migration that runs in module variables.
_one_at_a_time = threading.Lock()


async def upgrade(url: str, revision: str = "head") -> None:
    """Migrate to `revision`, in one transaction; a database file is made when there is none.

    Raises Misconfigured when a newer Platemark wrote the database, DatabaseUnavailable, StorageFull.
    """
    await anyio.to_thread.run_sync(_run, connections.parse(url), _upgrade, revision)


async def downgrade(url: str, revision: str = "base") -> None:
    """Go back to `revision`. What the older schema cannot hold is lost."""
    await anyio.to_thread.run_sync(_run, connections.parse(url), command.downgrade, revision)


def _run(url: URL, migrate: Callable[[Config, str], None], revision: str) -> None:
    if connections.is_sqlite(url):
        _make_file(Path(url.database or ""))
    engine = connections.connect_blocking(url)
    try:
        with _one_at_a_time, translated(), engine.begin() as connection:
            # On SQLite the transaction itself keeps other processes out.
            if not connections.is_sqlite(url):
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            migrate(_config(connection), revision)
    finally:
        engine.dispose()


def _upgrade(config: Config, revision: str) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    found = MigrationContext.configure(config.attributes["connection"]).get_current_heads()
    if strange := set(found) - known:
        raise Misconfigured(
            f"The database was written by a newer Platemark (its schema is {', '.join(sorted(strange))}). Start that "
            "version, or restore the backup that was made before the upgrade."
        )
    command.upgrade(config, revision)


def _config(connection: Connection) -> Config:
    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _make_file(path: Path) -> None:
    """Only its owner may read it: it holds prompts. SQLite gives its helper files the same mode."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise Misconfigured(
            f"The database file {path} cannot be opened ({error.strerror}). Make it and its directory writable for the "
            "user that runs Platemark, or set PLATEMARK_DATA."
        ) from None
