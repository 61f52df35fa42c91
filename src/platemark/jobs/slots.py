"""Slots: how many calls to one provider run at once in this process. Interactive work goes first."""

from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio


class Slots:
    """A counting lock with two lanes. Waiters of the batch lane are served when no interactive one waits.

    Of four slots one, of eight two, … are kept from the batch lane, so that it cannot hold all of them for long.
    """

    def __init__(self, total: int) -> None:
        self._free = total
        self._kept = {"interactive": 0, "batch": total // 4}
        self._inside = 0
        self._waiting: dict[str, deque[anyio.Event]] = {"interactive": deque(), "batch": deque()}

    @property
    def inside(self) -> int:
        """How many hold a slot or wait for one."""
        return self._inside

    @asynccontextmanager
    async def hold(self, lane: str) -> AsyncGenerator[None]:
        """Hold one slot for the time of the block."""
        self._inside += 1
        try:
            await self._take(lane)
            try:
                yield
            finally:
                self._free += 1
                self._call()
        finally:
            self._inside -= 1

    async def _take(self, lane: str) -> None:
        turn = anyio.Event()
        self._waiting[lane].append(turn)
        self._call()
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():
                self._free += 1
            else:
                self._waiting[lane].remove(turn)
            self._call()
            raise

    def _call(self) -> None:
        """Hand free slots to who waits: they are counted as taken here, so that nobody can slip past."""
        for lane, waiting in self._waiting.items():
            while waiting and self._free > self._kept[lane]:
                self._free -= 1
                waiting.popleft().set()
