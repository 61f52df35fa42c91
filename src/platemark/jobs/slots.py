"""Slots: how many calls to one provider run at once in this process. Interactive work goes first."""

from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio


class Slots:
    """A counting lock with two lanes. Waiters of the batch lane are served when no interactive one waits."""

    def __init__(self, total: int) -> None:
        self._free = total
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
                self._give()
        finally:
            self._inside -= 1

    async def _take(self, lane: str) -> None:
        if self._free > 0 and not any(self._waiting.values()):
            self._free -= 1
            return
        turn = anyio.Event()
        self._waiting[lane].append(turn)
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():
                self._give()
            else:
                self._waiting[lane].remove(turn)
            raise

    def _give(self) -> None:
        for lane in self._waiting.values():
            if lane:
                # Handed over: the slot is never free in between, so nobody can slip past.
                lane.popleft().set()
                return
        self._free += 1
