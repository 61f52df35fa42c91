"""What goes wrong in a database, as our errors: what happened and what to do, never an address or a value."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy import exc

from platemark.core.errors import Conflict, DatabaseUnavailable, InvalidRequest, PlatemarkError, StorageFull

_FULL = "The disk that holds the database is full. Free space there; nothing of this change was kept."
_ADDRESS = "Check PLATEMARK_DATABASE_URL and that the server runs."
_NO_TABLE = "A table is missing from the database: it was not migrated. Start Platemark again, which does it."
_SQLITE: tuple[tuple[str, type[PlatemarkError], str], ...] = (
    ("SQLITE_ERROR no such table", DatabaseUnavailable, _NO_TABLE),
    ("SQLITE_FULL", StorageFull, _FULL),
    (
        "SQLITE_BUSY",
        DatabaseUnavailable,
        "The database has been locked by another process for too long. Try again; if it stays so, look for a backup or "
        "a database shell that holds it open.",
    ),
    ("SQLITE_LOCKED", DatabaseUnavailable, "The database is locked. Try again."),
    (
        "SQLITE_READONLY",
        DatabaseUnavailable,
        "The database file is read-only. Make it and its directory writable for the user that runs Platemark.",
    ),
    (
        "SQLITE_CANTOPEN",
        DatabaseUnavailable,
        "The database file cannot be opened. Check that its directory exists and is writable.",
    ),
    (
        "SQLITE_NOTADB",
        DatabaseUnavailable,
        "The database file is not an SQLite database. Move it away or restore a backup.",
    ),
    ("SQLITE_CORRUPT", DatabaseUnavailable, "The database file is damaged. Stop Platemark and restore a backup."),
    (
        "SQLITE_IOERR",
        DatabaseUnavailable,
        "The database file cannot be read or written. Check the disk and its free space.",
    ),
)
_POSTGRES: tuple[tuple[str, type[PlatemarkError], str], ...] = (
    ("53100", StorageFull, _FULL),
    (
        "53300",
        DatabaseUnavailable,
        "The database server has no free connection. Raise its max_connections or run fewer processes.",
    ),
    ("53", DatabaseUnavailable, "The database server lacks resources. Look at its log."),
    ("40", DatabaseUnavailable, "Another change got in the way of this one. Try again."),
    ("55P03", DatabaseUnavailable, "Another change of the same project takes too long. Try again."),
    ("57014", DatabaseUnavailable, "The database gave up on a statement that took too long. Try again."),
    ("57P", DatabaseUnavailable, "The database server is stopping or starting. Try again."),
    ("25006", DatabaseUnavailable, f"The database is read-only, perhaps a standby. {_ADDRESS}"),
    ("28", DatabaseUnavailable, f"The database refused our user or password. {_ADDRESS}"),
    ("3D", DatabaseUnavailable, f"The database does not exist on the server. Create it. {_ADDRESS}"),
    ("42501", DatabaseUnavailable, f"Our database user may not do this. Grant it what it lacks. {_ADDRESS}"),
    ("42P01", DatabaseUnavailable, _NO_TABLE),
)
# While connecting there is no code, whatever the reason.
_UNREACHABLE = f"The database does not answer, or it refused our user, our password or the database's name. {_ADDRESS}"


@contextmanager
def translated() -> Generator[None]:
    """Raise our error for one of the database. The original is left out: it may quote addresses, or values of a row."""
    try:
        yield
    except exc.TimeoutError:
        raise DatabaseUnavailable(
            "All database connections have been in use for too long. Try again; if it stays so, the database is slow."
        ) from None
    except exc.DBAPIError as error:
        raise _translate(error) from None


def _translate(error: exc.DBAPIError) -> PlatemarkError:
    code = _code(error)
    if isinstance(error, exc.IntegrityError):
        return Conflict(_integrity(code))
    if isinstance(error, exc.DataError):
        return InvalidRequest("A value does not fit the database, such as a NUL character or a number beyond 64 bits.")
    table = _SQLITE if code.startswith("SQLITE_") else _POSTGRES
    for prefix, kind, message in table:
        if code.startswith(prefix):
            return kind(message)
    if code in ("P0001", "SQLITE_CONSTRAINT_TRIGGER"):
        return Conflict("Audit lines and events are append-only.")
    if not code or code.startswith("08"):
        return DatabaseUnavailable(_UNREACHABLE)
    return DatabaseUnavailable(f"The database refused a statement (code {code}). Look at its log.")


def _integrity(code: str) -> str:
    if code in ("SQLITE_CONSTRAINT_TRIGGER", "P0001"):
        return "Audit lines and events are append-only."
    if code in ("SQLITE_CONSTRAINT_FOREIGNKEY", "23503"):
        return "This refers to something that is not there, or something else still refers to it. Read it again."
    if code in ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY", "23505"):
        return "This is there already. Read it instead of adding it again."
    return f"This contradicts a rule of the database (code {code})."


def _code(error: exc.DBAPIError) -> str:
    """The SQLSTATE or the name of the SQLite error; empty when there is none, as when nothing answers."""
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        name: str = getattr(cause, "sqlite_errorname", "")
        return f"{name} no such table" if str(cause).startswith("no such table") else name
    return getattr(cause, "sqlstate", None) or ""
