"""The background loop: what is due is sent at once where it was told, and a fault of one round does not end it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio

from platemark.core.delivery import Delivery
from platemark.core.errors import DatabaseUnavailable
from platemark.flows import publish
from platemark.jobs.deliveries import post
from releasing import clear, targets_of
from waiting import until
from workbench import open_bench


@dataclass(eq=False)
class Shaky:
    """A store that does not answer the first times that it is read."""

    store: Any
    faults: int = 3

    def reading(self) -> Any:
        if self.faults > 0:
            self.faults -= 1
            raise DatabaseUnavailable("The database does not answer.")
        return self.store.reading()

    def transaction(self) -> Any:
        return self.store.transaction()


async def test_a_release_is_delivered_by_the_background_loop(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with open_bench(data) as bench:
        clear(bench)
        bench.change(targets=await anyio.to_thread.run_sync(targets_of, data))
        (image,) = await bench.images(await bench.make())
        store = bench.platform.store
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(post, replace(bench.platform, store=Shaky(store)), 0.01)
            made = await publish.publish(bench.platform, bench.caller, image.id, targets=["out"])

            async def delivered() -> bool:
                async with store.reading() as read:
                    (row,) = await read.all(Delivery, publication=made.id)
                assert row.state in ("pending", "delivered")
                return row.state == "delivered"

            await until(delivered)
            assert await anyio.Path(tmp_path / "out" / made.id / "publication.json").exists()
            tasks.cancel_scope.cancel()
