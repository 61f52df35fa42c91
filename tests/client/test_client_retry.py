"""The retry table, in both directions: what is sent again, and what never is."""

from typing import Any

import httpx2
import pytest
from wires import KEY, URL, Script, Time, client, generation, ok, problem

from platemark.client import Retry, Unreachable
from platemark.client.retry import floor
from platemark.client.wire import Call, perform
from platemark.core.errors import (
    ModelUnavailable,
    PlatemarkError,
    ProviderUnavailable,
    RateLimited,
    ShuttingDown,
    Unavailable,
)

NOT_SENT = [httpx2.ConnectError("refused"), httpx2.ConnectTimeout("slow"), httpx2.PoolTimeout("busy")]
LOST = [
    httpx2.ReadError("reset"),
    httpx2.ReadTimeout("silence"),
    httpx2.WriteError("reset"),
    httpx2.RemoteProtocolError("cut off"),
]
AT_THE_DOOR = [problem("rate_limited", 429), problem("shutting_down", 503), httpx2.Response(429)]
PERHAPS_DONE = [
    problem("database_unavailable", 503, retryable=True),
    problem("provider_unavailable", 502, retryable=True),
    httpx2.Response(502),
    httpx2.Response(503, text="<html>"),
    httpx2.Response(504),
    httpx2.Response(408),
]
NEVER = [
    problem("invalid_request", 422),
    problem("unauthenticated", 401),
    problem("not_found", 404),
    problem("idempotency_key_reused", 409),
    problem("budget_exceeded", 402),
    problem("blocked_by_app_policy", 403, generation="gen_1"),
    problem("model_unavailable", 503, retryable=False),
    problem("internal_error", 500, retryable=False),
    # The end of a generation: asking again under the same key gives the same answer.
    problem("provider_unavailable", 502, retryable=True, generation="gen_1"),
    problem("provider_timed_out", 504, retryable=True, generation="gen_1"),
    httpx2.Response(500),
    httpx2.Response(404),
]


def name(value: Any) -> str | None:
    if isinstance(value, httpx2.Response):
        code = value.json()["code"] if "json" in value.headers.get("content-type", "") else "bare"
        return f"{value.status_code}-{code}"
    return type(value).__name__ if isinstance(value, Exception) else None


def times_sent(first: Any, *, repeatable: bool) -> int:
    """How often a call goes out when the first answer is `first` and the second a success."""
    script = Script([first, ok({})])
    link = client(script)._link
    try:
        link.run(perform(link.server, Call("POST", "/v1/anything", json={}, repeatable=repeatable)))
    except PlatemarkError:
        assert len(script.seen) == 1
    return len(script.seen)


@pytest.mark.parametrize("answer", [*NOT_SENT, *AT_THE_DOOR], ids=name)
@pytest.mark.parametrize("repeatable", [True, False])
def test_what_cannot_have_started_is_sent_again(answer: Any, repeatable: bool) -> None:
    assert times_sent(answer, repeatable=repeatable) == 2


@pytest.mark.parametrize("answer", [*LOST, *PERHAPS_DONE], ids=name)
def test_what_may_have_happened_is_sent_again_only_where_that_does_nothing_more(answer: Any) -> None:
    assert times_sent(answer, repeatable=True) == 2
    assert times_sent(answer, repeatable=False) == 1


@pytest.mark.parametrize("answer", NEVER, ids=name)
def test_what_will_not_change_is_never_sent_again(answer: Any) -> None:
    assert times_sent(answer, repeatable=True) == 1


def test_p2_every_try_of_a_generation_carries_the_same_key() -> None:
    script = Script([httpx2.ReadError("reset"), httpx2.Response(502), ok(generation())])
    client(script).generate("a red house")
    keys = [request.headers["idempotency-key"] for request in script.seen]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert len(keys[0]) == 32


def test_p2_a_held_call_that_was_cut_off_is_asked_again_without_being_held() -> None:
    script = Script([httpx2.Response(504), ok(generation("running"), 202), ok(generation())])
    assert client(script).generate("a red house").status == "succeeded"
    held, again = script.seen[:2]
    assert (held.headers["prefer"], again.headers["prefer"]) == ("wait=50", "respond-async")
    assert held.headers["idempotency-key"] == again.headers["idempotency-key"]
    assert held.content == again.content


def test_patience_begins_with_the_first_failure() -> None:
    time = Time()

    def cut_off_late(request: httpx2.Request) -> httpx2.Response:
        time.seconds += 65
        raise httpx2.ReadTimeout("silence", request=request)

    script = Script([cut_off_late, ok(generation())])
    assert client(script, time).generate("a red house").status == "succeeded"


def test_p2_two_calls_never_share_a_key() -> None:
    script = Script([ok(generation())])
    sdk = client(script)
    sdk.generate("a red house")
    sdk.generate("a red house")
    sdk.generate("a red house", idempotency_key="order-17")
    keys = [request.headers["idempotency-key"] for request in script.seen]
    assert len(set(keys)) == 3
    assert keys[2] == "order-17"


def test_pauses_double_up_to_fifteen_seconds_and_end_within_a_minute() -> None:
    time, script = Time(), Script([httpx2.ConnectError("refused")])
    with pytest.raises(Unreachable):
        client(script, time).models()
    assert time.slept == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0]


def test_pauses_are_drawn_between_nothing_and_their_longest() -> None:
    assert Retry().pause(3, 0.25, 0.0) == 0.5
    assert Retry().pause(1, 0.0, 0.0) == 0.0


def test_retry_after_is_the_least_that_is_waited() -> None:
    time, script = Time(), Script([problem("rate_limited", 429, headers={"Retry-After": "7"}), ok({"data": []})])
    client(script, time).models()
    assert time.slept == [7.0]


def test_a_retry_after_beyond_our_patience_is_told_at_once() -> None:
    time, script = Time(), Script([problem("rate_limited", 429, headers={"Retry-After": "3600"})])
    with pytest.raises(RateLimited) as caught:
        client(script, time).models()
    assert caught.value.retry_after == 3600
    assert time.slept == []


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after": "-4"}, 0),
        ({"retry-after": "soon"}, 0),
        ({"retry-after": "Fri, 02 Jan 2026 03:04:35 GMT"}, 0),
        ({"retry-after": "Fri, 02 Jan 2026 03:04:35 GMT", "date": "Fri, 02 Jan 2026 03:04:05 GMT"}, 30),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers: dict[str, str], seconds: float) -> None:
    assert floor(httpx2.Headers(headers)) == seconds


def test_patience_can_be_switched_off() -> None:
    script = Script([httpx2.ConnectError("refused")])
    with pytest.raises(Unreachable, match=r"platemark serve"):
        client(script, retry=Retry(total=0)).models()
    assert len(script.seen) == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (problem("model_unavailable", 503), ModelUnavailable),
        (problem("shutting_down", 503), ShuttingDown),
        (problem("provider_unavailable", 502, generation="gen_1"), ProviderUnavailable),
        (problem("invented_later", 503), Unavailable),
        (httpx2.Response(502), Unreachable),
    ],
    ids=name,
)
def test_when_patience_ends_the_last_error_is_raised(answer: httpx2.Response, kind: type[PlatemarkError]) -> None:
    with pytest.raises(kind) as caught:
        client(Script([answer]), retry=Retry(total=0)).models()
    assert KEY not in str(caught.value)
    assert URL in str(caught.value) or caught.value.request_id == "req_9"
