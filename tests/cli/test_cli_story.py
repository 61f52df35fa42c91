"""The record as a table: everything that was promised is in it, and what is missing says so."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from platemark.cli import story

RECORD: dict[str, Any] = {
    "image": {
        "id": "img_1", "index": 0, "origin": "generated", "seed": 12345, "sha256": "ab" * 32,
        "media_type": "image/png", "width": 256, "height": 256, "stored": True,
    },
    "request": {
        "generation": "gen_1", "prompt": "a red house [bold]", "negative_prompt": "blur", "model": "local/pocket",
        "requested_model": "stable-diffusion-xl", "model_revision": "sha256:00",
        "parameters": {"width": 256, "steps": 12, "cfg_scale": 7.0, "seed": 12345, "scheduler": None},
        "warnings": [{"code": "enlarged", "message": "drawn at 128 pixels and enlarged"}],
        "accepted_at": "2026-01-02T03:04:05Z",
    },
    "attempts": [],
    "moderation": [
        {"stage": "before_request", "decision": "allow", "signals": [{"detector": "lexicon", "evaluated": True}]},
        {"stage": "after_response", "decision": "allow", "signals": [{"detector": "nudity", "evaluated": False}]},
    ],
    "inspection": {"verdict": "generated_by_us", "tier": "conclusive"},
    "credential": {"state": "valid", "signer": "Platemark development"},
    "watermark": None,
    "usage": {
        "queue_ms": 12, "run_ms": 1500, "attempts": 1, "cost": {"status": "settled", "micro_usd": 0, "basis": "free"},
    },
    "chain": {"first_seq": 10, "last_seq": 17, "head": "cd" * 32, "verified": True},
}  # fmt: skip


def text(renderable: RenderableType) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    "part",
    [
        "img_1 · 256×256 image/png · generated",
        "ab" * 32,
        "a red house [bold]",
        "local/pocket · asked for as stable-diffusion-xl",
        "width 256, steps 12, cfg_scale 7, seed 12345",
        "drawn at 128 pixels and enlarged",
        "allow · before request",
        "allow · after response · not evaluated: nudity",
        "generated_by_us · conclusive",
        "valid · Platemark development",
        "0 USD · settled · free",
        "queued 0.01 s, made in 1.50 s, 1 attempt, accepted 2026-01-02 03:04:05 UTC",
        "verified · lines 10 to 17",
        "house.png",
    ],
)
def test_the_whole_story_is_told(part: str) -> None:
    assert part in text(story.table(RECORD, file=Path("house.png")))


def test_what_is_not_known_or_gone_is_said() -> None:
    record = json.loads(json.dumps(RECORD))
    record["request"]["prompt"] = None
    record["image"]["stored"] = False
    record["inspection"] = record["credential"] = None
    record["usage"]["cost"] = {"status": "unknown", "micro_usd": None, "basis": "no price"}
    record["chain"]["verified"] = False
    shown = text(story.table(record))
    words = " ".join(shown.split())
    for part in ("prompt (erased)", "inspection none", "credential none", "unknown · no price", "NOT VERIFIED"):
        assert part in words
    assert "deleted" in words
    assert "0 USD" not in shown


def test_the_route_is_told() -> None:
    hops = [
        {"model": "a/one", "state": "left", "code": "provider_unavailable"},
        {"model": "local/pocket", "state": "chosen", "code": None},
        {"model": "c/three", "state": "skipped", "code": "unsupported_by_model"},
    ]
    shown = text(story.table({**RECORD, "request": {**RECORD["request"], "route": hops}}))
    assert "a/one left (provider_unavailable) · local/pocket chosen · c/three skipped (unsupported_by_model)" in shown
    assert "route" not in text(story.table(RECORD))


def test_an_upload_has_no_request() -> None:
    record: dict[str, Any] = {**RECORD, "request": None, "usage": None, "moderation": []}
    shown = text(story.table(record))
    assert "img_1" in shown
    assert "prompt" not in shown
    assert "cost" not in shown


def test_a_generation_without_images_tells_why() -> None:
    generation = {"id": "gen_1", "status": "failed", "error": {"detail": "The provider is down."}}
    shown = text(
        story.without_images({"generation": generation, "request": RECORD["request"], "chain": RECORD["chain"]})
    )
    assert "failed · The provider is down." in shown
    assert "verified" in shown


def test_amounts_keep_their_millionths() -> None:
    record = {
        **RECORD,
        "usage": {"attempts": 2, "cost": {"status": "settled", "micro_usd": 1500, "basis": "price list"}},
    }
    shown = text(story.table(record))
    assert "0.001500 USD · settled · price list" in shown
    assert "2 attempts" in shown


def test_what_a_picture_was_made_from_is_told() -> None:
    controls = [{"type": "canny", "strength": 0.5}, {"type": "colour", "strength": 1.0}]
    inputs = [{"role": "image", "index": 0, "image": "img_0"}, {"role": "control", "index": 0, "image": "img_9"}]
    change = {"operation": "image_to_image", "inputs": inputs, "parameters": {"controls": controls}}
    request = {**RECORD["request"], **change}
    told = text(story.table({**RECORD, "request": request}))
    for part in ("image_to_image", "img_0 · image", "img_9 · control", "controls canny 0.5 + colour 1"):
        assert part in told
    assert "operation" not in text(story.table(RECORD))
