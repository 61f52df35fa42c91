"""fal.ai: each row of its table, what is sent for each operation, and how a request goes through the queue."""

import json
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import pytest
from attached import attached, check_row, drawn, order_of

from platemark.core.errors import BlockedByProvider
from platemark.core.updates import Answered, Order
from platemark.providers.fal import MODELS, TABLE, Fal
from platemark.providers.http import Reply, data_uri
from platemark.providers.outcomes import Outcome, Row
from platemark.providers.remote import Remote
from platemark.simulate.contract import KEY, ask
from platemark.simulate.fal import FakeFal
from platemark.simulate.pictures import striped

PROMPT = "a red house in a green meadow"
ENDED = {"status": "COMPLETED", "request_id": "x"}
POLICY: dict[str, Any] = {"detail": [{"loc": ["body", "prompt"], "msg": "no", "type": "content_policy_violation"}]}
# One answer for each row of the table, in its order.
ROWS: list[tuple[int, Mapping[str, str], dict[str, Any], Outcome]] = [
    (202, {}, {"status": "IN_QUEUE", "queue_position": 3}, "pending"),
    (200, {}, {**ENDED, "error": "no", "error_type": "content_policy_violation"}, "prompt_blocked"),
    (200, {}, {**ENDED, "error": "gone", "error_type": "runner_disconnected"}, "overloaded"),
    (200, {}, {**ENDED, "error": "late", "error_type": "request_timeout"}, "timed_out"),
    (200, {}, {**ENDED, "error": "Invalid status code: 500"}, "unusable"),
    (200, {}, {"status": "FAILED"}, "unusable"),
    (422, {}, POLICY, "prompt_blocked"),
    (422, {"x-fal-error-type": "content_policy_violation"}, {"detail": "no"}, "prompt_blocked"),
    (400, {}, {"detail": "Request is still in progress"}, "pending"),
    (403, {}, {"detail": "User is locked. Reason: Exhausted balance."}, "out_of_credit"),
]


@pytest.mark.parametrize(("row", "answer"), list(zip(TABLE, ROWS, strict=True)))
def test_each_row_of_the_table(row: Row, answer: tuple[int, Mapping[str, str], dict[str, Any], Outcome]) -> None:
    status, headers, body, outcome = answer
    check_row(TABLE, row, status, body, outcome, headers)


def connected() -> AbstractAsyncContextManager[tuple[Remote, FakeFal]]:
    return attached(Fal(), FakeFal())


order = partial(order_of, MODELS)


async def sent(wanted: Order) -> tuple[str, dict[str, Any]]:
    (seen,), _ = await drawn(Fal(), FakeFal(), wanted)
    return seen.path, seen.json


async def test_sizes_are_sent_as_they_are_and_pngs_are_asked_for() -> None:
    path, body = await sent(order("fal/sd3.5-large", width=1344, height=768))
    assert path == "/fal-ai/stable-diffusion-v35-large"
    assert body == {
        "prompt": PROMPT,
        "negative_prompt": "people",
        "num_inference_steps": 28,
        "guidance_scale": 3.5,
        "num_images": 1,
        "output_format": "png",
        "image_size": {"width": 1344, "height": 768},
        "seed": 1234,
    }


async def test_each_operation_has_its_path() -> None:
    path, body = await sent(order("fal/fast-sdxl", "image_to_image", strength=0.3))
    assert (path, body["strength"], body["format"]) == ("/fal-ai/fast-sdxl/image-to-image", 0.3, "png")
    assert (body["image_url"], "image_size" in body) == (data_uri(striped(256, 256, "source")), False)
    path, body = await sent(order("fal/fast-sdxl", "inpaint"))
    assert (path, body["strength"]) == ("/fal-ai/fast-sdxl/inpainting", 0.95)
    assert body["mask_url"] == data_uri(striped(256, 256, "mask"))
    path, body = await sent(order("fal/sd3-medium", "image_to_image"))
    assert (path, body.keys() & {"format", "output_format"}) == (
        "/fal-ai/stable-diffusion-v3-medium/image-to-image",
        set(),
    )


async def test_the_addresses_that_it_names_are_the_ticket() -> None:
    async with connected() as (provider, fake):
        vendor, model = provider.vendor, MODELS["fal/fast-sdxl"]
        call = vendor.ask(order(model.model, "inpaint"), model)[0].call
        reading = vendor.read(await provider.transport.send(vendor.authorise(call, KEY)), model)
        assert reading.ticket is not None
        assert await provider.cancel(model.model, reading.ticket)
    (job,) = fake.jobs.values()
    assert (json.loads(reading.ticket), job.canceled) == ({"id": job.id, **job.urls}, True)
    assert "/fal-ai/fast-sdxl/requests/" in job.urls["response"]


async def test_neither_the_prompt_nor_signed_addresses_are_kept() -> None:
    async with connected() as (provider, _):
        updates, _ = await ask(provider, order("fal/sd3.5-medium"))
    (answer,) = (each for each in updates if isinstance(each, Answered))
    assert answer.response["body"]["prompt"] == "[prompt]"
    assert PROMPT not in str(answer.response)
    assert "signature" not in str(answer.response)
    assert answer.request_id is not None


async def test_a_picture_that_is_marked_is_withheld() -> None:
    async with connected() as (provider, fake):
        fake.board.next("output_blocked")
        _, error = await ask(provider, order("fal/fast-sdxl"))
    assert isinstance(error, BlockedByProvider)


def test_a_single_image_and_data_uris_are_read_too() -> None:
    png = striped(64, 64, "x")
    body = {"image": {"url": data_uri(png)}, "seed": 7}
    (found,) = Fal().read(Reply(200, {}, json.dumps(body).encode()), MODELS["fal/fast-sdxl"]).found
    assert (found.data, found.seed) == (png, 7)
