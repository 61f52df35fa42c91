"""Errors that the SDK raises by itself, and how a problem document becomes the error of its code.

Unavailable
├── Unreachable    no answer came back, or none that a Platemark server gives
├── NotFinished    the caller's timeout ended before the generation did
└── Damaged        the bytes are not those that the record names
"""

from collections.abc import Iterable, Mapping
from typing import Any, cast

import httpx2

from platemark.core.base import JsonObject
from platemark.core.errors import (
    BudgetExceeded,
    Conflict,
    FieldError,
    Gone,
    InvalidRequest,
    NotAllowed,
    NotFound,
    PlatemarkError,
    RateLimited,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedMedia,
    error_by_code,
)


class Unreachable(Unavailable):
    """No answer came back, or none that a Platemark server gives."""

    title = "The server cannot be reached"


class NotFinished(Unavailable):
    """The caller's timeout ended before the generation did; it goes on, and `generation` names it."""

    title = "Not finished in the time that was given"


class Damaged(Unavailable):
    """The bytes that arrived are not those that the record names."""

    title = "The bytes are not those of the record"


_BY_STATUS: dict[int, type[PlatemarkError]] = {
    400: InvalidRequest,
    401: Unauthenticated,
    402: BudgetExceeded,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    410: Gone,
    413: TooLarge,
    415: UnsupportedMedia,
    422: InvalidRequest,
    429: RateLimited,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def problem_of(response: httpx2.Response) -> JsonObject | None:
    """The problem document of a response that was read; None when it holds none of ours."""
    if "json" not in response.headers.get("content-type", ""):
        return None
    try:
        problem = json_object(response.json())
    except ValueError:
        return None
    return problem if problem is not None and isinstance(problem.get("code"), str) else None


def json_object(value: Any) -> JsonObject | None:
    """The value with its type when it is a JSON object."""
    return cast("JsonObject", value) if isinstance(value, dict) else None


def error_of(
    problem: Mapping[str, Any], *, request_id: str | None = None, retry_after: float | None = None
) -> PlatemarkError:
    """The error that a problem document speaks of; unknown codes become the class of their status.

    Reads the problems of answers and the `error` of a generation alike, and ignores fields that it does not know.
    """
    kind = error_by_code(str(problem.get("code")))
    if kind is PlatemarkError:
        kind = _BY_STATUS.get(_whole(problem.get("status")), PlatemarkError)
    error = kind(
        str(problem.get("detail") or problem.get("title") or kind.title),
        errors=_field_errors(problem.get("errors")),
        retry_after=retry_after,
        generation=problem.get("generation"),
        code=problem.get("reason_code"),
    )
    error.request_id = problem.get("request_id") or request_id
    return error


def error_of_response(response: httpx2.Response, *, retry_after: float | None = None) -> PlatemarkError:
    """The error of an answer with an error status, whoever gave it."""
    request_id = response.headers.get("x-request-id")
    problem = problem_of(response)
    if problem is not None:
        return error_of(problem, request_id=request_id, retry_after=retry_after)
    detail = (
        f"{response.request.url.copy_with(query=None)} answered {response.status_code} without a problem document: not "
        "the Platemark API but something before it, or another server. Check the address and what lies between."
    )
    kind = Unreachable if response.status_code >= 500 else _BY_STATUS.get(response.status_code, Unreachable)
    error = kind(detail, retry_after=retry_after)
    error.request_id = request_id
    return error


def unreachable(error: httpx2.RequestError, address: str) -> Unreachable:
    """The error of a request that got no answer. The cause carries no header, and so no key."""
    if isinstance(error, httpx2.TimeoutException):
        happened = f"{address} did not answer in time ({type(error).__name__})."
    else:
        happened = f"{address} cannot be reached: {error or type(error).__name__}."
    return Unreachable(f"{happened} Is the server running (`platemark serve`) and the address right (PLATEMARK_URL)?")


def _field_errors(entries: Any) -> Iterable[FieldError]:
    for entry in cast("Iterable[Any]", entries if isinstance(entries, list | tuple) else ()):
        known = json_object(entry)
        if known is not None:
            yield FieldError(**{name: str(known.get(name, "")) for name in ("pointer", "code", "message")})


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 0
