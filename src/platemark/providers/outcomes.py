"""Outcomes: what an answer of a vendor means, told from status, headers and body by the rows of its adapter's table."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from platemark.core.errors import (
    BlockedByProvider,
    FieldError,
    ModelUnavailable,
    OutcomeUnknown,
    PlatemarkError,
    ProviderAuthFailed,
    ProviderError,
    ProviderOutOfCredit,
    ProviderRateLimited,
    ProviderRejected,
    ProviderTimedOut,
    ProviderUnavailable,
)
from platemark.providers.http import Reply

# `unusable`: it answered, and in the answer is no picture that can be used. `pending`: taken, not finished.
Outcome = Literal[
    "ok",
    "pending",
    "partial",
    "prompt_blocked",
    "output_blocked",
    "bad_request",
    "auth",
    "out_of_credit",
    "not_found",
    "rate_limited",
    "overloaded",
    "timed_out",
    "unusable",
    "unknown",
]
# Nothing was made, whatever the vendor: money was spent at none of these.
NOTHING_MADE: frozenset[Outcome] = frozenset(
    {"prompt_blocked", "bad_request", "auth", "out_of_credit", "not_found", "rate_limited"}
)
MAX_RETRY_AFTER = 24 * 3600.0
_MAX_WORDS = 1000
_MAX_UNREADABLE = 300
_WORDS = (
    *("message", "messege", "detail", "errors", "error", "error_message", "title", "msg", "name"),
    # Where a job's own error lies in the answer about the job.
    "job_result",
)
_IN_TEXT = re.compile(r"(?:reset\w*|again|retry|wait|timed out)\D{0,24}?(\d+(?:\.\d+)?)\s*(?:s\b|sec)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of an adapter's table. Everything that is given must fit; the first row that fits decides.

    `status`: codes, none for any. `body` and `header`: name to a regular expression that is searched for in the value;
    a name of the body is a path such as `error.code` (numbers index lists), the empty name is the whole text.
    `retry_after`: seconds for when the answer itself says none.
    """

    outcome: Outcome
    status: tuple[int, ...] = ()
    body: Mapping[str, str] | None = None
    header: Mapping[str, str] | None = None
    retry_after: float | None = None

    def fits(self, reply: Reply) -> bool:
        """True when the reply has everything that this row names."""
        if self.status and reply.status not in self.status:
            return False
        headers = ((reply.headers.get(name), pattern) for name, pattern in (self.header or {}).items())
        bodies = ((at(reply, path), pattern) for path, pattern in (self.body or {}).items())
        return all(_found(value, pattern) for value, pattern in (*headers, *bodies))


# After each adapter's own rows: what HTTP says.
GENERAL = (
    Row("auth", (401, 403)),
    Row("out_of_credit", (402,)),
    Row("not_found", (404, 410)),
    Row("timed_out", (408, 504)),
    Row("rate_limited", (429,)),
    Row("overloaded", tuple(range(500, 600))),
    Row("bad_request", tuple(range(400, 500))),
    Row("ok", (200, 201, 202)),
    # 1xx, other 2xx and redirects: an API that answers so is not the one that was configured.
    Row("unusable"),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one answer means. `words`: the vendor's own, shortened; secrets are taken out before they come here."""

    outcome: Outcome
    words: tuple[str, ...] = ()
    retry_after: float | None = None


def classify(reply: Reply, table: Iterable[Row], now: datetime) -> Verdict:
    """The verdict of the first row that fits: those of the adapter, then those of HTTP."""
    row = next(row for row in (*table, *GENERAL) if row.fits(reply))
    words = () if row.outcome in ("ok", "pending") else vendor_words(reply)
    wait = None
    if row.outcome in ("rate_limited", "overloaded"):
        wait = retry_after(reply, now)
        wait = row.retry_after if wait is None else wait
    return Verdict(row.outcome, words, wait)


def at(reply: Reply, path: str) -> Any:
    """The value at a path in the JSON body; None where there is none. The empty path is the whole body as text."""
    if not path:
        return reply.text
    value = reply.json
    for name in path.split("."):
        if isinstance(value, dict):
            value = value.get(name)  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
        elif isinstance(value, list) and name.isdigit() and int(name) < len(value):  # pyright: ignore[reportUnknownArgumentType]
            value = value[int(name)]  # pyright: ignore[reportUnknownVariableType]
        else:
            return None
    return value  # pyright: ignore[reportUnknownVariableType]


def vendor_words(reply: Reply) -> tuple[str, ...]:
    """The readable part of an error body: JSON of any of the usual shapes, else the beginning of the text."""
    found = dict.fromkeys(word[:_MAX_WORDS].strip() for word in _words(reply.json, 0) if word.strip())
    if found:
        return tuple(found)[:8]
    if isinstance(reply.json, dict) and len(reply.body) > _MAX_UNREADABLE:
        # Whole work orders come back too, with the prompt in them.
        return ()
    text = " ".join(reply.text[:_MAX_WORDS].split())
    return (text,) if text and "<" not in text[:1] else ()


def _words(value: Any, depth: int) -> Iterator[str]:
    if depth > 4:
        return
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value[:8]:  # pyright: ignore[reportUnknownVariableType]
            yield from _words(each, depth + 1)
    elif isinstance(value, dict):
        for name in _WORDS:
            if value.get(name) is not None:  # pyright: ignore[reportUnknownMemberType]
                yield from _words(value[name], depth + 1)
                if name != "title":
                    yield from _words(value.get("details"), depth + 1)  # pyright: ignore[reportUnknownMemberType]
                    return


def retry_after(reply: Reply, now: datetime) -> float | None:
    """Seconds to wait, from the header (seconds or date) or the body (a number, or words); None where none is said."""
    wait = _header_seconds(reply, now)
    if wait is None:
        wait = next((float(v) for v in map(lambda p: at(reply, p), _BODY_PATHS) if _is_number(v)), None)
    if wait is None and (said := _IN_TEXT.search(reply.text[:4000])):
        wait = float(said[1])
    return None if wait is None else min(max(wait, 0.0), MAX_RETRY_AFTER)


_BODY_PATHS = (
    *("retry_after", "error.retry_after", "retryAfter", "detail.retry_after", "parameters.retry_after"),
    # Until a model is loaded.
    "estimated_time",
)


def _header_seconds(reply: Reply, now: datetime) -> float | None:
    if (milliseconds := _number(reply.headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    said = reply.headers.get("retry-after")
    if (seconds := _number(said)) is not None:
        return seconds
    moment, sent = _date(said), _date(reply.headers.get("date"))
    # By the vendor's own clock where it tells the time: ours may be off.
    return None if moment is None else (moment - (sent or now)).total_seconds()


def _number(text: str | None) -> float | None:
    if text is None or not re.fullmatch(r"\s*\d{1,12}(\.\d{1,9})?\s*", text):
        return None
    return float(text)


def _is_number(value: Any) -> bool:
    return (isinstance(value, int | float) and not isinstance(value, bool)) or (
        isinstance(value, str) and _number(value) is not None
    )


def _date(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _found(value: Any, pattern: str) -> bool:
    if value is None:
        return False
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return re.search(pattern, text, re.IGNORECASE) is not None


_KINDS: dict[Outcome, tuple[type[PlatemarkError], str]] = {
    "prompt_blocked": (BlockedByProvider, "refused this request by its own rules. Change the prompt or the sources"),
    "output_blocked": (BlockedByProvider, "made a picture and withheld it by its own rules. Change the prompt"),
    "bad_request": (ProviderRejected, "does not take this request"),
    "auth": (ProviderAuthFailed, "refused our key. The operator has to look at its setting"),
    "out_of_credit": (ProviderOutOfCredit, "has no credit left for our key. The operator has to buy some"),
    "not_found": (ModelUnavailable, "does not know this model or work (any more). Use another model"),
    "rate_limited": (ProviderRateLimited, "asks us to slow down"),
    "overloaded": (ProviderUnavailable, "cannot work at the moment"),
    "timed_out": (ProviderTimedOut, "ran out of time"),
    "unusable": (ProviderError, "answered without a picture that can be used. Its answer is kept with the attempt"),
    "unknown": (
        OutcomeUnknown,
        "took the request and gave no whole answer, so a picture may have been made and charged. Look before retrying",
    ),
}


def error_of(provider: str, verdict: Verdict, *, may_repeat: bool = False) -> PlatemarkError:
    """The error for a verdict that is not a success, with the vendor's words in its text and under `errors`.

    With `may_repeat` an unknown outcome is one of those that are tried again.
    """
    kind, text = _KINDS[verdict.outcome]
    if verdict.outcome == "unknown" and may_repeat:
        kind, text = ProviderUnavailable, "gave no whole answer"
    said = f" ({'; '.join(verdict.words)[:_MAX_WORDS]})" if verdict.words else ""
    errors = [FieldError(pointer="", code=verdict.outcome, message=word) for word in verdict.words]
    return kind(f"{provider} {text}{said}.", errors=errors, retry_after=verdict.retry_after)
