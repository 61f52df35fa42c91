"""The engine as the rest of the program sees it: `draw` an order, get updates."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Literal, Self

import anyio.to_thread

from platemark.core.base import JsonObject
from platemark.core.errors import PlatemarkError
from platemark.core.updates import Order, Update
from platemark.engine.models.source import Source
from platemark.engine.serving.process import COMMAND, cores
from platemark.engine.serving.supervisor import Said, Supervisor

Speed = Literal["exact", "fast"]


class Engine:
    """Draws with the models it was opened with, in a child process that ends with this one."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        models: Mapping[str, Path | Source],
        *,
        threads: int | None = None,
        step_timeout: float = 300.0,
        warm: str | None = None,
        memory: int | None = None,
        speed: Speed = "exact",
        command: Sequence[str] = COMMAND,
    ) -> AsyncGenerator[Self]:
        """An engine for `models`, name to diffusers folder; it stops with the block.

        `warm` names the model that the child loads at once, while this returns; without it the first order starts the
        child. `threads`: one a core when None. `step_timeout`: seconds without a step after which it counts as hung.
        `memory`: bytes that models may take on the device, a share of what there is when None. `fast` may change the
        last bits of a picture, and does nothing where it was not found to be faster.
        """
        opening = {
            "kind": "open",
            "models": {name: Source.of(place).wire() for name, place in models.items()},
            "threads": threads or cores(),
            "warm": warm,
            "memory": memory,
            "speed": speed,
        }
        supervisor = Supervisor(opening, command, step_timeout)
        await anyio.to_thread.run_sync(lambda: supervisor.start(now=warm is not None))
        try:
            yield cls(supervisor)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(supervisor.stop)

    @property
    def pid(self) -> int | None:
        """The child's process number while there is one."""
        return self._supervisor.pid

    @property
    def models(self) -> JsonObject:
        """`{"device", "limit", "drawing", "models": {name: {"place", "bytes"}}}` of the child's memory, in bytes.

        Empty before the first picture.
        """
        return self._supervisor.models

    async def draw(self, order: Order) -> AsyncGenerator[Update]:
        """Progress, Preview (when asked for), Picture for each seed, Answered. Orders that allow it are drawn together.

        Progress of 0 steps says that others are being drawn before this order. Closing the iterator cancels the order
        within one step. Raises ModelUnavailable, EngineCrashed, ProviderRejected (it does not fit into memory),
        ProviderError, ShuttingDown.
        """
        loop = asyncio.get_running_loop()
        inbox: asyncio.Queue[Said] = asyncio.Queue()

        def say(said: Said) -> None:
            # The caller's loop may be gone; then nobody waits for this.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(inbox.put_nowait, said)

        cancel = self._supervisor.submit(order, say)
        try:
            while (said := await inbox.get()) is not None:
                if isinstance(said, PlatemarkError):
                    raise said
                yield said
        finally:
            cancel()
