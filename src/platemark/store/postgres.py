"""PostgreSQL by its own asynchronous driver."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio
from sqlalchemy import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from platemark.store.answers import Answer, Statement, answer_of

T = TypeVar("T")


class Link:
    """One connection inside a transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self._later = list[Statement]()

    @property
    def dialect(self) -> Dialect:
        """What the database speaks."""
        return self.connection.dialect

    async def run(self, *statements: Statement) -> list[Answer]:
        """Execute one after the other, what was kept for later first."""
        kept, self._later = self._later, []
        answers = [answer_of(await finish(self.connection.execute(*each))) for each in (*kept, *statements)]
        return answers[len(kept) :]

    def later(self, statement: Statement) -> None:
        """Execute it with the next ones, or before the commit."""
        self._later.append(statement)


class Links:
    """A pool of connections."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    @property
    def dialect(self) -> Dialect:
        """What the database speaks."""
        return self._engine.dialect

    @asynccontextmanager
    async def begun(self) -> AsyncGenerator[Link]:
        """A connection inside a transaction: committed at the end of the block, rolled back when it raises."""
        async with self.taken() as link:
            await finish(link.connection.begin())
            yield link
            await link.run()
            await finish(link.connection.commit())

    @asynccontextmanager
    async def taken(self) -> AsyncGenerator[Link]:
        """A connection of the pool, which gets it back."""
        connection = self._engine.connect()
        try:
            await finish(connection.start())
            yield Link(connection)
        finally:
            if connection.sync_connection is not None:
                await finish(connection.close())

    async def dispose(self) -> None:
        """Close all of them."""
        await self._engine.dispose()


async def finish(work: Awaitable[T]) -> T:
    """Await `work` to its end, whoever cancels us meanwhile; they have their way afterwards."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError as error:
                cancelled = error
    if cancelled is not None and task.exception() is None:
        raise cancelled
    return task.result()
