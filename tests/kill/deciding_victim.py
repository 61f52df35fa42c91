"""Decides a case whose grace is over, and dies at a commit: `python deciding_victim.py DATA BEFORE|AFTER`."""

import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from platemark.core.ports import Transaction
from reviewing import after_grace, decide, held_request, limit
from workbench import open_bench


@dataclass
class Deadly:
    """A store that kills its process at the end of its first transaction."""

    store: Any
    when: str

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction]:
        async with self.store.transaction() as tx:
            yield tx
            if self.when == "BEFORE":
                os.kill(os.getpid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    def reading(self) -> Any:
        return self.store.reading()


async def main(data: Path, when: str) -> None:
    async with open_bench(data) as bench:
        limit(bench, sample=0.0)
        _, case = await held_request(bench)
        await decide(bench.platform, bench.caller, case, "approve", "NO_VIOLATION")
        bench.change(store=Deadly(bench.platform.store, when))
        await after_grace(bench)


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), sys.argv[2])
