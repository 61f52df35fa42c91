"""Waiting for what a test needs instead of for a while: machines that are busy take their time."""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import anyio


async def until(reached: Callable[[], bool | Awaitable[bool]]) -> None:
    """Return once `reached` holds; it is asked again and again."""
    for _ in range(4_000):
        found = reached()
        if found if isinstance(found, bool) else await found:
            return
        await anyio.sleep(0.005)
    raise AssertionError("it never happened")


async def left_once(
    reached: Callable[[], bool | Awaitable[bool]], work: Callable[[], Coroutine[Any, Any, object]]
) -> None:
    """Begin `work` and leave it in the middle, as soon as `reached` holds."""
    async with anyio.create_task_group() as group:
        group.start_soon(work)
        await until(reached)
        group.cancel_scope.cancel()
