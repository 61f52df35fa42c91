"""SQLite: each connection lives on a thread of its own, and a statement is one errand there, with all its parts.

The first statement begins the transaction.
"""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from queue import SimpleQueue
from typing import Any

import anyio
import anyio.to_thread
from sqlalchemy import Connection, Dialect, Engine, exc

from platemark.store.answers import Answer, Statement, answer_of
from platemark.store.postgres import finish

Errand = Callable[[], Any]


class Lane:
    """One connection and its thread. Errands are run in the order in which they are given."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: Connection | None = None
        self._later = list[Statement]()
        self._errands = SimpleQueue[tuple[asyncio.Future[Any] | None, Errand] | None]()
        self._thread = threading.Thread(target=self._work, name="sqlite", daemon=True)
        self._thread.start()

    @property
    def dialect(self) -> Dialect:
        """What the database speaks."""
        return self._engine.dialect

    async def run(self, *statements: Statement) -> list[Answer]:
        """Execute one after the other, what was kept for later first."""
        kept, self._later = self._later, []
        answers = await self._do(lambda: [self._run(each) for each in (*kept, *statements)])
        return answers[len(kept) :]

    def later(self, statement: Statement) -> None:
        """Execute it with the next ones, or before the commit."""
        self._later.append(statement)

    async def commit(self) -> None:
        """Execute what was kept, end the transaction, and wait until the disk has it."""
        kept, self._later = self._later, []
        await self._do(lambda: self._commit(kept))

    def leave(self) -> None:
        """Undo what was not committed. Nobody waits: whatever comes next in this lane comes after it."""
        self._later = []
        self._errands.put((None, self._leave))

    async def close(self) -> None:
        """Close the connection and end the thread."""
        self._errands.put((None, self._close))
        self._errands.put(None)
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._thread.join)

    async def _do(self, errand: Errand) -> Any:
        """Await it to its end, or it would stay where it is with the lock of the file."""
        future = asyncio.get_running_loop().create_future()
        self._errands.put((future, errand))
        return await finish(future)

    def _work(self) -> None:
        while (given := self._errands.get()) is not None:
            future, errand = given
            result, error = None, None
            try:
                result = errand()
            except BaseException as found:
                error = found
            if future is not None:
                # The loop may be gone by now, and nobody waits any more.
                with suppress(RuntimeError):
                    future.get_loop().call_soon_threadsafe(_settle, future, result, error)

    def _run(self, statement: Statement) -> Answer:
        if self._connection is None:
            self._connection = self._engine.connect()
        return answer_of(self._connection.execute(*statement))

    def _commit(self, kept: list[Statement]) -> None:
        for each in kept:
            self._run(each)
        if self._connection is not None:
            self._connection.commit()

    def _leave(self) -> None:
        try:
            if self._connection is not None:
                self._connection.rollback()
        except exc.SQLAlchemyError:
            self._close()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class Lanes:
    """A pool of connections to one file, made as they are needed. Those that only read have nothing to commit."""

    def __init__(self, engine: Engine, size: int, wait_seconds: float, *, writes: bool) -> None:
        self._engine = engine
        self._wait_seconds = wait_seconds
        self._writes = writes
        self._lanes = list[Lane]()
        self._free = deque[Lane]()
        self._places = asyncio.Semaphore(size)

    @property
    def dialect(self) -> Dialect:
        """What the database speaks."""
        return self._engine.dialect

    @asynccontextmanager
    async def begun(self) -> AsyncGenerator[Lane]:
        """A connection inside a transaction: committed at the end of the block, undone when it raises."""
        await self._take()
        lane, done = self._free.pop() if self._free else self._another(), False
        try:
            yield lane
            if self._writes:
                await lane.commit()
                done = True
        finally:
            if not done:
                lane.leave()
            self._free.append(lane)
            self._places.release()

    async def dispose(self) -> None:
        """Close all of them."""
        for lane in self._lanes:
            await lane.close()
        self._engine.dispose()

    async def _take(self) -> None:
        if not self._places.locked():
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._places.acquire()
        except TimeoutError:
            raise exc.TimeoutError from None

    def _another(self) -> Lane:
        self._lanes.append(lane := Lane(self._engine))
        return lane


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
