"""Writes that happen together or not at all, each fact with its line in the audit chain."""

import json
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import Table, bindparam, delete, func, insert, select, update
from sqlalchemy.sql.dml import ReturningInsert

from platemark.core.audit import AuditLine, canonical, next_line
from platemark.core.base import JsonObject, Noun
from platemark.core.errors import Conflict, PlatemarkError
from platemark.core.event import TRANSIENT, Event
from platemark.core.generation import Generation, check_move
from platemark.store import statements, tables
from platemark.store.answers import Answer, Session, Statement
from platemark.store.codec import changed, is_json, kind_of, project_of, to_row
from platemark.store.reading import Rows, equal
from platemark.store.tables import Kind

N = TypeVar("N", bound=Noun)
# Keeps our advisory locks apart from those of others in the same database.
_LOCK_SPACE = 7_226_171_913
_OF = "chain_of"
_REFERRED_FIRST = tables.metadata.sorted_tables


class Writes(Rows):
    """Implements the port Transaction on one connection.

    Transactions of one project run one after the other, on SQLite by its single writer, on PostgreSQL by an advisory
    lock that is taken when the project is first met. So event numbers are in the order of commits, what was read is
    still so when it is acted upon, and two transactions never wait for each other.
    """

    def __init__(self, connection: Session) -> None:
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
        found = [_inserting(table, rows[table]) for table in _REFERRED_FIRST if rows.get(table)]
        if found:
            await self._run_all(*found)

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
        was = {name: getattr(noun, name) for name in guards}
        statement = statements.changing(kind.table, tuple(guards), tuple(columns))
        if (await self._run(statement, statements.change_values(noun.id, was, columns))).count != 1:
            raise _moved_on(kind, noun, await self.get(type(noun), noun.id), guards)
        return new

    async def change_all(self, kind: type[Noun], changes: Mapping[str, Any], **equals: Any) -> int:
        """Set plain fields of every row whose fields equal the given values; how many there were."""
        table = kind_of(kind).table
        await self._meet_in(equals)
        return (await self._run(update(table).where(*equal(table, equals)).values(dict(changes)))).count

    async def remove_all(self, kind: type[Noun], **equals: Any) -> int:
        """Delete every row whose fields equal the given values; how many there were."""
        table = kind_of(kind).table
        await self._meet_in(equals)
        return (await self._run(delete(table).where(*equal(table, equals)))).count

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
        if self._lines:
            self._connection.later(self._kept_lines())

    async def _append(self, event: Event, *, head: bool = False) -> tuple[Any, ...]:
        """Insert; the number that the event got, and with `head` those of the last line of its chain."""
        row = to_row(event, tables.events)
        del row["seq"]
        more = {_OF: event.project} if head else {}
        (found,) = (await self._run(_appending(head=head), {**row, **more})).rows
        return tuple(found.values())

    async def _append_and_chain(self, event: Event) -> int:
        project = event.project
        if project in self._heads:
            (seq,) = await self._append(event)
        else:
            seq, last, hash = await self._append(event, head=True)
            self._heads[project] = AuditLine(project=project, seq=last, prev="", hash=hash, body={}) if last else None
        line = self._heads[project] = next_line(project, self._heads[project], _body(event))
        self._lines.append({**dict(line), "generation": event.generation, "image": event.image})
        return seq

    async def _write_lines(self) -> None:
        if self._lines:
            await self._run_all(self._kept_lines())

    def _kept_lines(self) -> Statement:
        lines, self._lines = self._lines, []
        return _inserting(tables.audit_lines, lines)

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

    async def _run_all(self, *statements: Statement) -> list[Answer]:
        try:
            return await super()._run_all(*statements)
        except PlatemarkError as error:
            self._failure = error
            raise


def _tag_rows(generation: Generation) -> list[dict[str, Any]]:
    return [
        {"generation": generation.id, "project": generation.project, "name": name, "value": value}
        for name, value in generation.tags.items()
    ]


def _inserting(table: Table, rows: list[dict[str, Any]]) -> Statement:
    return statements.into(table), rows if len(rows) > 1 else rows[0]


@cache
def _appending(*, head: bool) -> ReturningInsert[Any]:
    """Insert an event, returning its number; with `head` also number and hash of the last line, or nulls."""
    events, lines = tables.events, tables.audit_lines
    if not head:
        return insert(events).returning(events.c.seq)
    last = select(lines.c.seq).where(lines.c.project == bindparam(_OF)).order_by(lines.c.seq.desc()).limit(1)
    also = (last.scalar_subquery(), last.with_only_columns(lines.c.hash).scalar_subquery())
    return insert(events).returning(events.c.seq, *(each.label(f"last_{n}") for n, each in enumerate(also)))


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
