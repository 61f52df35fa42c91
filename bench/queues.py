"""Queue layouts side by side: start latency, idle CPU, and an interactive job among waiting batch jobs.

    python bench/queues.py [--database URL]... [--jobs 40] [--idle 20] [--rounds 1] [--providers 1]

Without `--database` a temporary SQLite file is used. A PostgreSQL URL gets one schema per run, dropped afterwards.
Each layout runs in a process of its own, because DBOS is one runtime per process and CPU is read per process.
Compare the ratios: absolute numbers from a shared machine are noisy. The decision: docs/decisions/0001-queues.md.
"""

import argparse
import asyncio
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.to_thread
import sqlalchemy as sa
from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetEnqueueOptions, SetWorkflowID
from sqlalchemy import event

# Errors are not logged, because the rest of the backlog is cancelled, which counts as one.
CONFIG = DBOSConfig(
    name="queues-bench", application_version="bench", executor_id="bench", max_executor_threads=32, log_level="CRITICAL"
)
SERVICES = {"lifecycle": (0.5, 8), "webhooks": (0.2, 8), "maintenance": (1.0, 1)}
SLOW = {"lifecycle": (1.0, 8), "webhooks": (1.0, 8), "maintenance": (1.0, 1)}
PRIORITY = {"interactive": 1, "batch": 10}
BACKLOG, BATCH_SECONDS = 200, 0.3
PLACES, HALF = 4, 2  # calls that the provider takes at once; a lane's share where each lane has its own queue
GAP = 0.2  # mean seconds between interactive jobs among batch jobs: 75 % of their lane


@dataclass(frozen=True)
class Layout:
    """`lanes` and `services` map a queue to its poll interval in seconds and to how many of its jobs may be claimed."""

    title: str
    lanes: dict[str, tuple[float, int]]
    services: dict[str, tuple[float, int]]
    inside: int = 0
    """Interactive jobs start without a queue while fewer than this are in the process; bodies wait for slots."""

    def queues(self, providers: int) -> dict[str, tuple[float, int]]:
        if "shared" in self.lanes:
            return self.lanes
        return {f"p{n}.{lane}": v for n in range(providers) for lane, v in self.lanes.items()} | self.services

    def queue(self, lane: str) -> str:
        return "shared" if "shared" in self.lanes else f"p0.{lane}"


LAYOUTS = {
    "direct": Layout("direct if slot free", {"interactive": (0.25, 8), "batch": (0.5, 4)}, SERVICES, inside=HALF),
    "line": Layout("direct, waits inside", {"interactive": (0.5, 8), "batch": (0.5, 4)}, SLOW, inside=16),
    "polled": Layout("lane queues", {"interactive": (0.05, HALF), "batch": (0.5, HALF)}, SERVICES),
    "shared": Layout("one queue", {"shared": (0.1, PLACES)}, {}),
}

started: dict[str, float] = {}
finished: dict[str, float] = {}
queued: set[str] = set()
inside: set[str] = set()
ended: asyncio.Queue[str] = asyncio.Queue()
slots = {"interactive": asyncio.Semaphore(HALF), "batch": asyncio.Semaphore(HALF)}


@DBOS.step(name="bench_call")
async def call(seconds: float) -> None:
    await asyncio.sleep(seconds)


@DBOS.workflow(name="bench_generate", max_recovery_attempts=100)
async def generate(job: str, seconds: float, slot: str) -> None:
    queued.discard(job)
    if slot == "interactive":
        inside.add(job)
    async with slots[slot] if slot else nullcontext():
        started[job] = time.perf_counter()
        await call(seconds)
    finished[job] = time.perf_counter()
    inside.discard(job)
    if not job.startswith("batch"):
        ended.put_nowait(job)


async def submit(layout: Layout, lane: str, job: str, seconds: float) -> bool:
    """Start one job; true where it began without a queue. Jobs in the queue go first, else direct starts pass them."""
    slot = lane if layout.inside else ""
    with SetWorkflowID(job):
        if slot == "interactive" and not queued and len(inside) < layout.inside:
            inside.add(job)
            await DBOS.start_workflow_async(generate, job, seconds, slot)
            return True
        if lane == "interactive":
            queued.add(job)
        with SetEnqueueOptions(priority=PRIORITY[lane]):
            await DBOS.enqueue_workflow_async(layout.queue(lane), generate, job, seconds, slot)
    return False


async def arrivals(layout: Layout, prefix: str, jobs: int, seconds: float, gap: float) -> tuple[list[float], int]:
    """Submit at random moments; the delays in ms from call to body, and how many began without a queue."""
    sent: dict[str, float] = {}
    direct = 0
    for number in range(jobs):
        await asyncio.sleep(random.uniform(0.2, 1.8) * gap)  # noqa: S311
        job = f"{prefix}-{number}"
        sent[job] = time.perf_counter()
        direct += await submit(layout, "interactive", job, seconds)
    for _ in range(jobs):
        await ended.get()
    return [1000 * (started[job] - moment) for job, moment in sent.items()], direct


def engine_for(url: str, name: str) -> sa.Engine:
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
        return sa.create_engine(parsed, pool_size=20, max_overflow=0, connect_args={"application_name": name})
    engine = sa.create_engine(parsed, pool_size=20, max_overflow=0)

    def pragmas(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = "IMMEDIATE"
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=30000", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    event.listen(engine, "connect", pragmas)
    return engine


def server_seconds(engine: sa.Engine, name: str) -> float:
    """CPU seconds of our backends of a PostgreSQL server on this machine; 0 for SQLite and for a server elsewhere."""
    if engine.dialect.name != "postgresql":
        return 0.0
    with engine.connect() as connection:
        query = sa.text("SELECT pid FROM pg_stat_activity WHERE application_name = :name")
        pids: list[int] = list(connection.execute(query, {"name": name}).scalars())
    stats = [path.read_text().rsplit(")", 1)[1].split() for pid in pids if (path := Path(f"/proc/{pid}/stat")).exists()]
    return sum(int(fields[11]) + int(fields[12]) for fields in stats) / os.sysconf("SC_CLK_TCK")


async def idle(engine: sa.Engine, name: str, seconds: float) -> dict[str, Any]:
    server = await anyio.to_thread.run_sync(server_seconds, engine, name)
    process = time.process_time()
    await asyncio.sleep(seconds)
    process = time.process_time() - process
    server = await anyio.to_thread.run_sync(server_seconds, engine, name) - server
    return {"idle_cpu": 100 * process / seconds, "idle_server_cpu": 100 * server / seconds}


async def among_batch(layout: Layout, jobs: int) -> dict[str, Any]:
    names = [f"batch-{number}" for number in range(BACKLOG)]
    for name in names:
        await submit(layout, "batch", name, BATCH_SECONDS)
    moment = time.perf_counter()
    delays, direct = await arrivals(layout, "among", jobs, BATCH_SECONDS, GAP)
    ends = [finished[name] for name in names if finished.get(name, 0.0) > moment]
    rate = len(ends) / (max(ends) - moment)  # to the last end: the backlog may have run out before the arrivals
    await DBOS.cancel_workflows_async(names)
    return {"among": delays, "among_direct": direct, "batch_rate": rate}


async def measure(layout: Layout, url: str, schema: str, options: argparse.Namespace) -> dict[str, Any]:
    engine = engine_for(url, schema)
    own = DBOSConfig(system_database_engine=engine, dbos_system_schema=schema, serializer=DBOSPortableJSONSerializer())
    DBOS(config=CONFIG | own)
    DBOS.launch()
    for name, (poll, places) in layout.queues(options.providers).items():
        await DBOS.register_queue_async(name, worker_concurrency=places, polling_interval_sec=poll)
    await asyncio.sleep(2)  # the threads that poll new queues appear within a second
    found = await idle(engine, schema, options.idle)
    if options.jobs:
        cpu, moment = time.process_time(), time.perf_counter()
        found["alone"], _ = await arrivals(layout, "alone", options.jobs, 0.0, 0.25)
        busy = time.process_time() - cpu - found["idle_cpu"] / 100 * (time.perf_counter() - moment)
        found["cpu_per_job"] = 1000 * busy / options.jobs
        found |= await among_batch(layout, options.jobs)
    await asyncio.sleep(1)
    await anyio.to_thread.run_sync(DBOS.destroy)
    if engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            connection.execute(sa.text(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE'))
    engine.dispose()
    return found


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def rows(runs: list[dict[str, Any]]) -> dict[str, float]:
    """One layout's figures over all its rounds."""
    keys = [key for key, value in runs[0].items() if not isinstance(value, list)]
    mean = {key: sum(run[key] for run in runs) / len(runs) for key in keys}
    found = {"idle CPU, this process, %": mean["idle_cpu"], "idle CPU, PostgreSQL backends, %": mean["idle_server_cpu"]}
    if "alone" not in runs[0]:
        return found
    alone, among = ([delay for run in runs for delay in run[key]] for key in ("alone", "among"))
    return found | {
        "start when idle, p50 ms": percentile(alone, 0.5),
        "start when idle, p99 ms": percentile(alone, 0.99),
        "CPU per job, ms": mean["cpu_per_job"],
        f"start among {BACKLOG} batch, p50 ms": percentile(among, 0.5),
        f"start among {BACKLOG} batch, max ms": max(among),
        "started without a queue among batch, %": 100 * sum(run["among_direct"] for run in runs) / len(among),
        "batch jobs finished meanwhile, 1/s": mean["batch_rate"],
    }


def report(database: str, results: dict[str, dict[str, float]]) -> None:
    print(f"\n{database}\n{'':44}" + "".join(f"{LAYOUTS[name].title:>22}" for name in results))
    for row, first in results["direct"].items():
        values = [found[row] for found in results.values()]
        cells = [f"{value:.1f}" + (f" ({value / first:.2f}×)" if first else "") for value in values]
        print(f"{row:44}" + "".join(f"{cell:>22}" for cell in cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", action="append", metavar="URL")
    for name, default in (("jobs", 40), ("idle", 20.0), ("rounds", 1), ("providers", 1)):
        parser.add_argument(f"--{name}", type=type(default), default=default)
    parser.add_argument("--child", choices=LAYOUTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        schema = f"queues_bench_{options.child}_{os.getpid()}"
        print(json.dumps(asyncio.run(measure(LAYOUTS[options.child], options.database[0], schema, options))))
        return
    flags = [f"--{name}={getattr(options, name)}" for name in ("jobs", "idle", "providers")]
    for database in options.database or ["sqlite"]:
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in LAYOUTS}
        for name in list(LAYOUTS) * options.rounds:
            with tempfile.TemporaryDirectory() as folder:
                url = f"sqlite:///{folder}/bench.db" if database == "sqlite" else database
                command = [sys.executable, __file__, "--child", name, "--database", url, *flags]
                runs[name].append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
        report(database.split(":")[0], {name: rows(found) for name, found in runs.items()})


if __name__ == "__main__":
    main()
