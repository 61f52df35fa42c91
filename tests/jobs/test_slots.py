"""Slots: bounded, fair within a lane, interactive first, and never lost to a cancellation."""

from contextlib import AsyncExitStack

import anyio
import anyio.lowlevel
import pytest

from platemark.jobs.slots import Slots


async def test_never_more_than_there_are() -> None:
    slots, running, most = Slots(3), 0, 0

    async def work(lane: str) -> None:
        nonlocal running, most
        async with slots.hold(lane):
            running += 1
            most = max(most, running)
            await anyio.lowlevel.checkpoint()
            running -= 1

    async with anyio.create_task_group() as group:
        for number in range(40):
            group.start_soon(work, "batch" if number % 2 else "interactive")
    assert most == 3
    assert slots.inside == 0


async def test_interactive_waiters_go_first() -> None:
    slots, order = Slots(1), list[str]()

    async def work(name: str, lane: str) -> None:
        async with slots.hold(lane):
            order.append(name)

    async with anyio.create_task_group() as group, slots.hold("batch"):
        for name, lane in (("b1", "batch"), ("b2", "batch"), ("i1", "interactive"), ("i2", "interactive")):
            group.start_soon(work, name, lane)
            await anyio.wait_all_tasks_blocked()
        assert slots.inside == 5
    assert order == ["i1", "i2", "b1", "b2"]


async def test_the_batch_lane_leaves_slots_to_interactive_work() -> None:
    slots, inside = Slots(8), list[str]()
    done = anyio.Event()

    async def work(name: str, lane: str) -> None:
        async with slots.hold(lane):
            inside.append(name)
            await done.wait()

    async with anyio.create_task_group() as group:
        for number in range(10):
            group.start_soon(work, f"b{number}", "batch")
        await anyio.wait_all_tasks_blocked()
        assert len(inside) == 6
        for number in range(3):
            group.start_soon(work, f"i{number}", "interactive")
        await anyio.wait_all_tasks_blocked()
        assert inside[6:] == ["i0", "i1"]
        done.set()
    assert len(inside) == 13
    assert inside[8] == "i2"
    assert slots.inside == 0


@pytest.mark.parametrize("total", [1, 2, 3])
async def test_few_slots_are_all_for_whoever_comes(total: int) -> None:
    slots = Slots(total)
    async with AsyncExitStack() as stack:
        with anyio.fail_after(20):
            for _ in range(total):
                await stack.enter_async_context(slots.hold("batch"))
    assert slots.inside == 0


@pytest.mark.parametrize("while_waiting", [True, False])
async def test_a_canceled_waiter_leaves_no_gap(while_waiting: bool) -> None:
    slots = Slots(1)
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            async with slots.hold("batch"):
                group.start_soon(_hold, slots)
                await anyio.wait_all_tasks_blocked()
                if while_waiting:
                    group.cancel_scope.cancel()
                    await anyio.lowlevel.checkpoint()
            if not while_waiting:
                group.cancel_scope.cancel()
    assert not scope.cancel_called
    with anyio.fail_after(20):
        await _hold(slots)
    assert slots.inside == 0


async def _hold(slots: Slots) -> None:
    async with slots.hold("interactive"):
        await anyio.lowlevel.checkpoint()
