"""Stability AI: each row of its table, what is sent for each operation, and the published documents."""

import base64
import json
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

import pytest
from attached import attached, check_row, drawn, never, operations_of, order_of, unsupported, verdict_of
from published import document, problems

from platemark.core.errors import Misconfigured, Unsupported
from platemark.core.model import Operation
from platemark.core.updates import Answered, Order, Picture
from platemark.providers.http import Reply
from platemark.providers.outcomes import Outcome, Row
from platemark.providers.remote import Remote
from platemark.providers.stability import MODELS, TABLE, Stability
from platemark.simulate.contract import KEY, ask
from platemark.simulate.pictures import striped
from platemark.simulate.stability import FakeStability

PNG = striped(64, 64, "x")
ALL = operations_of(MODELS)
# One answer for each row of the table, in its order.
ROWS: list[tuple[int, Mapping[str, str], bytes, Outcome]] = [
    (200, {"finish-reason": "CONTENT_FILTERED"}, PNG, "output_blocked"),
    (200, {}, b'{"image": "aaaa", "seed": 1, "finish_reason": "CONTENT_FILTERED"}', "output_blocked"),
    (200, {}, b'{"artifacts": [{"base64": "aa", "finishReason": "CONTENT_FILTERED"}]}', "output_blocked"),
    (200, {"finish-reason": "ERROR"}, b"", "unusable"),
    (200, {}, b'{"artifacts": [{"base64": "", "finishReason": "ERROR"}]}', "unusable"),
    (200, {}, b'{"id": "1", "name": "internal_error", "errors": ["later"]}', "overloaded"),
    (200, {}, b'{"id": "1", "name": "some_error", "errors": ["no"]}', "unusable"),
    (202, {}, b'{"id": "1", "status": "in-progress"}', "pending"),
    (403, {}, b'{"id": "1", "name": "content_moderation", "errors": ["flagged"]}', "prompt_blocked"),
    (400, {}, b'{"id": "1", "name": "invalid_prompts", "message": "flagged"}', "prompt_blocked"),
    (422, {}, b'{"id": "1", "name": "public_figure", "errors": ["likeness"]}', "prompt_blocked"),
    (422, {}, b'{"id": "1", "name": "invalid_language", "errors": ["English"]}', "bad_request"),
    (429, {}, b'{"id": "x", "name": "rate_limit_exceeded", "errors": ["150"]}', "rate_limited"),
]


@pytest.mark.parametrize(("row", "answer"), list(zip(TABLE, ROWS, strict=True)))
def test_each_row_of_the_table(row: Row, answer: tuple[int, Mapping[str, str], bytes, Outcome]) -> None:
    status, headers, body, outcome = answer
    check_row(TABLE, row, status, body, outcome, headers)


@pytest.mark.parametrize(
    ("status", "outcome"), [(403, "auth"), (401, "auth"), (404, "not_found"), (413, "bad_request"), (500, "overloaded")]
)
def test_what_is_not_in_the_table_is_what_http_says(status: int, outcome: Outcome) -> None:
    assert verdict_of(TABLE, status, b'{"name": "permission_denied"}').outcome == outcome


def connected(*, keys: tuple[str, ...] = (KEY,)) -> AbstractAsyncContextManager[tuple[Remote, FakeStability]]:
    return attached(Stability(), FakeStability(), keys=keys, fetch=never)


def order(model: str, operation: Operation = "text_to_image", **parameters: Any) -> Order:
    control = "style" if model == "stability/control" else None
    return order_of(MODELS, model, operation, control=control, **parameters)


async def sent(wanted: Order) -> tuple[str, dict[str, Any], set[str]]:
    """Path, fields and files of the one request that an order comes to."""
    (seen,), _ = await drawn(Stability(), FakeStability(), wanted, fetch=never)
    return seen.path, dict(seen.json or seen.fields), set(seen.files)


async def test_a_size_is_asked_for_by_its_proportions() -> None:
    path, fields, files = await sent(order("stability/sd3.5-large", width=1344, height=768, cfg_scale=5.0))
    assert (path, files) == ("/v2beta/stable-image/generate/sd3", set())
    assert fields == {
        "prompt": "a red house in a green meadow",
        "negative_prompt": "people",
        "seed": "1234",
        "output_format": "png",
        "aspect_ratio": "16:9",
        "model": "sd3.5-large",
        "mode": "text-to-image",
        "cfg_scale": "5",
    }


async def test_the_strength_of_v2_is_ours_and_that_of_v1_is_turned_around() -> None:
    _, fields, files = await sent(order("stability/ultra", "image_to_image", strength=0.3))
    assert (fields["strength"], files) == ("0.3", {"image"})
    path, fields, files = await sent(order("stability/sdxl-1.0", "image_to_image", strength=0.3))
    assert (fields["image_strength"], files) == ("0.7", {"init_image"})
    assert path.endswith("/image-to-image")


async def test_white_is_what_changes_in_both() -> None:
    _, fields, files = await sent(order("stability/inpaint", "inpaint", mask_grow=9))
    assert (fields["grow_mask"], files) == ("9", {"image", "mask"})
    _, fields, files = await sent(order("stability/sdxl-1.0", "inpaint"))
    assert (fields["mask_source"], files) == ("MASK_IMAGE_WHITE", {"init_image", "mask_image"})


async def test_v1_takes_the_negative_prompt_by_its_weight() -> None:
    _, fields, _ = await sent(order("stability/sdxl-1.0", scheduler="euler_a"))
    assert fields["sampler"] == "K_EULER_ANCESTRAL"
    assert [(each["text"], each["weight"]) for each in fields["text_prompts"]] == [
        ("a red house in a green meadow", 1.0),
        ("people", -1.0),
    ]


async def test_sides_controls_and_creativity() -> None:
    path, fields, _ = await sent(order("stability/outpaint", "outpaint"))
    assert {side: fields[side] for side in ("left", "right", "up", "down")} == {
        "left": "64",
        "right": "64",
        "up": "0",
        "down": "0",
    }
    path, fields, files = await sent(order("stability/control"))
    assert (path, fields["fidelity"], files) == ("/v2beta/stable-image/control/style", "1", {"image"})
    _, fields, _ = await sent(order("stability/upscale-conservative", "upscale", strength=0.25))
    assert fields["creativity"] == "0.25"


async def test_what_the_vendor_chooses_is_said() -> None:
    async with connected() as (provider, _):
        updates, _ = await ask(provider, order("stability/upscale-fast", "upscale"))
    (picture,) = (each for each in updates if isinstance(each, Picture))
    assert {warning.code for warning in picture.warnings} == {"size_differs", "prompt_ignored"}
    (answer,) = (each for each in updates if isinstance(each, Answered))
    assert answer.response["sent"] == {"path": "/v2beta/stable-image/upscale/fast", "output_format": "png"}
    assert answer.response["body"].keys() == {"sha256", "bytes", "media_type"}
    assert answer.request_id is not None


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        (order("stability/core", width=1600, height=512), "/width"),
        (order("stability/sdxl-1.0", width=1024, height=960), "/width"),
        (order("stability/sd3.5-large", cfg_scale=0.5), "/cfg_scale"),
        (order("stability/sdxl-1.0", steps=5), "/steps"),
        (order("stability/core", seed=0), "/seed"),
        (order("stability/core", seed=2**32 - 1), "/seed"),
        (order("stability/inpaint", "inpaint", strength=0.5), "/strength"),
        (order("stability/inpaint", "inpaint", mask_grow=-1), "/mask_grow"),
        (order("stability/inpaint", "inpaint", mask_feather=4), "/mask_feather"),
        (order("stability/upscale-creative", "upscale", strength=0.9), "/strength"),
        (order("stability/outpaint", "outpaint", left=3000), "/left"),
        (order("stability/control", controls=()), "/controls"),
    ],
)
def test_what_it_cannot_honour_is_named_before_it_is_sent(wanted: Order, pointer: str) -> None:
    assert unsupported(Stability(), wanted) == [pointer]


async def test_a_source_that_is_too_small_is_never_sent() -> None:
    async with connected() as (provider, fake):
        _, error = await ask(provider, replace(order("stability/inpaint", "inpaint"), image=striped(32, 200)))
    assert isinstance(error, Unsupported)
    assert fake.board.calls == []


async def test_without_a_key_nothing_is_sent() -> None:
    async with connected(keys=()) as (provider, fake):
        with pytest.raises(Misconfigured):
            await provider.check()
        _, error = await ask(provider, order("stability/core"))
    assert isinstance(error, Misconfigured)
    assert fake.board.calls == []


def test_base64_and_artifacts_are_read_too() -> None:
    vendor, model = Stability(), MODELS["stability/core"]
    text = base64.b64encode(PNG).decode()
    for body in ({"image": text, "seed": 7.0}, {"artifacts": [{"base64": text, "seed": 7, "finishReason": "SUCCESS"}]}):
        reading = vendor.read(Reply(200, {}, json.dumps(body).encode()), model)
        assert [(found.data, found.seed) for found in reading.found] == [(PNG, 7)]


@pytest.mark.parametrize(("model", "operation"), ALL)
async def test_what_is_sent_is_in_the_published_document(model: str, operation: Operation) -> None:
    spec = document("stability-v1-2025.json" if model == "stability/sdxl-1.0" else "stability-v2beta.json")
    wanted = order(model, operation)
    async with connected() as (provider, fake):
        _, error = await ask(provider, wanted)
    assert error is None
    assert [problem for seen in fake.board.seen for problem in problems(spec, seen)] == []
