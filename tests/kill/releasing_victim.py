"""Publishes a picture to a directory and dies on the way: `python releasing_victim.py DATA PLACE`.

Places, in order: `seal` (a file is signed), `put` (it is stored), `written` (the transaction of the release is done),
`claimed` (a delivery is claimed), `delivered` (the target has the files, no row says so).
"""

import os
import signal
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from platemark.core.event import Event
from platemark.core.ports import Parcel, Target
from platemark.flows import publish
from platemark.flows.publications import deliver
from releasing import clear, targets_of
from workbench import Bench, open_bench


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class After:
    """Any port whose method of this name is the last thing that the process does."""

    port: Any
    method: str

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.port, name)
        if name != self.method:
            return found

        async def last(*arguments: Any, **named: Any) -> Any:
            await found(*arguments, **named)
            die()

        return last


@dataclass(eq=False)
class Watching:
    """A store whose process dies after the transaction that tells of `fact`, or after the first that tells nothing."""

    store: Any
    fact: str | None

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Any]:
        told = list[str]()
        async with self.store.transaction() as tx:
            inner = tx.emit

            async def emit(event: Event) -> Event:
                told.append(event.type)
                return await inner(event)

            tx.emit = emit
            yield tx
        if (self.fact in told) if self.fact else not told:
            die()

    def reading(self) -> Any:
        return self.store.reading()


@dataclass
class Final:
    """A target that gets the files, and then nothing more happens."""

    target: Target
    name: str = "out"
    kind: str = "directory"

    async def deliver(self, parcel: Parcel) -> Mapping[str, Any]:
        await self.target.deliver(parcel)
        die()
        return {}

    async def withdraw(self, parcel: Parcel) -> Mapping[str, Any]:
        return await self.target.withdraw(parcel)


def arm(bench: Bench, place: str) -> None:
    platform = bench.platform
    if place == "seal":
        bench.change(provenance=After(platform.provenance, "seal"))
    elif place == "put":
        bench.change(blobs=After(platform.blobs, "put"))
    elif place == "written":
        bench.change(store=Watching(platform.store, "publication.published"))


async def main(data: Path, place: str) -> None:
    async with open_bench(data) as bench:
        clear(bench)
        bench.change(targets=targets_of(data))
        (image,) = await bench.images(await bench.make())
        print(image.id, flush=True)
        arm(bench, place)
        await publish.publish(bench.platform, bench.caller, image.id, audience="newsroom", targets=["out"])
        if place == "claimed":
            bench.change(store=Watching(bench.platform.store, None))
        else:
            bench.change(targets={"out": Final(targets_of(data)["out"])})
        await deliver.carry_out(bench.platform)


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), sys.argv[2])
