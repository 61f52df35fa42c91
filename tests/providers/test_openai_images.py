"""OpenAI Images and the servers that speak it: each row of the table, what is sent to each, and the document."""

import io
import json
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from attached import attached, check_row, disagreements, drawn, operations_of, order_of, verdict_of
from PIL import Image
from published import document

from pictures import encoded
from platemark.core.model import Operation
from platemark.core.updates import Accepted, Answered, Order, Picture
from platemark.providers.catalogue import Declared
from platemark.providers.http import Reply
from platemark.providers.openai_images import SERVERS, TABLE, OpenAIImages
from platemark.providers.outcomes import Outcome, Row
from platemark.simulate.contract import ask, order_for
from platemark.simulate.openai_images import FakeOpenAIImages
from platemark.simulate.pictures import striped

pytestmark = pytest.mark.anyio
VENDORS = {"openai": OpenAIImages, **SERVERS}
MODELS: dict[str, Declared] = {id: model for make in VENDORS.values() for id, model in make().models.items()}
OWN = operations_of(OpenAIImages().models)
# One answer for each row of the table, in its order.
ROWS: list[tuple[int, bytes, Outcome]] = [
    (200, b'{"error": {"message": "It did not work"}}', "unusable"),
    (400, b'{"error": {"code": "moderation_blocked", "moderation_stage": "output"}}', "output_blocked"),
    (400, b'{"error": {"code": "content_policy_violation"}}', "prompt_blocked"),
    (400, b'{"error": {"message": "Rejected by our safety system", "code": null}}', "prompt_blocked"),
    (429, b'{"error": {"code": "insufficient_quota"}}', "out_of_credit"),
    (403, b'{"error": {"code": "model_not_found"}}', "not_found"),
    (400, b'{"detail": "Model mismatch: request specifies a, server is running b"}', "not_found"),
]


@pytest.mark.parametrize(("row", "answer"), list(zip(TABLE, ROWS, strict=True)))
def test_each_row_of_the_table(row: Row, answer: tuple[int, bytes, Outcome]) -> None:
    check_row(TABLE, row, *answer)


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (429, b'{"error": {"code": "rate_limit_exceeded"}}', "rate_limited"),
        (400, b'{"error": {"code": "invalid_value"}}', "bad_request"),
        (422, b'{"detail": [{"loc": ["body", "size"], "msg": "must be"}]}', "bad_request"),
        (503, b'{"detail": "Diffusion engine not initialized"}', "overloaded"),
    ],
)
def test_what_is_not_in_the_table_is_what_http_says(status: int, body: bytes, outcome: Outcome) -> None:
    assert verdict_of(TABLE, status, body).outcome == outcome


order = partial(order_of, MODELS)


async def sent(wanted: Order) -> tuple[str, dict[str, Any], dict[str, bytes]]:
    """Path, fields and files of the one request that an order comes to."""
    kind = wanted.model.partition("/")[0]
    seen, _ = await drawn(VENDORS[kind](), FakeOpenAIImages(kind), wanted)
    last = [each for each in seen if each.method == "POST"][-1]
    return last.path, dict(last.json or last.fields), dict(last.files)


PROMPT = "a red house in a green meadow"
OPTIONS = {"seed": 1234, "num_inference_steps": 30, "guidance_scale": 5.0}


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (
            "openai/gpt-image-1",
            {"prompt": PROMPT, "model": "gpt-image-1", "size": "1024x1024", "output_format": "png"},
        ),
        (
            "vllm-omni/served",
            {
                **{"prompt": PROMPT, "size": "1024x1024", "response_format": "b64_json"},
                **{**OPTIONS, "negative_prompt": "people"},
            },
        ),
        (
            "sglang/served",
            {
                **{"prompt": PROMPT, "size": "1024x1024", "response_format": "b64_json", "output_format": "png"},
                **{**OPTIONS, "negative_prompt": "people"},
            },
        ),
        (
            "localai/stablediffusion",
            {
                **{"prompt": f"{PROMPT}|people", "model": "stablediffusion", "size": "512x512"},
                **{"response_format": "b64_json", "seed": 1234, "step": 30},
            },
        ),
    ],
)
async def test_each_server_is_asked_in_its_own_words(model: str, fields: dict[str, Any]) -> None:
    path, said, files = await sent(order(model))
    assert (path, said, files) == ("/v1/images/generations", fields, {})


async def test_xinference_takes_options_as_text_and_a_star_in_the_size() -> None:
    _, said, _ = await sent(order("xinference/sdxl", width=1024, height=768))
    assert said["size"] == "1024*768"
    assert json.loads(said["kwargs"]) == {**OPTIONS, "negative_prompt": "people"}
    path, said, files = await sent(order("xinference/sdxl", "image_to_image", strength=0.3))
    assert (path, set(files)) == ("/v1/images/variations", {"image"})
    assert json.loads(said["kwargs"]) == {**OPTIONS, "strength": 0.3}
    assert said["negative_prompt"] == "people"
    _, said, _ = await sent(order("xinference/sdxl", "image_to_image"))
    assert json.loads(said["kwargs"])["strength"] == 0.75


async def test_a_bar_in_a_prompt_does_not_begin_what_is_to_be_avoided() -> None:
    wanted = replace(order("localai/stablediffusion"), prompt="red|blue", negative_prompt="a|b")
    _, said, _ = await sent(wanted)
    assert said["prompt"] == "red,blue|a,b"
    _, said, _ = await sent(replace(wanted, negative_prompt=None))
    assert said["prompt"] == "red,blue"


def mask() -> bytes:
    """White left, grey in the middle, black right."""
    return encoded(Image.fromarray(np.repeat([[255, 100, 0]], 256, 0).repeat([86, 85, 85], 1).astype(np.uint8)))


async def test_white_changes_and_for_openai_that_is_a_hole() -> None:
    wanted = replace(order("openai/gpt-image-1", "inpaint"), mask=mask())
    path, said, files = await sent(wanted)
    assert (path, said["size"], set(files)) == ("/v1/images/edits", "auto", {"image", "mask"})
    alpha = np.asarray(Image.open(io.BytesIO(files["mask"])).getchannel("A"))
    assert alpha.shape == (256, 256)
    assert [int(alpha[0, column]) for column in (0, 128, 255)] == [0, 155, 255]


@pytest.mark.parametrize(
    ("model", "name"), [("xinference/sd1.5", "mask_image"), ("localai/stablediffusion-inpaint", "mask")]
)
async def test_white_changes_and_elsewhere_it_stays_white(model: str, name: str) -> None:
    path, _, files = await sent(replace(order(model, "inpaint"), mask=mask()))
    assert (path, files[name]) == ("/v1/images/inpainting", mask())


async def test_sglang_is_always_told_the_seed_so_that_pictures_differ() -> None:
    fake = FakeOpenAIImages("sglang")
    seen, updates = await drawn(SERVERS["sglang"](), fake, replace(order("sglang/served", n=2), seeds=(5, 6)))
    assert [each.json["seed"] for each in seen] == [5, 6]
    assert len({each.data for each in updates if isinstance(each, Picture)}) == 2


async def test_a_source_of_any_size_is_edited_at_one_that_can_be_drawn() -> None:
    wanted = replace(order("sglang/served", "image_to_image", width=300, height=410), image=striped(300, 410, "x"))
    _, said, _ = await sent(wanted)
    assert said["size"] == "304x416"


async def test_without_seeds_all_pictures_come_of_one_call_and_none_is_made_up() -> None:
    seen, updates = await drawn(OpenAIImages(), FakeOpenAIImages(), order("openai/gpt-image-2", n=3))
    assert [each.json["n"] for each in seen] == [3]
    assert [each.seed for each in updates if isinstance(each, Picture)] == [None, None, None]


async def test_a_picture_that_is_missing_does_not_cost_the_others() -> None:
    async with attached(OpenAIImages(), FakeOpenAIImages()) as (provider, fake):
        fake.board.next("fewer_pictures")
        updates, error = await ask(provider, order("openai/gpt-image-2", n=3))
    assert error is None
    assert [each.index for each in updates if isinstance(each, Picture)] == [0, 1]
    (answer,) = (each for each in updates if isinstance(each, Answered))
    assert answer.response["outcome"] == "partial"


async def test_a_result_on_the_server_itself_is_fetched_as_a_call_of_ours() -> None:
    wanted = order("localai/stablediffusion-inpaint", "inpaint")
    fake = FakeOpenAIImages("localai")
    _, updates = await drawn(SERVERS["localai"](), fake, wanted)
    (ticket,) = (each.ticket for each in updates if isinstance(each, Accepted))
    assert ticket.startswith("/generated-images/")
    assert fake.board.calls == [("POST", "/v1/images/inpainting"), ("GET", ticket)]


async def test_a_withheld_picture_is_told_from_a_refused_prompt() -> None:
    async with attached(OpenAIImages(), FakeOpenAIImages()) as (provider, fake):
        for trouble in ("prompt_blocked", "output_blocked"):
            fake.board.next(trouble)
            updates, error = await ask(provider, order("openai/gpt-image-1"))
            assert error is not None
            assert [each.code for each in error.errors] == [trouble]
            (answer,) = (each for each in updates if isinstance(each, Answered))
            assert answer.request_id is not None


async def test_a_server_under_a_name_of_its_own_without_a_key() -> None:
    model = replace(MODELS["vllm-omni/served"], model="studio/qwen", route="Qwen/Qwen-Image")
    vendor = replace(SERVERS["vllm-omni"](), name="studio", models={model.model: model})
    async with attached(vendor, FakeOpenAIImages("vllm-omni"), keys=()) as (provider, fake):
        updates, error = await ask(provider, order_for(model.as_model(), "text_to_image"))
    assert error is None
    assert any(isinstance(each, Picture) for each in updates)
    assert (fake.board.seen[0].json["model"], "authorization" in fake.board.seen[0].headers) == (model.route, False)


def test_urls_and_data_uris_are_read_too() -> None:
    body = {"data": [{"url": "https://cdn.example/a.png"}, {"url": "data:image/png;base64,aGk="}, {}]}
    found = OpenAIImages().read(Reply(200, {}, json.dumps(body).encode()), MODELS["openai/gpt-image-1"]).found
    assert [(each.url, each.data) for each in found] == [
        ("https://cdn.example/a.png", None),
        (None, b"hi"),
        (None, None),
    ]


@pytest.mark.parametrize(("model", "operation"), OWN)
async def test_what_is_sent_and_answered_is_in_the_published_document(model: str, operation: Operation) -> None:
    spec = document("openai-images.json")
    spec["paths"] = {f"/v1{path}": item for path, item in spec["paths"].items()}
    assert await disagreements(OpenAIImages(), FakeOpenAIImages(), order(model, operation), spec) == []
