"""The processes that decode and classify: bounded, mended when they die, and gone with their parent."""

import operator
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import anyio
import pytest

from platemark.core.errors import ShuttingDown, Unavailable
from platemark.detectors.pool import Pool, open_pool

ORPHANED = """
import anyio, os, signal
from platemark.detectors.pool import Pool

async def main():
    pool = Pool(1)
    print(await pool.run(os.getpid), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

anyio.run(main)
"""


async def test_a_call_runs_in_another_process_and_brings_its_result():
    async with open_pool(1) as pool:
        assert await pool.run(operator.mul, b"ab", 3) == b"ababab"
        first, second = await pool.run(os.getpid), await pool.run(os.getpid)

    assert first == second != os.getpid()


async def test_an_error_comes_back_as_it_was_raised():
    async with open_pool(1) as pool:
        with pytest.raises(ZeroDivisionError):
            await pool.run(divmod, 1, 0)
        assert await pool.run(operator.add, 1, 1) == 2


async def test_workers_never_see_what_looks_secret(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SOME_API_KEY", "hush")
    monkeypatch.setenv("PLATEMARK_ADMIN", "hush")
    async with open_pool(1) as pool:
        assert await pool.run(os.getenv, "SOME_API_KEY") is None
        assert await pool.run(os.getenv, "PLATEMARK_ADMIN") is None
        assert await pool.run(os.getenv, "OMP_NUM_THREADS") == "1"


async def test_a_worker_that_dies_fails_its_call_and_is_replaced():
    async with open_pool(1) as pool:
        before = await pool.run(os.getpid)
        with pytest.raises(Unavailable, match="died"):
            await pool.run(os._exit, 3)
        assert await pool.run(os.getpid) != before


async def test_a_worker_that_takes_too_long_is_ended():
    pool = Pool(1, seconds=0.5)
    try:
        with pytest.raises(Unavailable, match=r"more than 0\.5 s"):
            await pool.run(signal.pause)
    finally:
        await pool.aclose()


async def test_a_cancelled_call_frees_its_worker():
    async with open_pool(1) as pool:
        await pool.run(os.getpid)
        with anyio.move_on_after(0.1) as scope:
            await pool.run(signal.pause)
        assert scope.cancelled_caught
        assert await pool.run(operator.add, 1, 1) == 2


async def test_more_calls_than_may_wait_are_refused_at_once():
    pool = Pool(1, waiting=1)
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(pool.run, signal.pause)
            group.start_soon(pool.run, signal.pause)
            await anyio.wait_all_tasks_blocked()
            with pytest.raises(Unavailable, match="moderation_workers"):
                await pool.run(operator.add, 1, 1)
            group.cancel_scope.cancel()
        assert await pool.run(operator.add, 1, 1) == 2
    finally:
        await pool.aclose()


async def test_warming_reaches_every_worker():
    found: list[int] = []

    async def look(pool: Pool) -> None:
        found.append(await pool.run(os.umask, 0o022))

    async with open_pool(2) as pool:
        await pool.warm(os.umask, 0o057)
        async with anyio.create_task_group() as group:
            group.start_soon(look, pool)
            group.start_soon(look, pool)

    assert found == [0o057, 0o057]


async def test_a_closed_pool_refuses_and_leaves_no_process():
    pool = Pool(1)
    worker = await pool.run(os.getpid)
    await pool.aclose()

    with pytest.raises(ShuttingDown):
        await pool.run(os.getpid)
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


async def test_closing_ends_a_call_that_is_under_way():
    pool = Pool(1)
    await pool.run(os.getpid)
    async with anyio.create_task_group() as group:

        async def wait() -> None:
            with pytest.raises(ShuttingDown):
                await pool.run(signal.pause)

        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        await pool.aclose()


@pytest.mark.blocking
def test_workers_end_with_a_parent_that_is_killed():
    ended = subprocess.run([sys.executable, "-c", ORPHANED], capture_output=True, timeout=60, check=False)

    assert ended.returncode == -signal.SIGKILL
    worker = int(ended.stdout)
    deadline = time.monotonic() + 30
    while _runs(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(worker)


def _runs(process: int) -> bool:
    """True while it lives; one that ended and that nobody has buried yet does not."""
    stat = Path(f"/proc/{process}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"
