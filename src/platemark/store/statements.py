"""Statements that are asked again and again, each built once: building one costs more than SQLite takes to run it."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Insert, Select, Table, Update, bindparam, insert, select, update

from platemark.store.codec import is_json

_WAS, _NEW, _LIMIT = "was_", "new_", "at_most"
# The fields of a search, each with how its value is compared.
Shape = tuple[tuple[str, str], ...]


def shape_of(equals: Mapping[str, Any]) -> Shape:
    """What `matching` is told about the values; those of equal shape share a statement."""
    return tuple((name, _comparison(value)) for name, value in equals.items())


def values_of(equals: Mapping[str, Any], limit: int | None) -> dict[str, Any]:
    """The values for `matching`."""
    values = {_WAS + name: list(value) if _is_several(value) else value for name, value in equals.items()}
    return values if limit is None else {**values, _LIMIT: limit}


@cache
def by_id(table: Table) -> Select[Any]:
    """The row with the id `id`."""
    return select(table).where(table.c.id == bindparam("id"))


@cache
def matching(table: Table, shape: Shape, order_by: str, *, limited: bool) -> Select[Any]:
    """Rows whose columns equal the values. Raises TypeError for a column that cannot be searched by."""
    found = select(table).where(*(_compared(table, *each) for each in shape)).order_by(table.c[order_by], table.c.id)
    return found.limit(bindparam(_LIMIT)) if limited else found


@cache
def into(table: Table) -> Insert:
    """Insert rows."""
    return insert(table)


@cache
def changing(table: Table, guards: tuple[str, ...], names: tuple[str, ...]) -> Update:
    """Set `names` of the row with an id where `guards` are still as they were."""
    same = [table.c[name].is_not_distinct_from(bindparam(_WAS + name, type_=table.c[name].type)) for name in guards]
    new = {name: bindparam(_NEW + name, type_=table.c[name].type) for name in names}
    return update(table).where(table.c.id == bindparam("row_id"), *same).values(new)


def change_values(id: str, was: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The values for `changing`."""
    return {
        "row_id": id,
        **{_WAS + name: value for name, value in was.items()},
        **{_NEW + name: value for name, value in new.items()},
    }


def _comparison(value: Any) -> str:
    return "null" if value is None else "any" if _is_several(value) else "equal"


def _is_several(value: Any) -> bool:
    return isinstance(value, tuple | frozenset)


def _compared(table: Table, name: str, comparison: str) -> ColumnElement[bool]:
    if name not in table.c or is_json(table, name):
        raise TypeError(f"{table.name} cannot be searched by {name}.")
    column, value = table.c[name], _WAS + name
    if comparison == "null":
        return column.is_(None)
    if comparison == "any":
        return column.in_(bindparam(value, expanding=True))
    return column == bindparam(value)
