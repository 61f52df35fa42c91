"""Hugging Face Inference: each row of its table, what is sent for each task, models that load, forms of answers."""

import base64
import json
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

import pytest
from attached import attached, check_row, never, order_of, unsupported, verdict_of

from platemark.core.errors import (
    BlockedByProvider,
    ModelUnavailable,
    ProviderOutOfCredit,
    ProviderRateLimited,
)
from platemark.core.model import Operation
from platemark.core.updates import Answered, Order, Picture
from platemark.providers.catalogue import Declared
from platemark.providers.http import Reply
from platemark.providers.huggingface import MODELS, TABLE, HuggingFace
from platemark.providers.outcomes import Outcome, Row
from platemark.providers.remote import Remote
from platemark.simulate.contract import KEY, ask
from platemark.simulate.huggingface import HUB, FakeHuggingFace
from platemark.simulate.pictures import striped

PNG = striped(64, 64, "x")
TEXT = base64.b64encode(PNG).decode()
SDXL = "huggingface/sdxl"
# One answer for each row of the table, in its order.
ROWS: list[tuple[int, bytes, Outcome, float | None]] = [
    (503, b'{"error": "Model a/b is currently loading", "estimated_time": 35.66}', "rate_limited", 35.66),
    (503, b'{"error": "Model a/b is currently loading"}', "rate_limited", 20.0),
    (503, b'{"error": "Model too busy, unable to get response in less than 60 second(s)"}', "timed_out", None),
    (200, b'{"error": "unknown error"}', "unusable", None),
    (400, b'{"error": "NSFW content was detected in the prompt."}', "prompt_blocked", None),
    (400, b'{"error": "Model a/b is not supported by provider hf-inference"}', "not_found", None),
]


@pytest.mark.parametrize(("row", "answer"), list(zip(TABLE, ROWS, strict=True)))
def test_each_row_of_the_table(row: Row, answer: tuple[int, bytes, Outcome, float | None]) -> None:
    status, body, outcome, retry_after = answer
    check_row(TABLE, row, status, body, outcome)
    assert verdict_of(TABLE, status, body).retry_after == retry_after


@pytest.mark.parametrize(
    ("status", "words", "outcome"),
    [
        (401, "Invalid username or password.", "auth"),
        (402, "You have exceeded your monthly included credits.", "out_of_credit"),
        (403, "This token has not the permission to call Inference Providers.", "auth"),
        (404, "Model a/b does not exist", "not_found"),
        (422, "width: must be a multiple of 8", "bad_request"),
        (429, "Rate limit reached.", "rate_limited"),
        (500, "CUDA out of memory", "overloaded"),
        (503, "Service Unavailable", "overloaded"),
        (504, "Gateway Timeout", "timed_out"),
    ],
)
def test_what_is_not_in_the_table_is_what_http_says(status: int, words: str, outcome: Outcome) -> None:
    assert verdict_of(TABLE, status, {"error": words}).outcome == outcome


def connected(
    fake: FakeHuggingFace | None = None, models: Mapping[str, Declared] = MODELS
) -> AbstractAsyncContextManager[tuple[Remote, FakeHuggingFace]]:
    return attached(HuggingFace(models=models), fake or FakeHuggingFace(), fetch=never)


def order(model: str = SDXL, operation: Operation = "text_to_image", **parameters: Any) -> Order:
    return order_of(MODELS, model, operation, **parameters)


@pytest.mark.anyio
async def test_a_text_goes_as_inputs_with_its_parameters() -> None:
    async with connected() as (provider, fake):
        updates, error = await ask(provider, order(width=512, height=768, scheduler="euler_a"))
    assert error is None
    (seen,) = fake.board.seen
    assert seen.path == "/models/stabilityai/stable-diffusion-xl-base-1.0"
    assert (seen.headers["authorization"], seen.headers["accept"]) == (f"Bearer {KEY}", "image/png")
    numbers = {
        "num_inference_steps": 30,
        "guidance_scale": 7.5,
        "scheduler": "EulerAncestralDiscreteScheduler",
        "width": 512,
        "height": 768,
        "seed": 1234,
    }
    assert seen.json == {
        "inputs": "a red house in a green meadow",
        "parameters": {"negative_prompt": "people", **numbers},
    }
    (answer,) = (each for each in updates if isinstance(each, Answered))
    assert answer.response["sent"] == {"path": seen.path, **numbers}
    assert answer.request_id == "req-1"


@pytest.mark.anyio
async def test_a_picture_goes_as_inputs_and_the_text_beside_it() -> None:
    wanted = order("huggingface/instruct-pix2pix", "image_to_image")
    async with connected() as (provider, fake):
        updates, error = await ask(provider, wanted)
    assert error is None
    (seen,) = fake.board.seen
    assert base64.b64decode(seen.json["inputs"]) == wanted.image
    assert seen.json["parameters"] == {
        "num_inference_steps": 30,
        "guidance_scale": 7.5,
        "negative_prompt": "people",
        "prompt": "a red house in a green meadow",
    }
    (picture,) = (each for each in updates if isinstance(each, Picture))
    assert picture.seed is None


@pytest.mark.anyio
async def test_a_model_that_is_loading_is_waited_for_as_it_says() -> None:
    async with connected(FakeHuggingFace(cold=1)) as (provider, _):
        _, error = await ask(provider, order())
        assert isinstance(error, ProviderRateLimited)
        assert (error.retry_after, "currently loading" in error.detail) == (20.0, True)
        _, error = await ask(provider, order())
        assert error is None


@pytest.mark.anyio
async def test_a_black_picture_is_a_block_only_where_the_model_has_a_checker() -> None:
    async with connected() as (provider, fake):
        fake.board.from_now_on("output_blocked")
        _, error = await ask(provider, order("huggingface/sd-1.5"))
        assert isinstance(error, BlockedByProvider)
        _, error = await ask(provider, order(SDXL, width=256, height=256))
        assert error is None


@pytest.mark.anyio
async def test_a_hub_id_of_the_operator_and_an_endpoint_of_its_own() -> None:
    own = replace(MODELS[SDXL], model="huggingface/own", route="someone/fine-tuned")
    root = replace(MODELS[SDXL], model="huggingface/endpoint", route="/hf-inference/models/someone/fine-tuned")
    hub = {**HUB, "someone/fine-tuned": ("text-to-image", 1024)}
    async with connected(FakeHuggingFace(hub=hub), {own.model: own, root.model: root}) as (provider, fake):
        for model in (own, root):
            _, error = await ask(provider, replace(order(), model=model.model))
            assert error is None
        assert [path for _, path in fake.board.calls] == ["/models/someone/fine-tuned", root.route]
    async with connected(models={own.model: own}) as (provider, _):
        _, error = await ask(provider, replace(order(), model=own.model))
    assert isinstance(error, ModelUnavailable)


@pytest.mark.anyio
async def test_used_up_credits_are_told() -> None:
    async with connected() as (provider, fake):
        fake.board.next("out_of_credit")
        _, error = await ask(provider, order())
    assert isinstance(error, ProviderOutOfCredit)
    assert "monthly included credits" in error.detail


@pytest.mark.parametrize(
    "body",
    [
        PNG,
        json.dumps({"data": [{"b64_json": TEXT}]}).encode(),
        json.dumps({"images": [TEXT]}).encode(),
        json.dumps({"output": [f"data:image/png;base64,{TEXT}"]}).encode(),
        json.dumps({"output": TEXT}).encode(),
        json.dumps({"image": TEXT}).encode(),
        json.dumps([{"image": TEXT}]).encode(),
    ],
)
def test_a_picture_may_come_in_any_form(body: bytes) -> None:
    assert [found.data for found in HuggingFace().read(Reply(200, {}, body), MODELS[SDXL]).found] == [PNG]


def test_the_url_of_a_picture_is_taken_too() -> None:
    for body in (b'{"output": ["https://cdn.example/a.png"]}', b'{"data": [{"url": "https://cdn.example/a.png"}]}'):
        (found,) = HuggingFace().read(Reply(200, {}, body), MODELS[SDXL]).found
        assert found.url == "https://cdn.example/a.png"


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        (order(strength=0.5), "/strength"),
        (order("huggingface/sdxl-refiner", "image_to_image", strength=0.5), "/strength"),
        (order(steps=101), "/steps"),
        (order(cfg_scale=21.0), "/cfg_scale"),
        (order(seed=2**32), "/seed"),
    ],
)
def test_what_it_cannot_honour_is_named_before_it_is_sent(wanted: Order, pointer: str) -> None:
    assert unsupported(HuggingFace(), wanted) == [pointer]


def test_every_declared_model_is_in_the_fake_hub_with_its_task() -> None:
    tasks = {"text_to_image": "text-to-image", "image_to_image": "image-to-image"}
    declared = {model.route: tasks[next(iter(model.capabilities.operations))] for model in MODELS.values()}
    assert declared == {id: task for id, (task, _) in HUB.items()}
