"""Processes for what costs CPU: decoding pictures and running networks. The event loop only waits for them.

Programs of their own (`detectors/worker.py`) and not forks: they hold what they need and none of our keys, run no
code of the caller's main module, and end with the pipe that this process holds, also when it is killed.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import BinaryIO, TypeVar, TypeVarTuple, cast

import anyio
import anyio.to_thread

from platemark.core.errors import ShuttingDown, Unavailable
from platemark.detectors.worker import read_frame, write_frame

Args = TypeVarTuple("Args")
T = TypeVar("T")

_COMMAND = (sys.executable, "-P", "-W", "ignore", "-m", "platemark.detectors.worker")
# Each worker is one thread; the pool has as many workers as it may use cores.
_ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "OPENBLAS_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
_SECRET = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")


class _Worker:
    """One process, started with its first call and never again. Everything here blocks: call it in a thread."""

    def __init__(self) -> None:
        self._popen: subprocess.Popen[bytes] | None = None
        self._over = False

    @property
    def started(self) -> bool:
        """True where there is a process to end."""
        return self._popen is not None

    def call(self, order: bytes) -> bytes:
        """Send an order, wait for the answer. Raises EOFError when the process ends instead of answering."""
        popen = self._popen or self._start()
        try:
            write_frame(cast("BinaryIO", popen.stdin), order)
            answer = read_frame(cast("BinaryIO", popen.stdout))
        except (OSError, ValueError):
            answer = None
        if answer is None:
            self.end()
            raise EOFError
        return answer

    def end(self) -> None:
        """End it at once, and wait until it has. A call that waits in another thread raises EOFError."""
        self._over = True
        if (popen := self._popen) is not None:
            popen.kill()
            popen.wait()
            for pipe in (popen.stdin, popen.stdout):
                with suppress(OSError):
                    cast("BinaryIO", pipe).close()

    def _start(self) -> "subprocess.Popen[bytes]":
        self._popen = popen = subprocess.Popen(
            _COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(os.environ),
            # Ctrl-C in a terminal is for the server.
            process_group=0,
        )
        # Whoever gave up while it was being started found no process to end.
        if self._over:
            popen.kill()
        return popen


class Pool:
    """At most `workers` calls at a time, each in a process; at most `waiting` more wait for their turn."""

    def __init__(self, workers: int = 2, *, waiting: int = 256, seconds: float = 60.0) -> None:
        self.workers = workers
        self._most, self._seconds = workers + waiting, seconds
        self._idle = [_Worker() for _ in range(workers)]
        self._busy = set[_Worker]()
        self._turn = anyio.Semaphore(workers)
        self._threads = anyio.CapacityLimiter(2 * workers)
        self._calls, self._closed = 0, False

    async def run(self, function: Callable[[*Args], T], /, *args: *Args) -> T:
        """What `function` returns or raises, in a worker. It is found there by its module and name.

        Arguments and result travel pickled. Raises Unavailable when too many wait already, when the worker dies, or
        when it takes longer than the pool's `seconds`; the next call gets a new worker.
        """
        if self._calls >= self._most:
            raise Unavailable(
                f"{self._calls} checks wait for the moderation workers already. Try again, or set moderation_workers "
                "to more."
            )
        order = pickle.dumps((function, args), pickle.HIGHEST_PROTOCOL)
        self._calls += 1
        try:
            async with self._turn:
                done, value = pickle.loads(await self._ask(order))  # noqa: S301 - from our own worker
        finally:
            self._calls -= 1
        if not done:
            raise value
        return value

    async def warm(self, function: Callable[[*Args], object], /, *args: *Args) -> None:
        """Start every worker and run `function` in each, so that later calls find what it loaded."""
        async with anyio.create_task_group() as group:
            for _ in range(self.workers):
                group.start_soon(self.run, function, *args)

    async def aclose(self) -> None:
        """End every worker. Calls that wait are refused."""
        self._closed = True
        for worker in (*self._busy, *(one for one in self._idle if one.started)):
            await self._end(worker)

    async def _ask(self, order: bytes) -> bytes:
        if self._closed:
            raise ShuttingDown("The server is stopping, so nothing is checked any more.")
        worker = self._idle.pop()
        self._busy.add(worker)
        try:
            answer = await self._answer(worker, order)
        except BaseException:
            # It may still be at work on what nobody waits for, so another takes its place.
            self._idle.append(_Worker())
            await self._end(worker)
            raise
        else:
            self._idle.append(worker)
        finally:
            self._busy.discard(worker)
        return answer

    async def _answer(self, worker: _Worker, order: bytes) -> bytes:
        try:
            with anyio.fail_after(self._seconds):
                return await anyio.to_thread.run_sync(worker.call, order, limiter=self._threads, abandon_on_cancel=True)
        except EOFError:
            if self._closed:
                raise ShuttingDown("The server is stopping.") from None
            raise Unavailable("A moderation worker died over this check. Try again.") from None
        except TimeoutError:
            raise Unavailable(
                f"A moderation worker took more than {self._seconds:g} s over this check and was ended."
            ) from None

    async def _end(self, worker: _Worker) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(worker.end)


@asynccontextmanager
async def open_pool(workers: int = 2) -> AsyncGenerator[Pool]:
    """A pool that ends with the block. No process is started before the first call."""
    pool = Pool(workers)
    try:
        yield pool
    finally:
        await pool.aclose()


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without our settings and without anything that looks secret."""
    kept = {
        name: value
        for name, value in given.items()
        if not name.startswith("PLATEMARK_") and not any(part in name.upper() for part in _SECRET)
    }
    return kept | _ENVIRONMENT
