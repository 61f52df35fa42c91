"""ModelsLab: each row of its table, what is sent for each operation, base64 in each form, the published documents."""

import json
from dataclasses import replace
from typing import Any

import pytest
from attached import attached, check_row, disagreements, drawn, operations_of, order_of, unsupported, verdict_of
from published import document
from starlette.requests import Request

from platemark.core.errors import OutcomeUnknown
from platemark.core.generation import ControlUse, LoraUse
from platemark.core.model import Operation
from platemark.core.updates import Accepted, Answered, Charged, Order, Picture
from platemark.providers.http import Reply, decode_payload
from platemark.providers.modelslab import MODELS, TABLE, ModelsLab
from platemark.providers.outcomes import Outcome, Row
from platemark.simulate.contract import KEY, ask
from platemark.simulate.modelslab import FETCH, FakeModelsLab

pytestmark = pytest.mark.anyio
SDXL, CONTROLNET = "modelslab/sdxl", "modelslab/controlnet"
ALL = operations_of(MODELS)
# As the old routes spell it.
OLD = "message".replace("a", "e")


def failed(words: Any, name: str = "message", status: str = "error") -> bytes:
    return json.dumps({"status": status, name: words}).encode()


# One answer for each row of the table, in its order.
ROWS: list[tuple[int, bytes, Outcome]] = [
    (200, b'{"status": "success", "output": ["https://x"], "nsfw_content_detected": true}', "output_blocked"),
    (200, b'{"status": "processing", "id": 7, "eta": 2.5}', "pending"),
    (200, failed("Rate limit exceeded. Maximum 5 queued requests allowed."), "rate_limited"),
    (200, failed("NSFW prompt detected", OLD), "prompt_blocked"),
    (200, failed("Invalid API key"), "auth"),
    (200, failed("You ran out of credits"), "out_of_credit"),
    (200, failed("Model not found"), "not_found"),
    (200, failed("Try Again", OLD), "overloaded"),
    (200, failed({"prompt": ["The prompt field is required."]}), "bad_request"),
    (200, failed("Something else", status="failed"), "unusable"),
    (400, failed("The prompt was refused by moderation"), "prompt_blocked"),
]


@pytest.mark.parametrize(("row", "answer"), list(zip(TABLE, ROWS, strict=True)))
def test_each_row_of_the_table(row: Row, answer: tuple[int, bytes, Outcome]) -> None:
    check_row(TABLE, row, *answer)


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, b'{"status": "success", "output": ["https://x"], "nsfw_content_detected": false}', "ok"),
        # Words of a success say nothing about it.
        (200, b'{"status": "success", "output": ["https://x"], "tip": "Upgrade your plan, buy credits"}', "ok"),
        (401, failed("Invalid API key"), "auth"),
        (402, failed("No credits"), "out_of_credit"),
        (403, failed("Not in your plan"), "auth"),
        (503, failed("Service unavailable"), "overloaded"),
    ],
)
def test_what_is_not_in_the_table_is_what_http_says(status: int, body: bytes, outcome: Outcome) -> None:
    assert verdict_of(TABLE, status, body).outcome == outcome


@pytest.mark.parametrize("status", [200, 429])
def test_the_time_to_wait_lies_in_the_body(status: int) -> None:
    body = b'{"status": "error", "message": "Rate limit exceeded.", "retry_after": 30}'
    verdict = verdict_of(TABLE, status, body)
    assert (verdict.outcome, verdict.retry_after) == ("rate_limited", 30.0)


def order(model: str, operation: Operation = "text_to_image", **parameters: Any) -> Order:
    return order_of(MODELS, model, operation, control="canny" if model == CONTROLNET else None, **parameters)


async def sent(wanted: Order) -> tuple[str, dict[str, Any]]:
    seen, _ = await drawn(ModelsLab(), FakeModelsLab(), wanted)
    (first,) = (each for each in seen if each.path != FETCH)
    return first.path, first.json


async def test_text_to_image_with_a_scheduler_and_loras() -> None:
    loras = (LoraUse(id="contrast-fix", scale=0.5), LoraUse(id="yae-miko-genshin"))
    path, body = await sent(order(SDXL, loras=loras, scheduler="dpmpp_2m_karras", clip_skip=2, width=768))
    assert path == "/api/v6/images/text2img"
    assert body == {
        "key": KEY,
        "model_id": "sdxl",
        "prompt": "a red house in a green meadow",
        "negative_prompt": "people",
        "width": 768,
        "height": 512,
        "samples": 1,
        "seed": 1234,
        "num_inference_steps": 20,
        "guidance_scale": 7.5,
        "scheduler": "DPMSolverMultistepScheduler",
        "use_karras_sigmas": True,
        "clip_skip": 2,
        "lora_model": "contrast-fix,yae-miko-genshin",
        "lora_strength": "0.5,1",
        "enhance_prompt": False,
        "track_id": "att_contract.0",
    }


async def test_sources_travel_as_base64_with_our_strength_and_our_mask() -> None:
    wanted = order(SDXL, "inpaint", strength=0.3)
    path, body = await sent(wanted)
    assert (path, body["strength"], body["base64"]) == ("/api/v6/images/inpaint", 0.3, True)
    assert decode_payload(body["init_image"]) == wanted.image
    assert decode_payload(body["mask_image"]) == wanted.mask
    path, body = await sent(order(SDXL, "image_to_image"))
    assert (path, body["strength"], "mask_image" in body) == ("/api/v6/images/img2img", 0.7, False)


async def test_a_control_goes_to_v5_which_takes_words_for_truth_values() -> None:
    ready = (ControlUse(type="openpose", strength=1.5, preprocess=False),)
    wanted = order(CONTROLNET, controls=ready)
    path, body = await sent(wanted)
    assert path == "/api/v5/controlnet"
    assert (body["controlnet_model"], body["controlnet_type"]) == ("openpose", "openpose")
    assert (body["controlnet_conditioning_scale"], body["num_inference_steps"]) == (1.5, 31)
    assert (body["auto_hint"], body["base64"], body["enhance_prompt"]) == ("no", "yes", "no")
    assert decode_payload(body["control_image"]) == wanted.guides[0]
    assert "track_id" not in body


@pytest.mark.parametrize("behind_urls", [False, True])
async def test_base64_is_read_in_the_answer_and_behind_a_url(behind_urls: bool) -> None:
    fake = FakeModelsLab(behind_urls=behind_urls)
    _, updates = await drawn(ModelsLab(), fake, order(SDXL, "image_to_image"))
    (picture,) = (each for each in updates if isinstance(each, Picture))
    assert (picture.media_type, picture.seed) == ("image/png", 1234)


async def test_work_that_goes_on_is_asked_after_by_its_id() -> None:
    fake = FakeModelsLab(polls=3)
    _, updates = await drawn(ModelsLab(), fake, order(CONTROLNET))
    (ticket,) = (each.ticket for each in updates if isinstance(each, Accepted))
    assert ticket in fake.working
    assert [path for _, path in fake.board.calls].count(FETCH) == 4
    assert fake.board.submissions() == 1


async def test_neither_the_key_nor_a_picture_is_kept() -> None:
    _, updates = await drawn(ModelsLab(), FakeModelsLab(), order(SDXL, "image_to_image"))
    (answer,) = (each for each in updates if isinstance(each, Answered))
    assert KEY not in str(answer)
    assert answer.response["sent"].keys().isdisjoint({"key", "init_image", "prompt", "negative_prompt"})
    assert answer.response["body"]["output"][0].keys() == {"sha256", "bytes", "media_type"}


class Vague(FakeModelsLab):
    def _processing(self, request: Request, answer: dict[str, Any]) -> dict[str, Any]:
        return {"status": "processing", "eta": 5}


async def test_taken_without_an_id_nobody_knows_what_became_of_it() -> None:
    async with attached(ModelsLab(), Vague()) as (provider, fake):
        updates, error = await ask(provider, order(SDXL, "image_to_image"))
    assert isinstance(error, OutcomeUnknown)
    (charged,) = (each for each in updates if isinstance(each, Charged))
    assert (charged.cost.status, fake.board.submissions()) == ("unknown", 1)


def test_the_seed_that_it_drew_with_is_read() -> None:
    body = {"status": "success", "output": [], "proxy_links": ["https://cdn.example/a.png"], "meta": {"seed": "77"}}
    found = ModelsLab().read(Reply(200, {}, json.dumps(body).encode()), MODELS[SDXL]).found
    assert [(each.url, each.seed) for each in found] == [("https://cdn.example/a.png", 77)]


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        (order(SDXL, steps=30), "/steps"),
        (order(CONTROLNET, steps=25), "/steps"),
        (order(SDXL, cfg_scale=0.5), "/cfg_scale"),
        (order(SDXL, loras=(LoraUse(id="a", scale=1.5),)), "/loras/0/scale"),
        (order(SDXL, loras=(LoraUse(id="a,b"),)), "/loras/0/id"),
        (replace(order(CONTROLNET, controls=()), guides=()), "/controls"),
    ],
)
def test_what_it_cannot_honour_is_named_before_it_is_sent(wanted: Order, pointer: str) -> None:
    assert unsupported(ModelsLab(), wanted) == [pointer]


@pytest.mark.parametrize("words", ["error", "failed"])
async def test_a_later_refusal_is_a_refusal(words: str) -> None:
    body = {"status": words, "message": "NSFW content"}
    assert verdict_of(TABLE, 200, body).outcome == "prompt_blocked"


@pytest.mark.parametrize(("model", "operation"), ALL)
async def test_what_is_sent_and_answered_is_in_the_published_documents(model: str, operation: Operation) -> None:
    spec = document("modelslab-community.json")
    paths = {f"/api/v6/images{path}": item for path, item in spec["paths"].items()}
    control = document("modelslab-controlnet.json")
    paths |= {f"/api/v5{path}": item for path, item in control["paths"].items()}
    schemas = {**spec["components"]["schemas"], **control["components"]["schemas"]}
    both = {"paths": paths, "components": {**spec["components"], "schemas": schemas}}
    assert await disagreements(ModelsLab(), FakeModelsLab(), order(model, operation, scheduler="euler"), both) == []


async def test_without_a_key_that_is_let_in_the_next_is_tried() -> None:
    async with attached(ModelsLab(), FakeModelsLab(), keys=("sk-old", KEY)) as (provider, fake):
        _, error = await ask(provider, order(SDXL))
    assert error is None
    assert [each.json["key"] for each in fake.board.seen] == ["sk-old", KEY]
