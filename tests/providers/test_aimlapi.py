"""aimlapi.com: each row of its table, what is sent, what it cost, and the published documents."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from attached import attached, check_row, disagreements, drawn, order_of, unsupported, verdict_of
from published import document

from platemark.core.updates import Answered, Charged, Order, Picture
from platemark.providers.aimlapi import MODELS, SPENT, TABLE, Aimlapi
from platemark.providers.http import Reply
from platemark.providers.outcomes import Outcome, Row
from platemark.simulate.aimlapi import FakeAimlapi
from platemark.simulate.contract import ask

pytestmark = pytest.mark.anyio
LARGE, MEDIUM = MODELS
# One answer for each row of the table, in its order.
ROWS: list[tuple[int, bytes, Outcome]] = [
    (200, b'{"message": "It did not work", "statusCode": 500}', "unusable"),
    (400, b'{"message": "Refused by moderation", "statusCode": "400"}', "prompt_blocked"),
    (403, b'{"message": "You have run out of credits", "statusCode": "403"}', "out_of_credit"),
]


@pytest.mark.parametrize(("row", "answer"), list(zip(TABLE, ROWS, strict=True)))
def test_each_row_of_the_table(row: Row, answer: tuple[int, bytes, Outcome]) -> None:
    check_row(TABLE, row, *answer)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(400, "bad_request"), (401, "auth"), (404, "not_found"), (429, "rate_limited"), (504, "timed_out")],
)
def test_what_is_not_in_the_table_is_what_http_says(status: int, outcome: Outcome) -> None:
    assert verdict_of(TABLE, status, b'{"message": "words"}').outcome == outcome


order = partial(order_of, MODELS)


async def test_each_model_is_sent_the_fields_of_its_page() -> None:
    (seen,), _ = await drawn(Aimlapi(), FakeAimlapi(), order(LARGE, width=1344, height=768, cfg_scale=5.0, steps=20))
    assert seen.json == {
        "model": "stable-diffusion-v35-large",
        "prompt": "a red house in a green meadow",
        "negative_prompt": "people",
        "image_size": {"width": 1344, "height": 768},
        "num_images": 1,
        "seed": 1234,
        "guidance_scale": 5.0,
        "num_inference_steps": 20,
        "output_format": "png",
    }
    (seen,), _ = await drawn(Aimlapi(), FakeAimlapi(), order(MEDIUM))
    assert "output_format" not in seen.json
    assert seen.json["prompt_expansion"] is False


async def test_our_id_goes_with_the_call_and_theirs_is_kept() -> None:
    wanted = replace(order(LARGE), idempotency_key="att/1 2")
    (seen,), updates = await drawn(Aimlapi(), FakeAimlapi(), wanted)
    assert seen.headers["x-client-request-id"] == "att_1_2.0"
    (answer,) = (each for each in updates if isinstance(each, Answered))
    assert answer.request_id is not None
    assert answer.request_id.startswith("inf-")


async def test_what_it_says_it_took_is_the_settled_cost() -> None:
    fake = FakeAimlapi()
    _, updates = await drawn(Aimlapi(), fake, replace(order(LARGE, n=2), seeds=(5, 6)))
    (charged,) = (each for each in updates if isinstance(each, Charged))
    assert (charged.cost.status, charged.cost.micro_usd) == ("settled", 120_000)
    assert len([each for each in updates if isinstance(each, Picture)]) == fake.board.submissions() == 2


@pytest.mark.parametrize(
    ("said", "micro"), [("0.0683", 68_300), ("0", 0), ("", None), ("free", None), ("-1", None), ("NaN", None)]
)
def test_only_a_number_is_a_cost(said: str, micro: int | None) -> None:
    cost = Aimlapi().read(Reply(200, {SPENT: said}, b'{"data": []}'), MODELS[LARGE]).cost
    assert (cost and cost.micro_usd) == micro


async def test_a_black_picture_is_a_withheld_one_and_was_paid() -> None:
    async with attached(Aimlapi(), FakeAimlapi()) as (provider, fake):
        fake.board.next("output_blocked")
        updates, error = await ask(provider, order(MEDIUM))
    assert error is not None
    assert error.code == "blocked_by_provider"
    (charged,) = (each for each in updates if isinstance(each, Charged))
    assert charged.cost.micro_usd == 60_000


def test_a_flagged_picture_is_a_withheld_one() -> None:
    body = b'{"data": [{"url": "https://cdn.example/a.png"}, {"b64_json": "aGk="}], "has_nsfw_concepts": [true, false]}'
    found = Aimlapi().read(Reply(200, {}, body), MODELS[LARGE]).found
    assert [(each.outcome, each.data) for each in found] == [("output_blocked", None), ("ok", b"hi")]


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [(order(LARGE, seed=0), "/seed"), (order(LARGE, cfg_scale=0.5), "/cfg_scale"), (order(LARGE, steps=60), "/steps")],
)
def test_what_it_cannot_honour_is_named_before_it_is_sent(wanted: Order, pointer: str) -> None:
    assert unsupported(Aimlapi(), wanted) == [pointer]


@pytest.mark.parametrize(("model", "name"), [(LARGE, "aimlapi-sd35-large.json"), (MEDIUM, "aimlapi-sd3-medium.json")])
async def test_what_is_sent_and_answered_is_in_the_published_document(model: str, name: str) -> None:
    wanted = order(model, width=512, height=768)
    assert await disagreements(Aimlapi(), FakeAimlapi(), wanted, _nullable(document(name))) == []


def _nullable(schema: Any) -> Any:
    """The old way to say that something may be null, in the way of JSON Schema."""
    if isinstance(schema, list):
        return [_nullable(each) for each in schema]  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(schema, dict):
        return schema
    plain: dict[str, Any] = {name: _nullable(value) for name, value in schema.items()}  # pyright: ignore[reportUnknownVariableType]
    return {**plain, "type": [plain["type"], "null"]} if plain.get("nullable") is True else plain
