"""Fireworks AI: each row of its table, what is sent for each operation, and the ways in which pictures come."""

import json
from base64 import b64encode
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

import pytest
from attached import attached, check_row, drawn, order_of, unsupported, verdict_of

from platemark.core.errors import BlockedByProvider, ModelUnavailable
from platemark.core.generation import ControlUse, LoraUse
from platemark.core.model import Operation
from platemark.core.updates import Answered, Charged, Order, Picture, Progress
from platemark.providers.fireworks import MODELS, TABLE, Fireworks
from platemark.providers.http import Reply
from platemark.providers.outcomes import Outcome, Row
from platemark.providers.remote import Remote
from platemark.providers.vendor import Vendor
from platemark.simulate.board import Seen
from platemark.simulate.contract import ask
from platemark.simulate.fireworks import FakeFireworks
from platemark.simulate.pictures import striped

PNG = striped(64, 64, "x")
XL = "/inference/v1/image_generation/accounts/fireworks/models/stable-diffusion-xl-1024-v1-0"
FLOW = "/inference/v1/workflows/accounts/fireworks/models"


def state(status: str) -> bytes:
    return json.dumps({"id": "1", "status": status, "result": None, "progress": 0, "details": {}}).encode()


# One answer for each row of the table, in its order.
ROWS: list[tuple[int, Mapping[str, str], bytes, Outcome]] = [
    (200, {"finish-reason": "CONTENT_FILTERED"}, PNG, "output_blocked"),
    (200, {}, b'[{"base64": "aaaa", "finishReason": "CONTENT_FILTERED", "seed": 1}]', "output_blocked"),
    (200, {}, b'{"id": "1", "base64": [], "finishReason": "CONTENT_FILTERED", "seed": 1}', "output_blocked"),
    (200, {}, state("Pending"), "pending"),
    (200, {}, state("Request Moderated"), "prompt_blocked"),
    (200, {}, state("Content Moderated"), "output_blocked"),
    (200, {}, state("Task not found"), "not_found"),
    (200, {}, state("Error"), "unusable"),
    (200, {}, b'{"error": {"type": "internal_server_error", "message": "later"}}', "overloaded"),
    (200, {}, b'{"error": {"type": "invalid_request_error", "message": "no"}}', "unusable"),
    (400, {}, b'{"error": {"type": "invalid_request_error", "message": "Moderated."}}', "prompt_blocked"),
]


@pytest.mark.parametrize(("row", "answer"), list(zip(TABLE, ROWS, strict=True)))
def test_each_row_of_the_table(row: Row, answer: tuple[int, Mapping[str, str], bytes, Outcome]) -> None:
    status, headers, body, outcome = answer
    check_row(TABLE, row, status, body, outcome, headers)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(400, "bad_request"), (401, "auth"), (403, "auth"), (404, "not_found"), (429, "rate_limited")],
)
def test_what_is_not_in_the_table_is_what_http_says(status: int, outcome: Outcome) -> None:
    assert verdict_of(TABLE, status, b'{"error": {"message": "No."}}').outcome == outcome


def connected() -> AbstractAsyncContextManager[tuple[Remote, FakeFireworks]]:
    return attached(Fireworks(), FakeFireworks())


def order(model: str, operation: Operation = "text_to_image", **parameters: Any) -> Order:
    return order_of(MODELS, model, operation, control="canny" if "control" in model else None, **parameters)


async def sent(wanted: Order, vendor: Vendor | None = None) -> list[Seen]:
    seen, _ = await drawn(vendor or Fireworks(), FakeFireworks(), wanted)
    return seen


async def test_a_text_goes_as_json_and_bytes_are_asked_for() -> None:
    (seen,) = await sent(order("fireworks/sdxl-1.0", width=896, steps=25, cfg_scale=6.5))
    assert (seen.path, seen.headers["accept"]) == (XL, "image/png")
    assert seen.json == {
        "prompt": "a red house in a green meadow",
        "negative_prompt": "people",
        "seed": 1234,
        "samples": 1,
        "steps": 25,
        "width": 896,
        "height": 1024,
        "cfg_scale": 6.5,
    }


async def test_strength_is_turned_around() -> None:
    (seen,) = await sent(order("fireworks/sdxl-1.0", "image_to_image", strength=0.3, width=700, height=513))
    assert (seen.path, set(seen.files)) == (f"{XL}/image_to_image", {"init_image"})
    assert (seen.fields["init_image_mode"], seen.fields["image_strength"]) == ("IMAGE_STRENGTH", "0.7")
    assert (seen.fields["width"], seen.fields["height"]) == ("704", "512")
    (seen,) = await sent(order("fireworks/sdxl-1.0", "image_to_image"))
    assert seen.fields["image_strength"] == "0.35"


async def test_the_vendor_finds_the_edges_of_a_picture_first() -> None:
    edges, drawn = await sent(order("fireworks/sdxl-1.0-control"))
    assert (edges.path, set(edges.files)) == (f"{XL}/canny_edge_detection", {"image"})
    assert (drawn.path, drawn.fields["control_net_name"]) == (f"{XL}/control_net", "canny")
    assert drawn.files["control_image"] != edges.files["image"]


async def test_a_ready_guide_goes_as_it_is() -> None:
    control = ControlUse(type="canny", strength=0.4, start=0.1, end=0.8, preprocess=False)
    wanted = order("fireworks/sdxl-1.0-control", controls=(control,))
    (seen,) = await sent(wanted)
    names = ("conditioning_scale", "step_schedule_start", "step_schedule_end")
    assert [seen.fields[name] for name in names] == ["0.4", "0.1", "0.8"]
    assert seen.files["control_image"] == wanted.guides[0]


@pytest.mark.parametrize(
    ("id", "name", "file"),
    [
        ("ada/ink", "ada/ink", "pytorch_lora_weights.safetensors"),
        ("ada/ink/v2/ink.safetensors", "ada/ink", "v2/ink.safetensors"),
    ],
)
async def test_a_lora_is_a_repository_and_a_file_in_it(id: str, name: str, file: str) -> None:
    (seen,) = await sent(order("fireworks/sdxl-1.0", loras=(LoraUse(id=id),)))
    assert (seen.json["lora_adapter_name"], seen.json["lora_weight_filename"]) == (name, file)


async def test_the_operator_may_have_pictures_checked() -> None:
    like = MODELS["fireworks/sdxl-1.0"]
    checked = replace(like, facts={**like.facts, "safety_check": "true"})
    (seen,) = await sent(order(like.model), Fireworks(models={like.model: checked}))
    assert seen.json["safety_check"] is True
    (seen,) = await sent(order(like.model, "image_to_image"), Fireworks(models={like.model: checked}))
    assert seen.fields["safety_check"] == "true"


async def test_a_workflow_is_asked_for_proportions() -> None:
    (seen,) = await sent(order("fireworks/flux.1-schnell", width=1344, height=768))
    assert seen.path == f"{FLOW}/flux-1-schnell-fp8/text_to_image"
    assert seen.json == {
        "prompt": "a red house in a green meadow",
        "aspect_ratio": "16:9",
        "guidance_scale": 3.5,
        "num_inference_steps": 4,
        "seed": 1234,
    }


async def test_kontext_edits_and_is_asked_until_it_is_done() -> None:
    async with connected() as (provider, fake):
        updates, error = await ask(provider, order("fireworks/flux.1-kontext-max", "image_to_image"))
    first, *polls = fake.board.seen
    assert error is None
    assert (first.path, first.json["input_image"][:22]) == (f"{FLOW}/flux-kontext-max", "data:image/png;base64,")
    assert "aspect_ratio" not in first.json
    assert [seen.json for seen in polls] == [{"id": next(iter(fake.tickets))}] * 3
    assert [each.done for each in updates if isinstance(each, Progress)] == [33, 67]
    (answer,) = (each for each in updates if isinstance(each, Answered))
    assert set(answer.response["sent"]) == {"path", "seed", "output_format"}


async def test_kontext_draws_from_text_by_proportions() -> None:
    seen, *_ = await sent(order("fireworks/flux.1-kontext-pro", width=768, height=1344))
    assert (seen.json["aspect_ratio"], "input_image" in seen.json) == ("9:16", False)


async def test_a_ticket_that_is_not_known_any_more_is_told() -> None:
    async with connected() as (provider, fake):
        _, error = await ask(provider, order("fireworks/flux.1-kontext-pro", "image_to_image"), ticket="gone")
    assert type(error) is ModelUnavailable
    assert fake.board.submissions() == 0


async def test_a_prompt_that_is_refused_later_costs_nothing() -> None:
    async with connected() as (provider, fake):
        fake.board.next("prompt_blocked")
        updates, error = await ask(provider, order("fireworks/flux.1-kontext-pro"))
    assert type(error) is BlockedByProvider
    assert [(each.cost.status, each.cost.micro_usd) for each in updates if isinstance(each, Charged)] == [
        ("settled", 0)
    ]


@pytest.mark.parametrize(
    "body",
    [
        PNG,
        json.dumps([{"base64": b64encode(PNG).decode(), "finishReason": "SUCCESS", "seed": 7}]).encode(),
        json.dumps({"id": "1", "base64": [f"data:image/png;base64,{b64encode(PNG).decode()}"], "seed": 7}).encode(),
        json.dumps({"status": "Ready", "result": {"sample": PNG.hex(), "seed": "7"}, "progress": 1}).encode(),
    ],
)
def test_every_form_of_a_picture_is_read(body: bytes) -> None:
    reading = Fireworks().read(Reply(200, {"seed": "7"}, body), MODELS["fireworks/sdxl-1.0"])
    assert [(found.data, found.seed) for found in reading.found] == [(PNG, 7)]


def test_a_picture_among_others_that_was_withheld_is_marked() -> None:
    text = b64encode(PNG).decode()
    body = [{"base64": text, "finishReason": reason} for reason in ("SUCCESS", "CONTENT_FILTERED")]
    reading = Fireworks().read(Reply(200, {}, json.dumps(body).encode()), MODELS["fireworks/sdxl-1.0"])
    assert [found.outcome for found in reading.found] == ["ok", "output_blocked"]


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"status": "Ready", "result": null}', b'[null, {"base64": 7}]'])
def test_what_is_no_picture_is_none(body: bytes) -> None:
    reading = Fireworks().read(Reply(200, {}, body), MODELS["fireworks/sdxl-1.0"])
    assert [found for found in reading.found if found.data or found.url] == []


async def test_the_seed_and_the_price_that_come_back() -> None:
    async with connected() as (provider, _):
        updates, _ = await ask(provider, order("fireworks/sdxl-1.0", steps=30))
    assert [each.seed for each in updates if isinstance(each, Picture)] == [1234]
    assert [each.cost.micro_usd for each in updates if isinstance(each, Charged)] == [3900]


@pytest.mark.parametrize(
    ("wanted", "pointers"),
    [
        (order("fireworks/sdxl-1.0", seed=0), ["/seed"]),
        (order("fireworks/sdxl-1.0", loras=(LoraUse(id="ada/ink", scale=0.5),)), ["/loras/0/scale"]),
        (order("fireworks/sdxl-1.0", loras=(LoraUse(id="https://hub.example/ink"),)), ["/loras/0/id"]),
        (order("fireworks/sdxl-1.0-control", controls=()), ["/controls"]),
        (order("fireworks/flux.1-dev", width=1536, height=512), ["/width"]),
        (order("fireworks/flux.1-kontext-pro", "image_to_image", strength=0.5), ["/strength"]),
    ],
)
def test_what_it_cannot_honour_is_named_before_it_is_sent(wanted: Order, pointers: list[str]) -> None:
    assert unsupported(Fireworks(), wanted) == pointers
