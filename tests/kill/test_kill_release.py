"""P6: kill -9 in the middle of a release leaves nothing half-published, and what was begun is finished once."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from platemark.core.delivery import Delivery
from platemark.core.errors import NotFound
from platemark.core.image import Blob, Publication
from platemark.core.rendition import Rendition
from platemark.flows import publish
from platemark.flows.keeping.delete import finish
from platemark.flows.publications import deliver, release
from releasing import clear, targets_of
from workbench import Bench, open_bench

HERE = Path(__file__).parent
PUBLISHED = ("written", "claimed", "delivered")


async def files_of(data: Path) -> list[str]:
    out = data.with_name("out")
    return sorted(path.name for path in await anyio.to_thread.run_sync(lambda: [*out.rglob("*")]) if path.is_file())


async def publication_of(bench: Bench, image: str) -> Publication:
    async with bench.platform.store.reading() as read:
        (found,) = await read.all(Publication, image=image)
    return found


@pytest.mark.parametrize(
    "place",
    [pytest.param(each, marks=pytest.mark.slow) for each in ("seal", "written", "claimed")] + ["put", "delivered"],
)
async def test_p6_a_release_is_whole_or_not_there_whenever_its_process_dies(tmp_path: Path, place: str) -> None:
    data = tmp_path / "data"
    killed = await anyio.to_thread.run_sync(
        lambda: subprocess.run(
            [sys.executable, str(HERE / "releasing_victim.py"), str(data), place],
            env={**os.environ, "PYTHONPATH": str(HERE.parent)},
            check=False,
            capture_output=True,
            text=True,
        )
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    image = killed.stdout.strip()
    async with open_bench(data) as bench:
        clear(bench)
        bench.change(targets=targets_of(data))
        after = await publication_of(bench, image)
        assert after.state == ("published" if place in PUBLISHED else "draft")
        if place not in PUBLISHED:
            with pytest.raises(NotFound):
                await publish.read(bench.platform, after.id)
            assert await files_of(data) == []
            # Bytes that no release names go by themselves.
            bench.clock.pass_(timedelta(hours=2))
            assert await finish(bench.platform) == (1 if place == "put" else 0)
        # Whoever asked asks again; what stands already is not made twice.
        made = await publish.publish(bench.platform, bench.caller, image, audience="newsroom", targets=["out"])
        bench.clock.pass_(timedelta(hours=2))
        for _ in range(2):
            await release.finish_due(bench.platform)
            await deliver.carry_out(bench.platform)
        content = await publish.read(bench.platform, made.id)
        async with bench.platform.store.reading() as read:
            (full,) = await read.all(Rendition, publication=made.id)
            (sent,) = await read.all(Delivery, publication=made.id)
            told = [event.type for event in await read.events(made.project)]
            doomed = [blob for blob in await read.all(Blob, project=made.project) if blob.doomed_at]
        assert (content.sha256, sent.state, doomed) == (full.sha256, "delivered", [])
        assert (told.count("publication.published"), told.count("delivery.made")) == (1, 1)
        assert await files_of(data) == sorted([f"{made.id}-full.png", "publication.json"])
