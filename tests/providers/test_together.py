"""Together AI: each row of its table, what is sent for each operation, and the published document."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from typing import Any

import httpx2
import pytest
from attached import attached, check_row, drawn, operations_of, order_of, unsupported, verdict_of
from published import document, problems, problems_of_answer

from platemark.core.errors import BlockedByProvider, ProviderRejected
from platemark.core.generation import LoraUse
from platemark.core.model import Operation
from platemark.core.updates import Answered, Charged, Order, Picture
from platemark.providers.http import Reply
from platemark.providers.outcomes import Outcome, Row
from platemark.providers.remote import Remote
from platemark.providers.together import MODELS, PATH, TABLE, Together
from platemark.providers.vendor import Vendor
from platemark.simulate.contract import KEY, ask
from platemark.simulate.pictures import striped
from platemark.simulate.server import serve
from platemark.simulate.together import FakeTogether

PNG = striped(64, 64, "x")
ALL = operations_of(MODELS)


def said(message: str, kind: str = "invalid_request_error", code: str = "null") -> bytes:
    return f'{{"error": {{"message": "{message}", "type": "{kind}", "param": null, "code": {code}}}}}'.encode()


# One answer for each row of the table, in its order.
ROWS: list[tuple[int, bytes, Outcome]] = [
    (200, said("later", "server_error"), "overloaded"),
    (200, said("no", "some_error"), "unusable"),
    (422, said("The generated image may contain NSFW content."), "output_blocked"),
    (422, said("The prompt may contain NSFW content."), "prompt_blocked"),
    (400, said("Not possible.", code='"content_policy_violation"'), "prompt_blocked"),
    (400, said("Unable to access it.", code='"model_not_available"'), "not_found"),
    (403, said("The prompt is too long for the context."), "bad_request"),
]


@pytest.mark.parametrize(("row", "answer"), list(zip(TABLE, ROWS, strict=True)))
def test_each_row_of_the_table(row: Row, answer: tuple[int, bytes, Outcome]) -> None:
    check_row(TABLE, row, *answer)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, "bad_request"),
        (401, "auth"),
        (402, "out_of_credit"),
        (403, "auth"),
        (404, "not_found"),
        (429, "rate_limited"),
    ],
)
def test_what_is_not_in_the_table_is_what_http_says(status: int, outcome: Outcome) -> None:
    assert verdict_of(TABLE, status, said("No.")).outcome == outcome


def connected(vendor: Vendor | None = None) -> AbstractAsyncContextManager[tuple[Remote, FakeTogether]]:
    return attached(vendor or Together(), FakeTogether())


order = partial(order_of, MODELS)


async def sent(wanted: Order, vendor: Vendor | None = None) -> dict[str, Any]:
    (seen,), _ = await drawn(vendor or Together(), FakeTogether(), wanted)
    return seen.json


async def test_a_text_with_everything_that_stable_diffusion_takes() -> None:
    assert await sent(order("together/sdxl-1.0", width=768, steps=30, cfg_scale=6.5)) == {
        "model": "stabilityai/stable-diffusion-xl-base-1.0",
        "prompt": "a red house in a green meadow",
        "negative_prompt": "people",
        "seed": 1234,
        "n": 1,
        "width": 768,
        "height": 1024,
        "steps": 30,
        "guidance_scale": 6.5,
        "response_format": "base64",
        "output_format": "png",
    }


async def test_a_distilled_model_is_sent_no_guidance_and_a_closed_one_no_steps() -> None:
    fast = await sent(order("together/flux.1-schnell"))
    assert ("guidance_scale" in fast, fast["steps"]) == (False, 4)
    assert not {"guidance_scale", "steps", "negative_prompt"} & set(await sent(order("together/flux.1.1-pro")))


async def test_loras_go_by_their_urls() -> None:
    loras = (LoraUse(id="https://hub.example/a/tarot", scale=0.8), LoraUse(id="https://hub.example/b/ink"))
    body = await sent(order("together/flux.1-dev-lora", loras=loras))
    assert body["image_loras"] == [
        {"path": "https://hub.example/a/tarot", "scale": 0.8},
        {"path": "https://hub.example/b/ink", "scale": 1.0},
    ]


async def test_a_source_is_a_data_uri_at_a_size_that_the_model_draws() -> None:
    body = await sent(order("together/flux.1-kontext-dev", "image_to_image", width=1000, height=750))
    assert body["image_url"].startswith("data:image/png;base64,")
    assert (body["width"], body["height"]) == (992, 752)


async def test_an_operators_model_may_take_references() -> None:
    like = replace(MODELS["together/flux.1-kontext-dev"], route="Qwen/Qwen-Image", facts={"source": "reference_images"})
    body = await sent(order(like.model, "image_to_image"), Together(models={like.model: like}))
    assert body["model"] == "Qwen/Qwen-Image"
    assert [uri.partition(",")[0] for uri in body["reference_images"]] == ["data:image/png;base64"]


async def test_what_is_kept_has_no_prompt_and_no_source() -> None:
    async with connected() as (provider, _):
        updates, _ = await ask(provider, order("together/flux.1-kontext-pro", "image_to_image"))
    (answer,) = (each for each in updates if isinstance(each, Answered))
    assert set(answer.response["sent"]) == {"model", "seed", "n", "width", "height", "response_format", "output_format"}
    assert answer.response["body"]["data"][0]["b64_json"].keys() == {"sha256", "bytes", "media_type"}
    assert answer.request_id is not None


@pytest.mark.parametrize("kind", ["base64", "b64_json"])
def test_base64_is_read_by_both_of_its_names(kind: str) -> None:
    body = f'{{"data": [{{"{kind}": "{PNG.hex()}"}}]}}'.encode()
    reading = Together().read(Reply(200, {}, body), MODELS["together/flux.1-dev"])
    assert [found.data for found in reading.found] == [PNG]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"data": {}}', b'{"data": [null, {"url": 7}]}'])
def test_what_is_no_picture_is_none(body: bytes) -> None:
    reading = Together().read(Reply(200, {}, body), MODELS["together/flux.1-dev"])
    assert [found for found in reading.found if found.data or found.url] == []


async def test_a_url_is_taken_where_base64_was_asked_for() -> None:
    class Urls(Together):
        def ask(self, order: Order, model: Any) -> Any:
            made = super().ask(order, model)
            return [
                replace(each, call=replace(each.call, json={**each.call.json, "response_format": "url"}))
                for each in made
            ]

    async with connected(Urls()) as (provider, fake):
        updates, error = await ask(provider, order("together/flux.1-dev"))
    assert error is None
    assert [each.seed for each in updates if isinstance(each, Picture)] == [1234]
    assert [path.rpartition("/")[0] for method, path in fake.board.calls if method == "GET"] == ["/delivery"]


async def test_a_price_is_told_only_where_one_is_known() -> None:
    costs = dict[str, Any]()
    async with connected() as (provider, _):
        for model in ("together/flux.1-dev-lora", "together/flux.1-dev"):
            updates, _ = await ask(provider, order(model, width=1024, height=1024))
            costs[model] = next(each.cost for each in updates if isinstance(each, Charged))
    assert costs["together/flux.1-dev-lora"].micro_usd == 36_701
    assert (costs["together/flux.1-dev"].status, costs["together/flux.1-dev"].micro_usd) == ("unknown", None)


@pytest.mark.parametrize(
    ("trouble", "kind", "words"),
    [
        ("prompt_blocked", BlockedByProvider, "The prompt may contain NSFW content."),
        ("output_blocked", BlockedByProvider, "The generated image may contain NSFW content."),
        ("bad_request", ProviderRejected, "Some field is not valid."),
    ],
)
async def test_the_vendors_words_are_told(trouble: str, kind: type[Exception], words: str) -> None:
    async with connected() as (provider, fake):
        fake.board.next(trouble)
        _, error = await ask(provider, order("together/flux.1-dev"))
    assert type(error) is kind
    assert error is not None
    assert [each.message for each in error.errors] == [words]


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        (order("together/flux.1-schnell", steps=20), "/steps"),
        (order("together/flux.1-dev-lora", steps=40), "/steps"),
        (order("together/flux.1-dev", cfg_scale=0.5), "/cfg_scale"),
        (order("together/flux.1-kontext-max", "image_to_image", strength=0.5), "/strength"),
    ],
)
def test_what_it_cannot_honour_is_named_before_it_is_sent(wanted: Order, pointer: str) -> None:
    assert unsupported(Together(), wanted) == [pointer]


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    spec = document("together.yaml")
    # Its paths lie below the version that ours have in them.
    return {**spec, "paths": {f"/v1{path}": item for path, item in spec["paths"].items() if path.startswith("/images")}}


@pytest.mark.parametrize(("model", "operation"), ALL)
async def test_what_is_sent_is_in_the_published_document(
    published: dict[str, Any], model: str, operation: Operation
) -> None:
    async with connected() as (provider, fake):
        _, error = await ask(provider, order(model, operation))
    assert error is None
    assert [problem for seen in fake.board.seen for problem in problems(published, seen)] == []


@pytest.mark.parametrize("response_format", ["base64", "url"])
async def test_what_the_fake_answers_is_in_the_published_document(
    published: dict[str, Any], response_format: str
) -> None:
    body: Mapping[str, Any] = {
        "model": "black-forest-labs/FLUX.1-schnell",
        "prompt": "a house",
        "n": 2,
        "width": 64,
        "height": 64,
        "response_format": response_format,
    }
    async with serve(FakeTogether()) as url, httpx2.AsyncClient(base_url=url) as client:
        answer = await client.post(PATH, json=body, headers={"authorization": f"Bearer {KEY}"})
    assert list(problems_of_answer(published, "POST", PATH, answer.status_code, answer.json())) == []
    assert len(answer.json()["data"]) == 2
