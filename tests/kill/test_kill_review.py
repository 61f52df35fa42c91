"""kill -9 between a decision and its effect: the effect happens, and once."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from platemark.core.generation import Generation
from platemark.core.review import Review
from platemark.flows import upkeep
from platemark.flows.reviews import upkeep as review_upkeep
from workbench import open_bench

HERE = Path(__file__).parent


@pytest.mark.parametrize("when", ["BEFORE", "AFTER"])
async def test_a_decision_has_its_effect_once_whenever_its_worker_dies(tmp_path: Path, when: str) -> None:
    killed = await anyio.to_thread.run_sync(
        lambda: subprocess.run(
            [sys.executable, str(HERE / "deciding_victim.py"), str(tmp_path / "data"), when],
            env={**os.environ, "PYTHONPATH": str(HERE.parent)},
            check=False,
            capture_output=True,
        )
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    async with open_bench(tmp_path / "data") as bench:
        bench.clock.pass_(timedelta(minutes=5))
        for _ in range(2):
            await review_upkeep.look_after(bench.platform)
        async with bench.platform.store.reading() as read:
            (case,) = await read.all(Review, project=bench.caller.project)
            (generation,) = await read.all(Generation)
            told = [event.type for event in await read.events(bench.caller.project)]
        assert (case.state, generation.status) == ("approved", "queued")
        assert (told.count("review.effected"), told.count("generation.released")) == (1, 1)
        # Where the start itself was lost, it is found as any lost start is.
        assert [lost.id for lost in await upkeep.lost(bench.platform)] == [generation.id]
