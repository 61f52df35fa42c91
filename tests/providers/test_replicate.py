"""Replicate: each row of its table, what is sent for each operation, and the published document."""

from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from attached import attached, check_row, drawn, operations_of, order_of, verdict_of
from jsonschema import Draft202012Validator
from published import document, problems

from platemark.core.errors import ProviderUnavailable
from platemark.core.model import Operation
from platemark.core.updates import Answered, Charged, Order, Picture, Progress
from platemark.providers.outcomes import Outcome, Row
from platemark.providers.remote import Remote
from platemark.providers.replicate import MAX_DATA_URL, MODELS, TABLE, Replicate
from platemark.simulate.contract import KEY, ask
from platemark.simulate.pictures import striped
from platemark.simulate.replicate import FakeReplicate

ALL = operations_of(MODELS)
PROMPT = "a red house in a green meadow"
# One answer for each row of the table, in its order.
ROWS: list[tuple[dict[str, Any], Outcome]] = [
    ({"status": "processing"}, "pending"),
    ({"status": "failed", "error": "NSFW content detected. Try running it again."}, "output_blocked"),
    ({"status": "failed", "error": "The input or output was flagged as sensitive. (E005)"}, "prompt_blocked"),
    ({"status": "failed", "error": "Prediction failed to start in time (E6716)"}, "overloaded"),
    ({"status": "failed", "error": "Prediction interrupted; please retry (code: PA)"}, "overloaded"),
    ({"status": "canceled"}, "unusable"),
    ({"status": "aborted"}, "timed_out"),
    ({"status": "succeeded", "output": None, "data_removed": True}, "unusable"),
    ({"status": "succeeded", "output": []}, "output_blocked"),
]


@pytest.mark.parametrize(("row", "answer"), list(zip(TABLE, ROWS, strict=True)))
def test_each_row_of_the_table(row: Row, answer: tuple[dict[str, Any], Outcome]) -> None:
    body, outcome = answer
    check_row(TABLE, row, 201, {"id": "x", "error": None, "data_removed": False, **body}, outcome)


@pytest.mark.parametrize(
    ("status", "outcome"), [(401, "auth"), (402, "out_of_credit"), (404, "not_found"), (422, "bad_request")]
)
def test_what_is_not_in_the_table_is_what_http_says(status: int, outcome: Outcome) -> None:
    assert verdict_of(TABLE, status, {"title": "x", "detail": "y", "status": status}).outcome == outcome


def connected(vendor: Replicate | None = None) -> AbstractAsyncContextManager[tuple[Remote, FakeReplicate]]:
    return attached(vendor or Replicate(), FakeReplicate())


order = partial(order_of, MODELS)


async def sent(wanted: Order, vendor: Replicate | None = None) -> tuple[str, dict[str, Any]]:
    """Path and body of the one request that an order comes to."""
    (seen,), _ = await drawn(vendor or Replicate(), FakeReplicate(), wanted)
    return seen.path, seen.json


async def test_an_official_model_by_its_name() -> None:
    path, body = await sent(order("replicate/sd3.5-large", width=1344, height=768, cfg_scale=5.0))
    assert path == "/v1/models/stability-ai/stable-diffusion-3.5-large/predictions"
    assert body == {
        "input": {
            "prompt": PROMPT,
            "cfg": 5.0,
            "steps": 35,
            "output_format": "png",
            "aspect_ratio": "16:9",
            "seed": 1234,
        }
    }


async def test_a_version_by_its_hash_and_a_deployment_by_its_path() -> None:
    path, body = await sent(order("replicate/sdxl", scheduler="dpmpp_2m_karras"))
    assert (path, body["version"]) == ("/v1/predictions", MODELS["replicate/sdxl"].route)
    assert body["input"] == {
        "prompt": PROMPT,
        "negative_prompt": "people",
        "width": 1024,
        "height": 1024,
        "guidance_scale": 7.5,
        "num_inference_steps": 50,
        "num_outputs": 1,
        "scheduler": "KarrasDPM",
        "seed": 1234,
    }
    own = replace(MODELS["replicate/sdxl"], route="deployments/acme/sdxl")
    (asked,) = Replicate().ask(order("replicate/sdxl"), own)
    assert (asked.call.path, "version" in asked.call.json) == ("/v1/deployments/acme/sdxl/predictions", False)


async def test_strength_is_ours_and_white_is_what_changes() -> None:
    wanted = order("replicate/sdxl", "inpaint", strength=0.3)
    _, body = await sent(wanted)
    assert body["input"]["prompt_strength"] == 0.3
    assert body["input"]["mask"].startswith("data:image/png;base64,")
    _, body = await sent(order("replicate/sd3.5-medium", "image_to_image"))
    assert (body["input"]["prompt_strength"], "aspect_ratio" in body["input"]) == (0.85, False)


async def test_sizes_become_those_that_the_model_draws() -> None:
    _, body = await sent(order("replicate/sd-inpainting", "inpaint", width=500, height=1500))
    assert (body["input"]["width"], body["input"]["height"]) == (512, 1024)
    _, body = await sent(order("replicate/real-esrgan", "upscale", width=640, height=640))
    assert body["input"].keys() == {"scale", "face_enhance", "image"}
    assert body["input"]["scale"] == 2.5


async def test_large_sources_are_uploaded_first_and_bought_once() -> None:
    # Noise does not pack: a picture beyond what may stand in a data URL.
    large = striped(64, 64, "x") + bytes(MAX_DATA_URL)
    async with connected() as (provider, fake):
        _, error = await ask(provider, replace(order("replicate/sdxl", "inpaint"), image=large))
    assert error is None, error.detail
    upload, made = fake.board.seen
    assert (upload.path, upload.files["content"]) == ("/v1/files", large)
    assert made.json["input"]["image"].split("/v1/")[1] in {f"files/{id}" for id in fake.uploads}
    assert made.json["input"]["mask"].startswith("data:")
    assert fake.board.submissions() == 1


async def test_the_prompt_is_not_kept_with_the_answer() -> None:
    async with connected() as (provider, _):
        updates, _ = await ask(provider, order("replicate/sdxl"))
    (answer,) = (each for each in updates if isinstance(each, Answered))
    assert answer.response["body"]["status"] == "succeeded"
    assert answer.model_revision == MODELS["replicate/sdxl"].route.partition(":")[2]
    assert PROMPT not in str(answer.response)
    assert answer.response["sent"]["num_inference_steps"] == 50


async def test_progress_is_read_from_the_logs() -> None:
    async with connected() as (provider, _):
        updates, _ = await ask(provider, order("replicate/sdxl"))
    assert Progress(25, 50) in updates
    assert sum(isinstance(each, Picture) for each in updates) == 1


async def test_work_that_came_to_nothing_is_not_asked_for_again_and_may_be_bought_anew() -> None:
    async with connected() as (provider, fake):
        fake.error_later = "Prediction failed to start in time (E6716)"
        updates, error = await ask(provider, order("replicate/sdxl"))
    assert isinstance(error, ProviderUnavailable)
    assert error.retryable
    assert [each.cost.micro_usd for each in updates if isinstance(each, Charged)] == [0]
    assert len([path for method, path in fake.board.calls if method == "GET"]) == 1


async def test_work_is_cancelled_by_its_ticket() -> None:
    async with connected() as (provider, fake):
        fake.polls = 99
        call = Replicate().ask(order("replicate/sdxl"), MODELS["replicate/sdxl"])[0].call
        reply = await provider.transport.send(provider.vendor.authorise(call, KEY))
        ticket = provider.vendor.read(reply, MODELS["replicate/sdxl"]).ticket
        assert ticket is not None
        assert await provider.cancel("replicate/sdxl", ticket)
    assert fake.predictions[ticket].told["status"] == "canceled"


@pytest.mark.parametrize(("model", "operation"), ALL)
async def test_what_is_sent_is_in_the_published_document(model: str, operation: Operation) -> None:
    spec = document("replicate.json")
    vendor = Replicate(webhook_url="https://pictures.example/v1/providers/replicate/webhook")
    async with connected() as (provider, fake):
        (asked,) = vendor.ask(order(model, operation), MODELS[model])
        reply = await provider.transport.send(vendor.authorise(asked.call, KEY))
    assert reply.status == 201
    found = [replace(seen, path=seen.path.removeprefix("/v1")) for seen in fake.board.seen]
    assert [problem for seen in found for problem in problems(spec, seen)] == []
    schema = {**spec["components"]["schemas"]["schemas_prediction_response"], "components": spec["components"]}
    # `nullable` is of OpenAPI 3.0, which the validator does not know; `version` of an official model fits twice.
    mistakes: Any = Draft202012Validator(schema).iter_errors(reply.json)  # pyright: ignore[reportUnknownMemberType]
    assert [error for error in mistakes if list(error.path) not in (["error"], ["version"])] == []
