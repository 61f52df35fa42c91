"""A fake of OpenAI's moderation endpoint. It refuses what the published description does not know."""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from platemark.simulate.board import COMMON, Switchboard, bearer_of, id_of
from platemark.simulate.seeing import scored, subjects_of_picture, subjects_of_text

MODELS = ("omni-moderation-latest", "omni-moderation-2024-09-26")
CATEGORIES = {
    "harassment": "hate",
    "harassment/threatening": "",
    "sexual": "sexual",
    "hate": "hate",
    "hate/threatening": "",
    "illicit": "",
    "illicit/violent": "",
    "self-harm/intent": "self-harm",
    "self-harm/instructions": "",
    "self-harm": "self-harm",
    "sexual/minors": "minors",
    "violence": "violence",
    "violence/graphic": "violence",
}
OF_PICTURES = frozenset(
    {"sexual", "self-harm", "self-harm/intent", "self-harm/instructions", "violence", "violence/graphic"}
)
_SAID = {
    400: ("invalid_request_error", None, "Invalid value."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached."),
}
_OWN = frozenset({"auth", "bad_request", "error_in_200", "unknown_category"})


@dataclass
class FakeOpenAIModeration:
    """`POST /v1/moderations`."""

    board: Switchboard = field(default_factory=Switchboard)
    name: str = "openai_moderation"
    troubles: frozenset[str] = frozenset(COMMON) | _OWN

    @property
    def app(self) -> ASGIApp:
        """The routes; the version may be left out of the address, as it is part of clients' base URL."""
        paths = ("/v1/moderations", "/moderations")
        return Starlette(routes=[Route(path, self._moderate, methods=["POST"]) for path in paths])

    def error(self, status: int, retry_after: int | None = None) -> Response:
        """An error in the vendor's shape."""
        kind, code, words = _SAID.get(status, ("server_error", None, "The server had an error."))
        wait = "" if retry_after is None else f" Please try again in {retry_after}s."
        error = {"message": words + wait, "type": kind, "param": None, "code": code}
        return JSONResponse({"error": error}, status)

    async def _moderate(self, request: Request) -> Response:
        body: dict[str, Any] = await request.json()
        self.board.note(request, body)
        trouble = self.board.take("POST", *_OWN)
        if bearer_of(request) not in self.board.keys or trouble == "auth":
            return self.error(401)
        inputs = list(_inputs(body.get("input")))
        unknown = body.keys() - {"input", "model"} or body.get("model", MODELS[0]) not in MODELS
        if trouble == "bad_request" or unknown or not inputs or None in inputs:
            return self.error(400)
        if trouble == "error_in_200":
            return JSONResponse({"error": {"message": "It did not work out."}})
        results = [_result(each, trouble) for each in inputs if each is not None]
        return JSONResponse({"id": f"modr-{id_of(repr(body))}", "model": MODELS[1], "results": results})


_Read = tuple[frozenset[str], frozenset[str]]


def _inputs(given: Any) -> Iterator[_Read | None]:
    """Kinds and subjects of each input; None for what is not taken."""
    if isinstance(given, str):
        yield frozenset({"text"}), subjects_of_text(given)
    elif isinstance(given, list):
        entries = cast("list[Any]", given)
        if all(isinstance(entry, str) for entry in entries):
            yield from ((frozenset({"text"}), subjects_of_text(entry)) for entry in entries)
        else:
            yield _together([_part(entry) for entry in entries])
    else:
        yield None


def _together(parts: list[_Read | None]) -> _Read | None:
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return frozenset[str]().union(*(kind for kind, _ in known)), frozenset[str]().union(*(has for _, has in known))


def _part(entry: Any) -> _Read | None:
    match entry:
        case {"type": "text", "text": str(text)}:
            return frozenset({"text"}), subjects_of_text(text)
        case {"type": "image_url", "image_url": {"url": str(url)}} if url.startswith("data:image/"):
            try:
                found = subjects_of_picture(base64.b64decode(url.partition(",")[2], validate=True))
            except binascii.Error:
                return None
            return None if found is None else (frozenset({"image"}), found)
        case _:
            return None


def _result(read: _Read, trouble: str | None) -> dict[str, Any]:
    kinds, found = read
    scores = scored(CATEGORIES, found, trouble)
    applied = {name: sorted(kinds if name in OF_PICTURES else kinds & {"text"}) for name in CATEGORIES}
    # What was not looked at has the number nought.
    scores = {name: score if applied.get(name, [""]) else 0.0 for name, score in scores.items()}
    categories = {name: score > 0.5 for name, score in scores.items()}
    return {
        "flagged": any(categories.values()),
        "categories": categories,
        "category_scores": scores,
        "category_applied_input_types": applied,
    }
