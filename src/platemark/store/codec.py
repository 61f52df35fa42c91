"""Nouns to rows and back, for every kind in the same way."""

from collections.abc import Mapping
from typing import Any, TypeVar

from sqlalchemy import JSON, Table

from platemark.core.base import Noun
from platemark.store.tables import KINDS, Kind

N = TypeVar("N", bound=Noun)
# Tags are kept a second time, for searching; nothing that a client sent with its request is rewritten.
_FIXED = frozenset({"id", "project", "tags"})


def kind_of(noun: type[Noun]) -> Kind:
    """How this kind of noun is kept. Raises TypeError for one that has no table."""
    try:
        return KINDS[noun]
    except KeyError:
        raise TypeError(f"{noun.__name__} has no table in the store.") from None


def project_of(noun: Noun) -> str | None:
    """The project that the noun belongs to; None for projects and people."""
    return getattr(noun, "project", None)


def to_row(noun: Noun, table: Table) -> dict[str, Any]:
    """All columns of a noun."""
    return _row(noun, table, [column.name for column in table.columns])


def changed(noun: N, table: Table, changes: Mapping[str, Any]) -> tuple[N, dict[str, Any]]:
    """The noun with `changes` made and checked, and the changed columns."""
    if fixed := _FIXED & changes.keys():
        raise ValueError(f"{', '.join(sorted(fixed))} of a {type(noun).__name__} never changes.")
    new = type(noun).model_validate({**dict(noun), **changes})
    return new, _row(new, table, list(changes))


def to_noun(kind: type[N], row: Mapping[Any, Any]) -> N:
    """The noun of a row."""
    return kind.model_validate(dict(row))


def is_json(table: Table, name: str) -> bool:
    """True for a column that holds JSON, which the two databases do not compare in the same way."""
    return isinstance(table.c[name].type, JSON)


def _row(noun: Noun, table: Table, names: list[str]) -> dict[str, Any]:
    nested = {name for name in names if is_json(table, name)}
    dumped = noun.model_dump(mode="json", include=nested) if nested else {}
    return {name: dumped[name] if name in nested else getattr(noun, name) for name in names}
