"""`platemark reinspect`: what is older than the inspector is looked at again, and a second run has nothing to do."""

import json
from pathlib import Path

import pytest
from anyio.to_thread import run_sync

from pictures import encoded, noise
from platemark.cli.root import main
from platemark.core.inspection import Inspection
from platemark.flows.upload import upload
from workbench import open_bench

# A command that opens a store by itself: nobody else waits for its loop.
pytestmark = [pytest.mark.anyio, pytest.mark.blocking]


async def library(data: Path) -> str:
    """A store with one image, whose inspection was made by an older inspector."""
    async with open_bench(data) as bench:
        image = await upload(bench.platform, bench.caller, encoded(noise(64)))
        async with bench.platform.store.transaction() as tx:
            inspection = await tx.get(Inspection, image.inspection or "")
            await tx.change(inspection, versions={"inspect": "1"})
    return image.id


async def test_only_what_is_older_is_looked_at_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLATEMARK_IMAGE_CLASSIFIERS", "false")
    monkeypatch.setenv("PLATEMARK_ORIGIN_CLASSIFIER", "false")
    image = await library(tmp_path / "data")
    command = ["reinspect", "--data", str(tmp_path / "data")]
    capsys.readouterr()
    assert await run_sync(main, [*command, "--json"]) == 0
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (line["image"], line["verdict"], line["was"]) == (image, "no_evidence_of_ai", "no_evidence_of_ai")
    assert await run_sync(main, [*command, "--older-than-version", "2"]) == 0
    assert capsys.readouterr().out == "0 images inspected again\n"
    assert await run_sync(main, [*command, "--all"]) == 0
    assert capsys.readouterr().out == "1 images inspected again\n"
    assert await run_sync(main, [*command, "--project", "prj_none"]) == 1
