"""What an answer means: the rows that all vendors share, the ways to say when to come back, and the errors."""

from datetime import UTC, datetime
from typing import Any

import pytest

from platemark.core.errors import (
    BlockedByProvider,
    ModelUnavailable,
    OutcomeUnknown,
    ProviderAuthFailed,
    ProviderError,
    ProviderOutOfCredit,
    ProviderRateLimited,
    ProviderRejected,
    ProviderTimedOut,
    ProviderUnavailable,
)
from platemark.providers.http import Reply
from platemark.providers.outcomes import (
    GENERAL,
    MAX_RETRY_AFTER,
    Outcome,
    Row,
    Verdict,
    classify,
    error_of,
    retry_after,
    vendor_words,
)

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)


def reply(status: int = 200, body: bytes = b"", **headers: str) -> Reply:
    return Reply(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((code, "ok") for code in (200, 201, 202)),
        *((code, "bad_request") for code in (400, 405, 409, 413, 415, 422, 451)),
        *((code, "auth") for code in (401, 403)),
        (402, "out_of_credit"),
        *((code, "not_found") for code in (404, 410)),
        *((code, "timed_out") for code in (408, 504)),
        (429, "rate_limited"),
        *((code, "overloaded") for code in (500, 501, 502, 503, 520, 529)),
        *((code, "unusable") for code in (101, 204, 301, 302, 307)),
    ],
)
def test_the_general_rows_cover_every_status(status: int, outcome: Outcome) -> None:
    assert classify(reply(status), (), NOW).outcome == outcome


def test_the_last_general_row_fits_everything() -> None:
    assert GENERAL[-1].fits(reply(999))


@pytest.mark.parametrize(
    ("row", "fits"),
    [
        (Row("ok"), True),
        (Row("ok", (200, 400)), True),
        (Row("ok", (500,)), False),
        (Row("ok", body={"error.code": "moderation"}), True),
        (Row("ok", body={"error.code": "^MODERATION_BLOCKED$"}), True),
        (Row("ok", body={"error.other": "."}), False),
        (Row("ok", body={"flags.1": "true"}), True),
        (Row("ok", body={"flags.2": "."}), False),
        (Row("ok", body={"": "moder.*true"}), True),
        (Row("ok", header={"x-state": "filtered"}), True),
        (Row("ok", header={"x-state": "filtered"}, body={"error.code": "other"}), False),
        (Row("ok", header={"x-missing": ""}), False),
    ],
)
def test_a_row_fits_when_all_that_it_names_fits(row: Row, fits: bool) -> None:
    answer = reply(400, b'{"error": {"code": "moderation_blocked"}, "flags": [false, true]}', x_state="Filtered")
    assert row.fits(answer) is fits


@pytest.mark.parametrize(
    ("body", "headers", "seconds"),
    [
        (b"", {"retry_after": "7"}, 7.0),
        (b"", {"retry_after": "1.5"}, 1.5),
        (b"", {"retry_after_ms": "250", "retry_after": "9"}, 0.25),
        (b"", {"retry_after": "Fri, 02 Jan 2026 12:00:30 GMT"}, 30.0),
        (
            b"",
            {"retry_after": "Fri, 02 Jan 2026 18:00:30 GMT", "date": "Fri, 02 Jan 2026 18:00:00 GMT"},
            30.0,
        ),
        (b"", {"retry_after": "Fri, 02 Jan 2026 11:00:00 GMT"}, 0.0),
        (b"", {"retry_after": "99999999"}, MAX_RETRY_AFTER),
        (b"", {"retry_after": "soon"}, None),
        (b"", {"retry_after": "-5"}, None),
        (b'{"retry_after": 30}', {}, 30.0),
        (b'{"error": {"retry_after": "12"}}', {}, 12.0),
        (b'{"retry_after": true}', {}, None),
        (b'{"detail": "Request was throttled. Your rate limit resets in ~30s."}', {}, 30.0),
        (b'{"errors": ["You have been timed out for 60 seconds."]}', {}, 60.0),
        (b"Please try again in 20 seconds", {}, 20.0),
        (b"no more than 150 requests within a 10 second period", {}, None),
        (b"", {}, None),
    ],
)
def test_every_way_to_say_when_to_come_back(body: bytes, headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(reply(429, body, **headers), NOW) == seconds


def test_a_row_says_how_long_to_wait_where_the_answer_does_not() -> None:
    table = (Row("rate_limited", (429,), retry_after=60.0),)
    assert classify(reply(429), table, NOW).retry_after == 60.0
    assert classify(reply(429, retry_after="0"), table, NOW).retry_after == 0.0


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"id": "1", "name": "bad_request", "errors": ["prompt: is required", "seed: too big"]}', 2),
        (b'{"error": {"message": "no", "type": "x", "code": "y"}}', 1),
        (b'{"detail": [{"loc": ["a"], "msg": "wrong", "type": "t"}, {"msg": "worse"}]}', 2),
        (b'{"title": "Not good", "detail": "Because", "status": 422}', 1),
        (b'{"status": "error", "%s": "spelt so"}' % b"message".replace(b"a", b"e"), 1),
        (b"plain words", 1),
        (b"<html>gateway</html>", 0),
        (b"\x89PNG\0\0", 0),
        (b"[[[[[[[[[[1]]]]]]]]]]", 1),
        (b"", 0),
    ],
)
def test_words_of_every_shape_of_error(body: bytes, words: int) -> None:
    assert len(vendor_words(reply(400, body))) == words


@pytest.mark.parametrize(
    ("outcome", "kind", "retryable"),
    [
        ("prompt_blocked", BlockedByProvider, False),
        ("output_blocked", BlockedByProvider, False),
        ("bad_request", ProviderRejected, False),
        ("auth", ProviderAuthFailed, False),
        ("out_of_credit", ProviderOutOfCredit, False),
        ("not_found", ModelUnavailable, False),
        ("rate_limited", ProviderRateLimited, True),
        ("overloaded", ProviderUnavailable, True),
        ("timed_out", ProviderTimedOut, True),
        ("unusable", ProviderError, False),
        ("unknown", OutcomeUnknown, True),
    ],
)
def test_every_outcome_has_its_error(outcome: Outcome, kind: type[Any], retryable: bool) -> None:
    error = error_of("acme", Verdict(outcome, ("their words",), 3.0))
    assert (type(error), error.retryable, error.retry_after) == (kind, retryable, 3.0)
    assert error.detail.startswith("acme ")
    assert "their words" in error.detail
    assert [each.message for each in error.errors] == ["their words"]


def test_an_unknown_outcome_is_tried_again_only_where_it_may_be_repeated() -> None:
    assert type(error_of("acme", Verdict("unknown"), may_repeat=True)) is ProviderUnavailable
