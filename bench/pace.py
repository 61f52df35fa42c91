"""Keeping a vendor's contract: the durable queue's own limiter against our pacer, counted by the vendor's clock.

    python bench/pace.py [--calls 300] [--limit 150] [--period 10]

Both send the same number of calls to one counting server on this machine. What is printed for each is the most calls
that arrived within any window of the contract's period, and how long all of them took; at most the limit is allowed.
"""

import argparse
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import anyio
import anyio.to_thread
import httpx2
import uvicorn
from dbos import DBOS
from starlette.types import Receive, Scope, Send

from platemark.jobs import engine as durable
from platemark.providers.catalogue import Rate
from platemark.providers.pacer import Pacer
from platemark.system import SystemClock

Ask = Callable[[], Awaitable[object]]
_ask: list[Ask] = []


class Counter:
    """A server that writes down when each call came in."""

    def __init__(self) -> None:
        self.moments: list[float] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.moments.append(time.monotonic())
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    def worst(self, period: float) -> int:
        """The most calls within one window."""
        return max(sum(start <= moment < start + period for moment in self.moments) for start in self.moments)


@DBOS.workflow(name="paced")
async def paced() -> None:
    """One call, as a queue with a limiter starts it."""
    await _ask[0]()


async def by_limiter(ask: Ask, calls: int, slices: Sequence[float]) -> None:
    """Through a queue of the durable engine: `slices` are its limit and its period."""
    _ask[:] = [ask]
    limit, period = slices
    await DBOS.register_queue_async(
        f"paced.{limit:g}",
        limiter={"limit": int(limit), "period": period},
        polling_interval_sec=0.1,
        on_conflict="always_update",
    )
    handles = [await DBOS.enqueue_workflow_async(f"paced.{limit:g}", paced) for _ in range(calls)]
    for handle in handles:
        await handle.get_result()


async def by_pacer(ask: Ask, calls: int, rate: Rate) -> None:
    """Through our pacer, all calls waiting at once."""
    pacer = Pacer(rate, SystemClock())

    async def one() -> None:
        await pacer.turn()
        await ask()

    async with anyio.create_task_group() as group:
        for _ in range(calls):
            group.start_soon(one)


async def main(options: argparse.Namespace) -> None:
    counter = Counter()
    server = uvicorn.Server(uvicorn.Config(counter, port=0, log_level="critical", lifespan="off"))
    rate = Rate(options.limit, options.period)
    sliced = (round(0.88 * options.limit / options.period), 1.0)
    async with anyio.create_task_group() as group, httpx2.AsyncClient(timeout=60) as client:
        group.start_soon(server.serve)
        while not server.started:  # noqa: ASYNC110
            await anyio.sleep(0.01)
        url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"

        async def ask() -> object:
            return await client.post(url)

        with tempfile.TemporaryDirectory() as scratch:
            opened = durable.open_engine(f"sqlite:///{Path(scratch) / 'jobs.db'}")
            durable.launch(opened, "pace", [f"paced.{limit:g}" for limit in (options.limit, sliced[0])])
            whole = (options.limit, options.period)
            ways: dict[str, Callable[[], Awaitable[None]]] = {
                "queue's limiter, whole contract": lambda: by_limiter(ask, options.calls, whole),
                "queue's limiter, slices of a second": lambda: by_limiter(ask, options.calls, sliced),
                "our pacer": lambda: by_pacer(ask, options.calls, rate),
            }
            print(f"{options.calls} calls under a contract of {options.limit} in {options.period:g} s")
            for name, way in ways.items():
                counter.moments.clear()
                began = time.monotonic()
                await way()
                worst, taken = counter.worst(options.period), time.monotonic() - began
                print(f"  {name:38}worst window {worst:4} ({worst / options.limit:.2f} of it)   {taken:6.1f} s")
            await anyio.to_thread.run_sync(DBOS.destroy)
        server.should_exit = True


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--limit", type=int, default=150)
    parser.add_argument("--period", type=float, default=10.0)
    anyio.run(main, parser.parse_args())
