"""Services that guess whether a picture is AI-made, as they are configured: asked for files that are not known here."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pictures import encoded
from platemark.core.inspection import Finding
from platemark.flows.analyze import analyze
from platemark.flows.evidence import Choice
from platemark.simulate.origin_services import FakeAnyImageDetector
from platemark.simulate.server import serve
from workbench import Bench, open_bench

pytestmark = pytest.mark.anyio
RED = encoded(Image.new("RGB", (80, 60), (220, 20, 20)))


async def remote(bench: Bench, choice: Choice) -> tuple[str, Finding]:
    """The verdict on a red picture, and what was found elsewhere."""
    found = await analyze(bench.platform, bench.caller, RED, choice, retain=False)
    return found.verdict, next(finding for finding in found.evidence if finding.kind == "remote")


async def test_their_answer_is_evidence_and_their_outage_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_KEY", "sk-simulated")
    fake = FakeAnyImageDetector()
    async with serve(fake) as url:
        said: dict[str, Any] = {"kind": "anyimagedetector", "base_url": f"{url}/v1", "keys": ["env:THE_KEY"]}
        async with open_bench(tmp_path / "data", origin_detectors={"elsewhere": said}) as bench:
            verdict, finding = await remote(bench, Choice(only=frozenset({"remote"})))
            assert (verdict, finding.status, finding.direction) == ("likely_ai", "scored", "ai")
            assert (finding.weight, finding.detail["detector"], finding.detail["score"]) == ("weak", "elsewhere", 0.97)
            fake.board.from_now_on("bad_request")
            verdict, finding = await remote(bench, Choice(only=frozenset({"elsewhere"})))
            assert (verdict, finding.status, finding.detail["code"]) == ("inconclusive", "not_evaluated", "refused")
            asked = len(fake.board.calls)
            _, finding = await remote(bench, Choice(without=frozenset({"elsewhere"})))
            assert (finding.status, len(fake.board.calls)) == ("skipped", asked)


async def test_nobody_is_asked_by_default(tmp_path: Path) -> None:
    async with open_bench(tmp_path / "data") as bench:
        assert "remote" not in [detector.kind for detector in bench.platform.origin_detectors]
