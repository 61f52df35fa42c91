"""Generations per second through the whole product with a provider that costs nothing, and where the time goes.

    python bench/throughput.py [--jobs 200] [--database postgresql://…]

Runs SQLite, and PostgreSQL where a URL is given, in one process one after the other, and prints ratios. Pictures are
64×64, so that what is measured is the path and not the pixels: accept, workflow, call, decode, screen, seal, store,
inspect, conclude.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
from pydantic import SecretStr

from platemark import telemetry
from platemark.core.generation import Generation
from platemark.core.ports import Platform
from platemark.core.project import Principal
from platemark.core.request import GenerationRequest
from platemark.flows.accept import accept
from platemark.flows.keys import authenticate
from platemark.settings import Settings
from platemark.simulate.scripted import Scripted
from platemark.wiring import open_platform

KEY = "throughput-bench-admin-key"


@dataclass(frozen=True)
class Figures:
    """One run: wall seconds to accept and to finish, CPU seconds of the process, waiting time of each generation."""

    name: str
    jobs: int
    accepted: float
    finished: float
    cpu: float
    waits: list[float]

    @property
    def rate(self) -> float:
        return self.jobs / self.finished


@asynccontextmanager
async def opened(data: Path, url: str | None) -> AsyncGenerator[tuple[Platform, Principal]]:
    settings = Settings(
        data=data,
        providers=(),
        default_model="scripted/plain",
        admin_key=SecretStr(KEY),
        log_level="error",
        database_url=SecretStr(url) if url else None,
    )
    provider = Scripted(concurrency=4)

    def change(platform: Platform) -> Platform:
        return replace(platform, providers={"scripted": provider})

    async with open_platform(settings, change=change) as platform:
        yield platform, await authenticate(platform, KEY)


async def run(name: str, url: str | None, jobs: int) -> Figures:
    """Submit all, then wait for all."""
    with tempfile.TemporaryDirectory() as data:
        async with opened(Path(data), url) as (platform, caller):
            cpu, start = _cpu(), time.perf_counter()
            made = [
                (await accept(platform, caller, GenerationRequest(prompt=f"picture {number}"))).generation.id
                for number in range(jobs)
            ]
            accepted = time.perf_counter() - start
            ended = [await _end(platform, id) for id in made]
            finished = time.perf_counter() - start
            waits = [(one.started_at - one.created_at).total_seconds() for one in ended if one.started_at]
            return Figures(name, jobs, accepted, finished, _cpu() - cpu, sorted(waits))


async def _end(platform: Platform, id: str) -> Generation:
    while True:
        async with platform.store.reading() as read:
            generation = await read.get(Generation, id)
        if generation.done:
            if generation.status != "succeeded":
                sys.exit(f"{id} ended as {generation.status}: {generation.error}")
            return generation
        await platform.notices.wait(id, 0.2)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def main(jobs: int, url: str | None) -> None:
    """Run and print."""
    telemetry.configure(level="error")
    await run("warm-up", None, 5)
    runs = [await run("SQLite", None, jobs)]
    if url is not None:
        runs.append(await run("PostgreSQL", url, jobs))
    print(f"{jobs} generations, 64×64, provider without cost, {os.cpu_count()} cores")
    print(f"{'':<12}{'per second':>12}{'accept ms':>12}{'CPU ms each':>13}{'wait p50 s':>12}{'ratio':>8}")
    for figures in runs:
        print(
            f"{figures.name:<12}{figures.rate:>12.1f}{figures.accepted / jobs * 1000:>12.1f}"
            f"{figures.cpu / jobs * 1000:>13.1f}{figures.waits[jobs // 2]:>12.2f}{figures.rate / runs[0].rate:>8.2f}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--database", default=os.environ.get("PLATEMARK_DATABASE_URL"))
    given = parser.parse_args()
    os.environ.pop("PLATEMARK_DATABASE_URL", None)
    anyio.run(main, given.jobs, given.database)
