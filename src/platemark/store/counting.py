"""Counts of rows by the values of their fields, grouped by the database."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, Text, func, literal_column, select

DAY = "day"


def counts(table: Table, by: Sequence[str], *, sqlite: bool) -> Select[Any]:
    """Values of `by`, then how many rows have them; the most first. Raises TypeError for what is no text."""
    columns = [_column(table, name, sqlite=sqlite).label(f"by_{name}") for name in by]
    number = func.count().label("number")
    return (
        select(*columns, number)
        .select_from(table)
        .group_by(*columns)
        .order_by(number.desc(), *(column.asc().nulls_first() for column in columns))
    )


def _column(table: Table, name: str, *, sqlite: bool) -> ColumnElement[Any]:
    if name == DAY:
        # No bound parameters: PostgreSQL would not see that two expressions are the same.
        made = f"{table.name}.created_at"
        return literal_column(
            f"date({made})" if sqlite else f"to_char({made} AT TIME ZONE 'UTC', 'YYYY-MM-DD')", Text()
        )
    if name not in table.c or not isinstance(table.c[name].type, Text):
        raise TypeError(f"{table.name} cannot be counted by {name}.")
    return table.c[name]
