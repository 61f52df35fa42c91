"""Analysing and inspecting through the SDK: one call each, and the file goes out as what it is."""

import json
from pathlib import Path

import httpx2
import pytest
from wires import PIXELS, Script, async_client, client, ok

from platemark.core.errors import InvalidRequest

FOUND = {
    "id": "ins_1",
    "object": "inspection",
    "schema": "verifier/1",
    "image": None,
    "verdict": "likely_ai",
    "tier": "inferred",
    "confidence": {"p_ai": 0.83, "low": 0.7, "high": 0.9, "calibration": "cal-1", "abstained": False},
    "policy_hint": "label",
    "is_proof": False,
    "evidence": [{"kind": "learned", "status": "evaluated", "direction": "ai", "weight": "weak", "score": 0.83}],
    "limits": ["A verdict is an input to a decision, not proof."],
    "input": {"sha256": "0" * 64, "media_type": "image/png", "width": 2, "height": 2},
    "versions": {},
    "timings_ms": {},
    "created_at": "2026-01-02T03:04:05Z",
}


def test_a_file_is_sent_as_a_form(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PIXELS)
    script = Script([ok(FOUND)])
    found = client(script).analyze(tmp_path / "a.png", retain=False, without=["remote", "learned"])
    assert (found.verdict, found.schema_, found.confidence["p_ai"]) == ("likely_ai", "verifier/1", 0.83)
    assert script.asked == ["POST /v1/analyze"]
    body = script.seen[0].read()
    assert PIXELS in body
    assert b"false" in body
    assert b"remote,learned" in body


def test_what_the_server_has_or_can_read_is_named() -> None:
    script = Script([ok(FOUND), ok(FOUND)])
    for name in ("img_" + "0" * 32, "https://pictures.test/a.png"):
        client(script).analyze(name)
        assert json.loads(script.seen[-1].read()) == {"image": name, "retain": True, "only": [], "without": []}


def test_nothing_is_no_picture() -> None:
    with pytest.raises(InvalidRequest):
        client(Script([])).analyze(b"")


def test_the_history_of_an_image_is_a_list() -> None:
    script = Script([ok({"data": [FOUND, FOUND], "next_cursor": None}), ok(FOUND), ok(FOUND)])
    sdk = client(script)
    assert [found.id for found in sdk.inspections.list(image="img_1", verdict=["likely_ai"])] == ["ins_1", "ins_1"]
    assert sdk.inspections.again("img_1").tier == sdk.inspections.get("ins_1").tier == "inferred"
    assert script.asked[1:] == ["POST /v1/images/img_1/inspect", "GET /v1/inspections/ins_1"]
    query = httpx2.URL(str(script.seen[0].url)).params
    assert (query["image"], query["verdict"]) == ("img_1", "likely_ai")


@pytest.mark.anyio
async def test_the_async_face_does_the_same() -> None:
    script = Script([ok(FOUND), ok(FOUND)])
    async with async_client(script) as sdk:
        assert (await sdk.analyze(PIXELS)).verdict == (await sdk.inspections.get("ins_1")).verdict
