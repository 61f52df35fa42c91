"""Services of others as they are configured: their signals stand in verdicts, and their silence is no pass (P5)."""

from pathlib import Path
from typing import Any

import pytest

from platemark.core.moderation import Signal, Verdict
from platemark.simulate.azure_content_safety import FakeAzureContentSafety
from platemark.simulate.server import serve
from workbench import Bench, open_bench

pytestmark = pytest.mark.anyio


async def signals(bench: Bench, prompt: str) -> dict[str, list[Signal]]:
    """Those of the service, by stage."""
    generation = await bench.make(prompt=prompt)
    async with bench.platform.store.reading() as read:
        verdicts = await read.all(Verdict, generation=generation.id)
    return {each.stage: [signal for signal in each.signals if signal.detector == "azure"] for each in verdicts}


async def test_p5_signals_and_silence_are_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", "sk-simulated")
    fake = FakeAzureContentSafety()
    async with serve(fake) as url:
        said: dict[str, Any] = {"kind": "azure_content_safety", "base_url": url, "keys": ["env:THE_KEY"]}
        async with open_bench(tmp_path / "data", remote_detectors={"azure": said}) as bench:
            quiet = await signals(bench, "a red house in a meadow")
            assert {stage: [each.category for each in found] for stage, found in quiet.items()} == {
                "before_request": ["none"],
                "after_response": ["none"],
            }
            fake.board.from_now_on("bad_request")
            silent = await signals(bench, "a red house in a valley")
            assert [each.evaluated for found in silent.values() for each in found] == [False, False]
            fake.board.from_now_on(None)
            held = await bench.ask(prompt="a house, violence")
            assert held.status in ("held", "blocked")


async def test_texts_and_images_are_switched_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", "sk-simulated")
    said: dict[str, Any] = {"keys": ["env:THE_KEY"], "texts": False}
    async with open_bench(tmp_path / "data", remote_detectors={"openai_moderation": said}) as bench:
        assert "openai_moderation" in [detector.name for detector in bench.platform.image_detectors]
        assert "openai_moderation" not in [detector.name for detector in bench.platform.text_detectors]
