"""Writes that happen together or not at all, each fact with its line in the audit chain."""

import json
from collections import defaultdict
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Table, delete, func, insert, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.base import Executable

from platemark.core.audit import AuditLine, canonical, next_line
from platemark.core.base import JsonObject, Noun
from platemark.core.errors import Conflict, PlatemarkError
from platemark.core.event import TRANSIENT, Event
from platemark.core.generation import Generation, check_move
from platemark.store import tables
from platemark.store.codec import changed, is_json, kind_of, project_of, to_row
from platemark.store.reading import Rows
from platemark.store.tables import Kind

N = TypeVar("N", bound=Noun)
# Keeps our advisory locks apart from those of others in the same database.
_LOCK_SPACE = 7_226_171_913
_REFERRED_FIRST = tables.metadata.sorted_tables


class Writes(Rows):
    """Implements the port Transaction on one connection.

    Transactions of one project run one after the other, on SQLite by its single writer, on PostgreSQL by an advisory
    lock that is taken when the project is first met. So event numbers are in the order of commits, what was read is
    still so when it is acted upon, and two transactions never wait for each other.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        super().__init__(connection)
        self._locks = connection.dialect.name == "postgresql"
        self._met: set[str] = set()
        self._heads: dict[str, AuditLine | None] = {}
        self._lines: list[dict[str, Any]] = []
        self._failure: PlatemarkError | None = None

    async def add(self, *nouns: Noun) -> None:
        """Insert, in whatever order they refer to each other.

        Raises Conflict when an id, or another unique field, is taken; the transaction can then only be left.
        """
        rows: dict[Table, list[dict[str, Any]]] = defaultdict(list)
        for noun in nouns:
            if isinstance(noun, Event):
                raise TypeError("Events are emitted, not added.")
            await self._meet(project_of(noun))
            table = kind_of(type(noun)).table
            rows[table].append(to_row(noun, table))
            if isinstance(noun, Generation):
                rows[tables.generation_tags] += _tag_rows(noun)
        for table in _REFERRED_FIRST:
            if table in rows:
                await self._insert(table, rows[table])

    async def change(self, noun: N, **changes: Any) -> N:
        """Compare-and-set: the row must still be in the state that `noun` shows, and the move must be allowed.

        The plain fields that are changed must still be as `noun` shows them, too. Raises Conflict otherwise, NotFound
        when the row is gone. Returns the new value.
        """
        kind = kind_of(type(noun))
        if kind.state in changes and changes[kind.state] != getattr(noun, kind.state):
            check_move(kind.name, kind.moves, getattr(noun, kind.state), changes[kind.state])
        new, columns = changed(noun, kind.table, changes)
        await self._meet(project_of(noun))
        guards = _guards(kind, changes)
        same = [kind.table.c[name].is_not_distinct_from(getattr(noun, name)) for name in guards]
        done = await self._run(update(kind.table).where(kind.table.c.id == noun.id, *same).values(columns))
        if done.rowcount != 1:
            raise _moved_on(kind, noun, await self.get(type(noun), noun.id), guards)
        return new

    async def remove(self, noun: Noun) -> None:
        """Delete; what is gone already is success."""
        await self._meet(project_of(noun))
        table = kind_of(type(noun)).table
        await self._run(delete(table).where(table.c.id == noun.id))

    async def emit(self, event: Event) -> Event:
        """Append the event and, unless it is transient, its line in the chain. Returns it with its `seq`."""
        if event.type in TRANSIENT:
            await self._let_pass(event.project)
            (seq,) = await self._append(event)
        else:
            await self._meet(event.project)
            seq = await self._append_and_chain(event)
        return event.model_copy(update={"seq": seq})

    async def chain(self, project: str, *, after: int = 0, limit: int = 1000) -> list[AuditLine]:
        """Lines of the project's chain, those of this transaction among them."""
        await self._write_lines()
        return await super().chain(project, after=after, limit=limit)

    async def chain_span(
        self, project: str, *, generation: str | None = None, image: str | None = None
    ) -> tuple[int, int] | None:
        """First and last chain line about a generation or image, those of this transaction among them."""
        await self._write_lines()
        return await super().chain_span(project, generation=generation, image=image)

    async def settle(self) -> None:
        """Write what was kept for the end. Raises the database's error again if the flow has passed over it."""
        if self._failure is not None:
            raise self._failure
        await self._write_lines()

    async def _append(self, event: Event, *also: ColumnElement[Any]) -> tuple[Any, ...]:
        """Insert; the number that the event got, and what else is asked for in the same breath."""
        row = to_row(event, tables.events)
        del row["seq"]
        return tuple((await self._run(insert(tables.events).returning(tables.events.c.seq, *also), row)).one())

    async def _append_and_chain(self, event: Event) -> int:
        project = event.project
        if project in self._heads:
            (seq,) = await self._append(event)
        else:
            seq, last, hash = await self._append(event, *_head(project))
            self._heads[project] = AuditLine(project=project, seq=last, prev="", hash=hash, body={}) if last else None
        line = self._heads[project] = next_line(project, self._heads[project], _body(event))
        self._lines.append({**dict(line), "generation": event.generation, "image": event.image})
        return seq

    async def _write_lines(self) -> None:
        lines, self._lines = self._lines, []
        await self._insert(tables.audit_lines, lines)

    async def _insert(self, table: Table, rows: list[dict[str, Any]]) -> None:
        if rows:
            await self._run(insert(table), rows if len(rows) > 1 else rows[0])

    async def _meet(self, project: str | None) -> bool:
        if project is None or not self._locks or project in self._met:
            return False
        await self._run(select(func.pg_advisory_xact_lock(func.hashtextextended(project, _LOCK_SPACE))))
        self._met.add(project)
        return True

    async def _let_pass(self, project: str) -> None:
        """Transient events go side by side, but never between the number of a lasting one and its commit.

        A reader that had seen the later number would never look for the earlier one again.
        """
        if self._locks and project not in self._met:
            await self._run(select(func.pg_advisory_xact_lock_shared(func.hashtextextended(project, _LOCK_SPACE))))

    async def _run(self, statement: Executable, rows: Any = None) -> CursorResult[Any]:
        try:
            return await super()._run(statement, rows)
        except PlatemarkError as error:
            self._failure = error
            raise


def _tag_rows(generation: Generation) -> list[dict[str, Any]]:
    return [
        {"generation": generation.id, "project": generation.project, "name": name, "value": value}
        for name, value in generation.tags.items()
    ]


def _head(project: str) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """Number and hash of the last line of a chain; null when there is none."""
    lines = tables.audit_lines
    last = select(lines.c.seq).where(lines.c.project == project).order_by(lines.c.seq.desc()).limit(1)
    return last.scalar_subquery(), last.with_only_columns(lines.c.hash).scalar_subquery()


def _body(event: Event) -> JsonObject:
    body = {"event": event.id, **event.model_dump(mode="json", exclude={"id", "seq"})}
    # As it will be read back, so that its hash is the same then.
    return json.loads(canonical(body))


def _guards(kind: Kind, changes: dict[str, Any]) -> list[str]:
    plain = {name for name in changes if not is_json(kind.table, name)}
    return sorted(plain | ({kind.state} if kind.state else set[str]()))


def _moved_on(kind: Kind, noun: Noun, found: Noun, guards: list[str]) -> Conflict:
    other = [name for name in guards if getattr(noun, name) != getattr(found, name)]
    if kind.state in other:
        now, then = getattr(found, kind.state), getattr(noun, kind.state)
        return Conflict(f"This {kind.name} is {now} by now, no longer {then}. Read it again for its present state.")
    return Conflict(
        f"This {kind.name} was changed by somebody else meanwhile ({', '.join(other)}). Read it again and decide anew."
    )
