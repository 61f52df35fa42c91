"""Hotpot.ai: each row of its table, what is sent, and the forms in which its pictures may come."""

import base64
import json
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any

import pytest
from attached import attached, check_row, never, order_of, unsupported, verdict_of

from platemark.core.errors import BlockedByProvider, ProviderError, ProviderOutOfCredit
from platemark.core.updates import Answered, Charged, Order, Picture
from platemark.providers.catalogue import Declared
from platemark.providers.hotpot import MODELS, TABLE, Hotpot
from platemark.providers.http import Reply
from platemark.providers.outcomes import Outcome, Row
from platemark.providers.remote import Remote
from platemark.simulate.contract import KEY, ask
from platemark.simulate.hotpot import FakeHotpot
from platemark.simulate.pictures import striped

PNG = striped(64, 64, "x")
TEXT = base64.b64encode(PNG).decode()
NORMAL = MODELS["hotpot/stable-diffusion"]
# One answer for each row of the table, in its order.
ROWS: list[tuple[int, Mapping[str, str], bytes, Outcome]] = [
    (200, {}, b'{"code": 400, "message": "The text is inappropriate."}', "prompt_blocked"),
    (200, {}, b'{"code": 500, "message": "Internal server error"}', "unusable"),
    (200, {}, b'{"error": "something went wrong"}', "unusable"),
    (400, {}, b"This text violates our content policy.", "prompt_blocked"),
    (429, {"x-api-credits-left": "0"}, b"Rate limit or service quota exceeded.", "out_of_credit"),
    (429, {"x-api-credits-left": "5"}, b'{"code": 429, "message": "Service quota exceeded"}', "out_of_credit"),
    (429, {"x-api-credits-left": "5"}, b"Rate limit or service quota exceeded.", "rate_limited"),
]


@pytest.mark.parametrize(("row", "answer"), list(zip(TABLE, ROWS, strict=True)))
def test_each_row_of_the_table(row: Row, answer: tuple[int, Mapping[str, str], bytes, Outcome]) -> None:
    status, headers, body, outcome = answer
    check_row(TABLE, row, status, body, outcome, headers)


@pytest.mark.parametrize(
    ("status", "outcome"), [(400, "bad_request"), (401, "auth"), (403, "auth"), (404, "not_found"), (500, "overloaded")]
)
def test_what_is_not_in_the_table_is_what_http_says(status: int, outcome: Outcome) -> None:
    for body in (b'{"code": 1, "message": "no"}', b"no", b"<html></html>"):
        assert verdict_of(TABLE, status, body).outcome == outcome


def connected(
    fake: FakeHotpot | None = None, models: Mapping[str, Declared] = MODELS
) -> AbstractAsyncContextManager[tuple[Remote, FakeHotpot]]:
    return attached(Hotpot(models=models), fake or FakeHotpot(), fetch=never)


def order(model: str = "hotpot/stable-diffusion", **parameters: Any) -> Order:
    return order_of(MODELS, model, **parameters)


@pytest.mark.anyio
async def test_the_key_goes_alone_and_only_known_fields_go_with_it() -> None:
    async with connected() as (provider, fake):
        updates, error = await ask(provider, order(cfg_scale=9.5))
    assert error is None
    (seen,) = fake.board.seen
    assert (seen.path, seen.headers["authorization"]) == ("/stable-diffusion-normal", KEY)
    assert seen.headers["content-type"].startswith("multipart/form-data")
    assert seen.fields == {"inputText": "a red house in a green meadow", "guidanceScale": "9.5"}
    (picture,) = (each for each in updates if isinstance(each, Picture))
    assert (picture.media_type, picture.seed) == ("image/jpeg", None)
    (answer,) = (each for each in updates if isinstance(each, Answered))
    assert answer.response["sent"] == {"path": "/stable-diffusion-normal", "guidanceScale": "9.5"}
    assert answer.response["headers"]["x-api-credits-left"] == "999"
    (charged,) = (each for each in updates if isinstance(each, Charged))
    assert charged.cost.status == "unknown"


@pytest.mark.anyio
async def test_the_facts_of_a_model_go_with_every_request() -> None:
    styled = replace(MODELS["hotpot/art"], model="hotpot/anime", facts={"styleId": "61"})
    async with connected(models={styled.model: styled}) as (provider, fake):
        _, error = await ask(provider, replace(order("hotpot/art"), model="hotpot/anime"))
    assert error is None
    (seen,) = fake.board.seen
    assert (seen.path, seen.fields) == ("/make-art", {"inputText": order().prompt, "styleId": "61"})


@pytest.mark.anyio
async def test_no_credit_and_a_block_are_told_apart() -> None:
    async with connected(FakeHotpot(credits=0)) as (provider, _):
        _, error = await ask(provider, order())
    assert isinstance(error, ProviderOutOfCredit)
    assert "no credit left" in error.detail
    async with connected() as (provider, fake):
        fake.board.next("prompt_blocked")
        _, error = await ask(provider, order())
    assert isinstance(error, BlockedByProvider)


@pytest.mark.parametrize(
    "body",
    [
        PNG,
        TEXT.encode(),
        f"data:image/png;base64,{TEXT}".encode(),
        json.dumps(TEXT).encode(),
        json.dumps({"image": TEXT}).encode(),
        json.dumps({"images": [TEXT]}).encode(),
        json.dumps([{"base64": TEXT}]).encode(),
    ],
)
def test_a_picture_may_come_in_any_form(body: bytes) -> None:
    assert [found.data for found in Hotpot().read(Reply(200, {}, body), NORMAL).found] == [PNG]


def test_the_url_of_a_picture_is_taken_too() -> None:
    for body in (b'"https://media.example/a.png"', b'{"resultUrl": "https://media.example/a.png"}'):
        (found,) = Hotpot().read(Reply(200, {}, body), NORMAL).found
        assert (found.data, found.url) == (None, "https://media.example/a.png")


@pytest.mark.anyio
async def test_a_page_in_place_of_a_picture_is_unusable() -> None:
    async with connected() as (provider, fake):
        fake.board.next("wrong_type")
        _, error = await ask(provider, order())
    assert isinstance(error, ProviderError)


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        (order(width=1024, height=512), "/width"),
        (order(cfg_scale=25.0), "/cfg_scale"),
        (order(strength=0.5), "/strength"),
        (replace(order(), prompt="x" * 2_001), "/prompt"),
    ],
)
def test_what_it_cannot_honour_is_named_before_it_is_sent(wanted: Order, pointer: str) -> None:
    assert unsupported(Hotpot(), wanted) == [pointer]
