"""Problem documents (RFC 9457): every error leaves the API in this one form."""

import json
import math
from collections.abc import Mapping

from starlette.responses import Response

from platemark.core.base import JsonObject
from platemark.core.errors import (
    BlockedByAppPolicy,
    GenerationCanceled,
    GenerationExpired,
    PlatemarkError,
    ProviderError,
    Unauthenticated,
)
from platemark.core.generation import Generation
from platemark.core.problem import document, error_of

MEDIA_TYPE = "application/problem+json"
TYPES = "/docs/errors"
# When a part of ours cannot work and nobody knows how long: soon enough to notice, rare enough not to hurt.
_RETRY_AFTER_SECONDS = 5.0


def problem(error: PlatemarkError, *, request_id: str | None) -> JsonObject:
    """The document for one error."""
    return complete(document(error), request_id=request_id)


def complete(kept: JsonObject, *, request_id: str | None = None) -> JsonObject:
    """What was kept with a generation, as the whole document."""
    return {"type": f"{TYPES}#{kept['code']}", **kept, "request_id": request_id}


def outcome(generation: Generation) -> PlatemarkError | None:
    """Why a generation has no images; None while it may still get some, and when it has them."""
    if generation.status not in ("failed", "blocked", "canceled", "expired"):
        return None
    if generation.error is not None:
        error = error_of(generation.error)
        error.generation = generation.id
        return error
    kind, detail = _UNSAID[generation.status]
    return kind(detail, generation=generation.id)


_UNSAID: dict[str, tuple[type[PlatemarkError], str]] = {
    "failed": (ProviderError, "The generation failed. Its record says what was tried."),
    "blocked": (BlockedByAppPolicy, "The generation was blocked. Its record says by which rule."),
    "canceled": (GenerationCanceled, "The generation was canceled before it was finished. Send a new request."),
    "expired": (GenerationExpired, "The generation was not started before its deadline. Send a new request."),
}


def answer(error: PlatemarkError, *, request_id: str | None, extra: Mapping[str, object] | None = None) -> Response:
    """The response for an error, with `Retry-After` and `WWW-Authenticate` where they belong."""
    body = problem(error, request_id=request_id) | dict(extra or {})
    headers = dict[str, str]()
    if error.retry_after is not None or error.status in (429, 503):
        seconds = _RETRY_AFTER_SECONDS if error.retry_after is None else error.retry_after
        headers["Retry-After"] = str(max(1, math.ceil(seconds)))
    if isinstance(error, Unauthenticated):
        known = ', error="invalid_token"' if error.reason_code != "no_key" else ""
        headers["WWW-Authenticate"] = f'Bearer realm="platemark"{known}'
    return Response(dump(body), error.status, headers, MEDIA_TYPE)


def dump(value: JsonObject) -> bytes:
    """JSON as UTF-8. What is not Unicode, such as half a surrogate pair, stays an escape, which is valid JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
