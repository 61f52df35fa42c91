"""Reads of one consistent moment."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import product
from typing import Any, TypeVar, cast

from sqlalchemy import ColumnElement, Select, Table, exists, func, or_, select, tuple_
from sqlalchemy.sql.base import Executable

from platemark.core.audit import AuditLine
from platemark.core.base import Noun
from platemark.core.errors import InvalidRequest, NotFound, TooLarge
from platemark.core.event import Event
from platemark.core.generation import Generation
from platemark.core.ports import Page, Query
from platemark.store import connections, cursors, statements, tables
from platemark.store.answers import Answer, Session, Statement
from platemark.store.codec import is_json, kind_of, project_of, to_noun
from platemark.store.counting import counts

N = TypeVar("N", bound=Noun)


class Rows:
    """Implements the port Reading on one connection."""

    def __init__(self, connection: Session) -> None:
        self._connection = connection

    async def get(self, kind: type[N], id: str) -> N:
        """The noun with this id. Raises NotFound."""
        if (noun := await self.find(kind, id)) is None:
            raise NotFound(f"There is no {kind_of(kind).name} {id[:80]!r}. Check the id and the project of the key.")
        return noun

    async def find(self, kind: type[N], id: str) -> N | None:
        """The noun with this id, or None."""
        if "\x00" in id:
            return None
        noun = await self._one(kind, id)
        if noun is not None and await self._meet(project_of(noun)):
            return await self._one(kind, id)
        return noun

    async def all(self, kind: type[N], *, order_by: str = "id", limit: int | None = None, **equals: Any) -> list[N]:
        """Rows whose fields equal the given values (a tuple or frozenset: any of them; None: is null)."""
        table = kind_of(kind).table
        await self._meet_in(equals)
        statement = statements.matching(table, statements.shape_of(equals), order_by, limited=limit is not None)
        return await self._nouns(kind, statement, statements.values_of(equals, limit))

    async def fields(
        self, kind: type[Noun], names: Sequence[str], *, after: str = "", limit: int = 5000, **equals: Any
    ) -> list[tuple[Any, ...]]:
        """Plain fields of rows with an id greater than `after`, by id: for what is too many to be read as nouns."""
        table = kind_of(kind).table
        await self._meet_in(equals)
        wanted = select(*(table.c[name] for name in names)).where(table.c.id > after, *equal(table, equals))
        found = await self._run(wanted.order_by(table.c.id).limit(limit))
        return [tuple(row.values()) for row in found.rows]

    async def before(
        self,
        kind: type[N],
        field: str,
        moment: datetime,
        *,
        limit: int = 100,
        skip: int = 0,
        having: str | None = None,
        **equals: Any,
    ) -> list[N]:
        """Rows whose timestamp `field` lies before `moment`, oldest first, without the first `skip`.

        `having`: only those in which this field is not None.
        """
        table = kind_of(kind).table
        await self._meet_in(equals)
        return await self._nouns(
            kind,
            select(table)
            .where(table.c[field] < moment, *equal(table, equals), *([table.c[having].is_not(None)] if having else []))
            .order_by(table.c[field], table.c.id)
            .limit(limit)
            .offset(skip),
        )

    async def page(self, kind: type[N], query: Query) -> Page[N]:
        """One page of what a project has, newest id first. `since` is included, `until` is not.

        Raises InvalidRequest for a cursor that is not ours.
        """
        table = kind_of(kind).table
        await self._meet(query.project)
        owners = (query.project, *query.beside) if query.beside else query.project
        wanted = equal(table, {**query.equals, "project": owners}) + _tagged(kind, table, query.tags)
        if query.cursor is not None:
            wanted.append(table.c.id < cursors.id_of(query.cursor))
        wanted += _between(table, query.since, query.until)
        limit = max(1, query.limit)
        found = await self._nouns(kind, select(table).where(*wanted).order_by(table.c.id.desc()).limit(limit + 1))
        data = tuple(found[:limit])
        return Page(data, cursors.after_id(data[-1].id) if len(found) > limit else None)

    async def page_by(self, kind: type[N], field: str, query: Query) -> Page[N]:
        """One page of what a project has, by a text field and then by id, both ascending; otherwise as `page`.

        What may have one of several values is sought value by value, so that an index gives each in order.
        """
        table = kind_of(kind).table
        await self._meet(query.project)
        column, limit = table.c[field], max(1, query.limit)
        further = [*_tagged(kind, table, query.tags), *_between(table, query.since, query.until)]
        if query.cursor is not None:
            further.append(tuple_(column, table.c.id) > tuple_(*cursors.place_of(query.cursor)))
        searches = [
            (
                select(table)
                .where(*equal(table, {**equals, "project": query.project}), *further)
                .order_by(column, table.c.id)
                .limit(limit + 1),
                None,
            )
            for equals in _singly(query.equals)
        ]
        answers = await self._run_all(*searches) if searches else []
        found = [to_noun(kind, row) for answer in answers for row in answer.rows]
        found.sort(key=lambda noun: (getattr(noun, field), noun.id))
        data = tuple(found[:limit])
        more = len(found) > limit
        return Page(data, cursors.after_place(getattr(data[-1], field), data[-1].id) if more else None)

    async def count_by(
        self,
        kind: type[N],
        by: Sequence[str],
        *,
        project: str,
        since: datetime | None = None,
        until: datetime | None = None,
        most: int = 10_000,
    ) -> list[tuple[tuple[str | None, ...], int]]:
        """How many rows of a project share the values of these fields; the most first. Raises TooLarge."""
        table = kind_of(kind).table
        await self._meet(project)
        statement = counts(table, by, sqlite=self._connection.dialect.name == "sqlite")
        wanted = [*equal(table, {"project": project}), *_between(table, since, until)]
        found = (await self._run(statement.where(*wanted).limit(most + 1))).rows
        if len(found) > most:
            raise TooLarge(f"There are more than {most} groups. Ask for a shorter time, or for fewer fields.")
        rows = (tuple[Any, ...](row.values()) for row in found)
        return [(row[:-1], row[-1]) for row in rows]

    async def events(
        self, project: str, *, generation: str | None = None, after: int = 0, limit: int = 1000
    ) -> list[Event]:
        """Events with `seq` greater than `after`, oldest first."""
        table = tables.events
        wanted = [table.c.project == project, table.c.seq > after]
        if generation is not None:
            wanted.append(table.c.generation == generation)
        return await self._nouns(Event, select(table).where(*wanted).order_by(table.c.seq).limit(limit))

    async def chain(self, project: str, *, after: int = 0, limit: int = 1000) -> list[AuditLine]:
        """Lines of the project's chain with `seq` greater than `after`, in order."""
        lines = tables.audit_lines
        found = await self._run(_lines(project).where(lines.c.seq > after).order_by(lines.c.seq).limit(limit))
        return [AuditLine.model_validate(dict(row)) for row in found.rows]

    async def chain_span(
        self, project: str, *, generation: str | None = None, image: str | None = None
    ) -> tuple[int, int] | None:
        """First and last chain line about a generation or image, or about either of both; None when there is none."""
        lines = tables.audit_lines
        about = [lines.c[name] == id for name, id in (("generation", generation), ("image", image)) if id is not None]
        if not about:
            raise ValueError("Name a generation or an image.")
        span = select(func.min(lines.c.seq), func.max(lines.c.seq)).where(lines.c.project == project, or_(*about))
        (row,) = (await self._run(span)).rows
        first, last = tuple[Any, ...](row.values())
        return None if first is None or last is None else (first, last)

    async def _meet(self, project: str | None) -> bool:
        """Called before rows of a project are read or written; True when what was read before may be stale."""
        return False

    async def _meet_in(self, equals: Mapping[str, Any]) -> None:
        if isinstance(project := equals.get("project"), str):
            await self._meet(project)

    async def _one(self, kind: type[N], id: str) -> N | None:
        found = (await self._run(statements.by_id(kind_of(kind).table), {"id": id})).rows
        return to_noun(kind, found[0]) if found else None

    async def _nouns(self, kind: type[N], statement: Select[Any], values: Any = None) -> list[N]:
        return [to_noun(kind, row) for row in (await self._run(statement, values)).rows]

    async def _run(self, statement: Executable, rows: Any = None) -> Answer:
        return (await self._run_all((statement, rows)))[0]

    async def _run_all(self, *statements: Statement) -> list[Answer]:
        try:
            return await connections.run_all(self._connection, *statements)
        except UnicodeEncodeError:
            raise InvalidRequest("A text holds half a surrogate pair. Send valid Unicode.") from None


def _lines(project: str) -> Select[Any]:
    lines = tables.audit_lines
    return select(*(lines.c[name] for name in AuditLine.model_fields)).where(lines.c.project == project)


def equal(table: Table, equals: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    """What has to hold of a row. Raises TypeError for a column that cannot be searched by."""
    return [_compare(table, name, value) for name, value in equals.items()]


def _singly(equals: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The same search as several that each name one value of every field."""
    return [dict(zip(equals, each, strict=True)) for each in product(*map(_values, equals.values()))]


def _values(value: Any) -> Iterable[Any]:
    return dict.fromkeys(cast("Iterable[Any]", value)) if isinstance(value, tuple | frozenset) else (value,)


def _compare(table: Table, name: str, value: Any) -> ColumnElement[bool]:
    if name not in table.c or is_json(table, name):
        raise TypeError(f"{table.name} cannot be searched by {name}.")
    column = table.c[name]
    if isinstance(value, tuple | frozenset):
        return column.in_(tuple(cast("Iterable[Any]", value)))
    return column == value


def _between(table: Table, since: datetime | None, until: datetime | None) -> list[ColumnElement[bool]]:
    wanted = list[ColumnElement[bool]]()
    if since is not None:
        wanted.append(table.c.created_at >= since)
    if until is not None:
        wanted.append(table.c.created_at < until)
    return wanted


def _tagged(kind: type[Noun], table: Table, wanted: Mapping[str, str]) -> list[ColumnElement[bool]]:
    if not wanted:
        return []
    tags = tables.generation_tags
    generation = table.c.id if kind is Generation else table.c.generation
    return [
        exists().where(
            tags.c.generation == generation,
            tags.c.project == table.c.project,
            tags.c.name == name,
            tags.c.value == value,
        )
        for name, value in wanted.items()
    ]
