"""The record as a table: everything that was promised is in it, and what is missing says so."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from platemark.cli import case_story, story

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
    said = {"filename": "found.png", "caption": None, "user": "desk-7", "accepted_at": "2026-01-02T03:04:05Z"}
    record: dict[str, Any] = {**RECORD, "request": None, "upload": said, "usage": None, "moderation": []}
    shown = text(story.table(record))
    assert "img_1" in shown
    assert "found.png · desk-7 · 2026-01-02 03:04:05 UTC" in shown
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


def test_what_people_did_is_told() -> None:
    at = "2026-01-02T03:04:05Z"
    decided = [
        {"by": "per_1", "action": "approve", "reason_code": "NO_VIOLATION", "state": "undone", "decided_at": at},
        {"by": "per_1", "action": "reject", "reason_code": "GORE", "second": "required", "decided_at": at},
    ]
    record: dict[str, Any] = {
        **RECORD,
        "image": {**RECORD["image"], "stored": False, "deleted_at": at},
        "reviews": [
            {"id": "rev_1", "kind": "first", "state": "rejected", "created_at": at, "decisions": decided},
            {"id": "rev_2", "kind": "adjudication", "of": "rev_1", "state": "rejected", "created_at": at},
        ],
        "publications": [{"id": "pub_1", "state": "draft", "audience": None, "changed_at": at}],
        "holds": [
            {"id": "hld_1", "reason_code": "litigation", "until": at, "created_by": "per_2"},
            {"id": "hld_2", "reason_code": "other", "until": at, "released_at": at, "created_by": "per_2"},
        ],
        "takedowns": [{"id": "tkd_1", "kind": "copyright", "state": "received", "created_at": at, "done_at": None}],
    }
    shown = " ".join(text(story.table(record)).split())
    moment = "2026-01-02 03:04:05 UTC"
    for part in (
        f"review rejected · opened {moment} · rev_1",
        f"decided approve · NO_VIOLATION · undone · per_1 · {moment}",
        f"decided reject · GORE · needs a second person · per_1 · {moment}",
        f"review rejected · adjudication · opened {moment} · rev_2",
        f"publication draft · {moment} · pub_1",
        f"legal hold litigation · until {moment} · per_2 · hld_1",
        f"legal hold other · released {moment} · per_2 · hld_2",
        f"takedown received · copyright · {moment} · tkd_1",
        f"deleted {moment}",
    ):
        assert part in shown


def test_a_case_is_told_to_who_decides_it() -> None:
    at = "2026-01-02T03:04:05Z"
    context: dict[str, Any] = {
        "review": {
            "id": "rev_2", "kind": "appeal", "of": "rev_1", "state": "claimed", "version": 3,
            "desk": "legal", "level": 2, "severity": 3, "due_at": at,
        },
        "told": "Graphic injury and death are not allowed here.",
        "request": {"prompt": None, "negative_prompt": "blur", "generation": "gen_1",
                    "operation": "inpaint", "model": "a/b"},
        "user": {"known": True, "strikes": 2, "past": [{}]},
        "pictures": [{"image": "img_1", "role": "subject", "width": 8, "height": 9, "moderation": "blocked",
                      "shown": False}],
        "near": [{"image": "img_9", "state": "rejected", "reason_code": "GORE", "review": "rev_0"}],
        "verdict": {"decision": "block", "stage": "after_response", "reason_code": "GORE"},
        "rules": [{"rule": "grave-gore", "decision": "block", "reason_code": "GORE", "note": "Certain gore."}],
        "decisions": [{"action": "reject", "reason_code": "GORE", "by": "per_1", "decided_at": at}],
        "notes": [{"body": "A film prop.", "by": "key_1", "created_at": at}],
    }  # fmt: skip
    shown = " ".join(text(case_story.table(context)).split())
    for part in (
        "review rev_2 · appeal · of rev_1 · claimed · version 3",
        "desk legal · level 2 · severity 3 · due 2026-01-02 03:04:05 UTC",
        "user is told Graphic injury",
        "prompt (erased) without blur asked gen_1 · inpaint · a/b",
        "user 2 refused · 1 earlier reviews",
        "picture img_1 · subject · 8×9 · blocked · shown to nobody",
        "alike img_9 · rejected · GORE · rev_0",
        "verdict block · after response · GORE",
        "rule block · grave-gore · GORE · Certain gore.",
        "decided reject · GORE · per_1",
        "note A film prop. · key_1",
    ):
        assert part in shown
