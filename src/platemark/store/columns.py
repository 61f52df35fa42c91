"""Kinds of columns, and the metadata that every table stands in."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, DateTime, Dialect, ForeignKey, Integer, MetaData, Text, TypeDecorator
from sqlalchemy.types import TypeEngine


class UtcTime(TypeDecorator[datetime]):
    """A moment, kept in UTC. SQLite has no zones: there it is text that sorts by time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database."""
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
# SQLite numbers rows by itself only where the key is a plain INTEGER.
serial = BigInteger().with_variant(Integer(), "sqlite")


def key(name: str = "id") -> Column[Any]:
    """The primary key."""
    return Column(name, Text, primary_key=True)


def _all(kind: TypeEngine[Any], names: str, *, null: bool) -> list[Column[Any]]:
    return [Column(name, kind, nullable=null) for name in names.split()]


def text(names: str, *, null: bool = False) -> list[Column[Any]]:
    """Columns of text; names are parted by spaces."""
    return _all(Text(), names, null=null)


def whole(names: str, *, null: bool = False) -> list[Column[Any]]:
    """Columns of whole numbers."""
    return _all(BigInteger(), names, null=null)


def time(names: str, *, null: bool = False) -> list[Column[Any]]:
    """Columns of moments."""
    return _all(UtcTime(), names, null=null)


def json(names: str, *, null: bool = False) -> list[Column[Any]]:
    """Columns of nested values."""
    return _all(JSON(none_as_null=True), names, null=null)


def refers(name: str, target: str, *, null: bool = False) -> Column[Any]:
    """A column that holds the key of a row of another table, `table.column`."""
    return Column(name, Text, ForeignKey(target), nullable=null)
