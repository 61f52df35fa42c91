"""What both databases are asked and answer: statements with their rows, and what came of them."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Dialect, RowMapping
from sqlalchemy.engine import CursorResult
from sqlalchemy.sql.base import Executable

# With one set of values, with several, or with None.
Statement = tuple[Executable, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows of a statement, all of them, and how many it found or changed."""

    rows: Sequence[RowMapping]
    count: int


def answer_of(result: CursorResult[Any]) -> Answer:
    """Read to its end."""
    return Answer(result.mappings().all() if result.returns_rows else (), result.rowcount)


class Session(Protocol):
    """A connection inside a transaction."""

    @property
    def dialect(self) -> Dialect:
        """What the database speaks."""
        ...

    async def run(self, *statements: Statement) -> list[Answer]:
        """Execute one after the other. Cancellation takes effect between calls, never inside one."""
        ...

    def later(self, statement: Statement) -> None:
        """Execute it with the next ones, or before the commit, where what it raises then comes."""
        ...


class Pool(Protocol):
    """Connections to one database. Errors are those of SQLAlchemy."""

    @property
    def dialect(self) -> Dialect:
        """What the database speaks."""
        ...

    def begun(self) -> AbstractAsyncContextManager[Session]:
        """A connection inside a transaction: committed at the end of the block, undone when it raises."""
        ...

    async def dispose(self) -> None:
        """Close all of them."""
        ...
