"""The small parts by themselves: buckets, headers, pointers, ranges, addresses."""

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from platemark.core.errors import InvalidRequest, MalformedBody, NotAcceptable, RateLimited, Unauthenticated, all_errors
from platemark.core.request import GenerationRequest
from platemark.web import bodies, negotiation, problems, uploads, validation
from platemark.web.auth import secret_of
from platemark.web.ratelimit import RateLimits
from platemark.web.stopping import Stopping


@dataclass
class StillClock:
    """Time that stands until it is moved."""

    seconds: float = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def request_with(*headers: tuple[str, str]) -> Request:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    return Request({"type": "http", "method": "POST", "headers": raw, "query_string": b""})


def test_a_bucket_empties_and_fills_with_time() -> None:
    clock = StillClock()
    rates = RateLimits(clock, per_minute=60, burst=2)
    assert [rates.take("a")[1] for _ in range(2)] == [None, None]
    allowance, refused = rates.take("a")
    assert isinstance(refused, RateLimited)
    assert refused.retry_after == pytest.approx(1.0)
    assert allowance is not None
    assert (allowance.remaining, allowance.reset) == (0, 2)
    clock.seconds += 1
    assert rates.take("a")[1] is None
    assert rates.take("a")[1] is not None
    clock.seconds += 1_000
    assert [rates.take("a")[1] is None for _ in range(3)] == [True, True, False]


def test_no_limit_is_no_limit() -> None:
    rates = RateLimits(StillClock(), per_minute=0, burst=1)
    assert [rates.take("a") for _ in range(3)] == [(None, None)] * 3


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 5)), max_size=60))
def test_a_key_never_gets_more_than_its_rate(calls: list[tuple[str, float]]) -> None:
    clock = StillClock()
    rates = RateLimits(clock, per_minute=30, burst=3)
    granted = {"a": 0, "b": 0}
    for key, pause in calls:
        clock.seconds += pause
        granted[key] += rates.take(key)[1] is None
        assert granted[key] <= 3 + clock.seconds * 0.5 + 1e-6


def test_buckets_do_not_grow_without_end() -> None:
    rates = RateLimits(StillClock(), per_minute=60, burst=2)
    for number in range(10_050):
        rates.take(str(number))
    assert len(rates._buckets) == 10_000


@pytest.mark.parametrize(
    ("prefer", "seconds", "applied"),
    [
        ([], 50.0, None),
        (["wait=10"], 10.0, "wait=10"),
        (["wait=0"], 0.0, "wait=0"),
        (["wait=99999"], 600.0, "wait=600"),
        (['wait="5"'], 5.0, "wait=5"),
        (["respond-async"], 0.0, "respond-async"),
        (["respond-async, wait=10"], 10.0, "wait=10"),
        (["respond-async", "wait=10"], 10.0, "wait=10"),
        (["Respond-Async"], 0.0, "respond-async"),
        (["wait=soon", "return=minimal"], 50.0, None),
        (["wait=-1"], 50.0, None),
    ],
)
def test_preferences_are_read_as_their_standard_says(prefer: list[str], seconds: float, applied: str | None) -> None:
    found = negotiation.patience(request_with(*(("prefer", value) for value in prefer)), 50.0)
    assert (found.seconds, found.applied) == (seconds, applied)


@pytest.mark.parametrize(
    ("accept", "formats"),
    [
        ([], None),
        (["*/*"], None),
        (["application/json"], None),
        (["application/*"], None),
        (["image/png, application/json"], None),
        (["image/png, */*;q=0.1"], ("png", "jpeg", "webp")),
        (["image/*"], ("png", "jpeg", "webp")),
        (["image/webp"], ("webp",)),
        (["image/jpeg;q=0.5, image/webp"], ("webp", "jpeg")),
        (["image/*;q=0.5, image/png;q=0"], ("jpeg", "webp")),
        (["image/png", "application/problem+json"], ("png",)),
        (["IMAGE/PNG"], ("png",)),
        (["application/json;q=0.1, image/png;q=0.9"], ("png",)),
    ],
)
def test_accept_chooses_the_form(accept: list[str], formats: tuple[str, ...] | None) -> None:
    assert negotiation.image_formats(request_with(*(("accept", value) for value in accept))) == formats


@pytest.mark.parametrize("accept", ["text/html", "image/gif", "application/json;q=0", "video/*", "nonsense"])
def test_what_is_not_offered_is_refused(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        negotiation.image_formats(request_with(("accept", accept)))


@given(st.text(max_size=60))
def test_no_accept_header_breaks_the_reading(accept: str) -> None:
    try:
        negotiation.image_formats(request_with(("accept", accept)))
    except NotAcceptable:
        assert accept.strip()


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_malformed(body: bytes) -> None:
    with suppress(MalformedBody):
        assert isinstance(bodies.load_object(body), dict)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda v: st.lists(v) | st.dictionaries(st.text(), v),
)


@given(st.dictionaries(st.sampled_from(sorted(GenerationRequest.model_fields)) | st.text(), json_values, max_size=5))
def test_any_object_is_a_request_or_a_list_of_problems(body: dict[str, Any]) -> None:
    error = refusal(body)
    if error is not None:
        assert error.errors
        assert all(entry.pointer.startswith("/") or not entry.pointer for entry in error.errors)
        assert all("Input should" not in entry.message for entry in error.errors)
        assert json.loads(problems.dump(problems.problem(error, request_id="x")))["status"] == 422


def refusal(body: dict[str, Any]) -> InvalidRequest | None:
    try:
        bodies.checked(GenerationRequest, body)
    except InvalidRequest as error:
        return error
    return None


def test_pointers_are_escaped_and_short() -> None:
    assert validation.pointer(("a/b", "c~d", 0, "[key]")) == "/a~1b/c~0d/0"
    assert len(validation.pointer(("x" * 5_000,))) < 200


def test_pydantic_words_that_are_not_translated_are_none_that_requests_can_meet() -> None:
    numbers: dict[str, object] = {"prompt": 1, "width": "x", "cfg_scale": [], "tags": 1}
    body = {**numbers, "controls": 1, "watermark": "x", "lane": 1, "loras": [1], "more": 1, "steps": 0, "n": 65}
    with pytest.raises(ValidationError) as caught:
        GenerationRequest.model_validate(body)
    assert not {entry["type"] for entry in caught.value.errors()} - validation._WORDS.keys()


def test_every_field_that_is_not_text_is_read_as_json_in_forms() -> None:
    schema = GenerationRequest.model_json_schema()["properties"]
    texts = {
        name
        for name, field in schema.items()
        if "string" in {option.get("type") for option in field.get("anyOf", [field])} or "enum" in field
    }
    assert schema.keys() - texts == uploads.NOT_TEXT


@pytest.mark.parametrize("value", ["Bearer", "Bearer  ", "Token x", "x", "Bearer " + "x" * 257])
def test_what_is_no_bearer_header_is_said_not_guessed(value: str) -> None:
    with pytest.raises(Unauthenticated):
        secret_of({"authorization": value})


def test_every_error_becomes_a_document_with_its_status() -> None:
    for kind in all_errors():
        response = problems.answer(kind("It happened."), request_id="req_1")
        assert response.status_code == kind.status
        assert response.headers["content-type"] == "application/problem+json"
        assert ("retry-after" in response.headers) == (kind.status in (429, 503))


async def test_a_pause_is_cut_short_by_a_stop_and_only_by_it() -> None:
    stopping = Stopping()
    order: list[str] = []

    async def pause() -> None:
        await stopping.cut_short(anyio.sleep(60))
        order.append("cut")

    with anyio.fail_after(20):
        await stopping.cut_short(anyio.lowlevel.checkpoint())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pause)
            await anyio.sleep(0.01)
            order.append("asked")
            stopping.ask()
        await stopping.cut_short(anyio.sleep(60))
    assert order == ["asked", "cut"]


async def test_errors_pass_through_a_pause_as_they_are() -> None:
    async def fail() -> None:
        raise RateLimited("Slow.")

    with pytest.raises(RateLimited):
        await Stopping().cut_short(fail())
