"""A fake of Hive's synchronous task: classes in heads for pictures, severities for texts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from platemark.simulate.board import COMMON, Switchboard, id_of
from platemark.simulate.fields import Field, complaints, form_of
from platemark.simulate.seeing import NEW, scored, subjects_of_picture, subjects_of_text

_FIELDS: Mapping[str, Field] = {"media": Field("file"), "text_data": Field(least=1, most=1024)}
_PICTURED = {
    "general_nsfw": "sexual",
    "general_suggestive": "",
    "very_bloody": "violence",
    "human_corpse": "",
    "yes_nazi": "hate",
    "yes_self_harm": "self-harm",
}
_WRITTEN = {
    "sexual": "sexual",
    "hate": "hate",
    "violence": "violence",
    "bullying": "",
    "self_harm": "self-harm",
    "child_exploitation": "minors",
}
# A text with this in it is in a language that no model reads.
UNREAD = "unbekannte sprache"
_OWN = frozenset({"auth", "bad_request", "error_in_200", "unknown_category"})


@dataclass
class FakeHive:
    """One project with both models, which the vendor itself never has under one key."""

    board: Switchboard = field(default_factory=Switchboard)
    name: str = "hive"
    troubles: frozenset[str] = frozenset(COMMON) | _OWN

    @property
    def app(self) -> ASGIApp:
        """The route."""
        return Starlette(routes=[Route("/api/v2/task/sync", self._task, methods=["POST"])])

    def error(self, status: int, retry_after: int | None = None) -> Response:
        """An error in the vendor's shape."""
        wait = "" if retry_after is None else f" Try again in {retry_after} seconds."
        return JSONResponse({"return_code": status, "message": f"It failed.{wait}"}, status)

    async def _task(self, request: Request) -> Response:
        given, files = await form_of(request)
        self.board.note(request, fields=given, files=files)
        trouble = self.board.take("POST", *_OWN)
        key = request.headers.get("authorization", "").removeprefix("Token ")
        if key not in self.board.keys or trouble == "auth":
            return self.error(403)
        if trouble == "bad_request" or [*complaints(_FIELDS, given, files)] or len({*given, *files}) != 1:
            return self.error(400)
        if trouble == "error_in_200":
            return JSONResponse({"status": [{"status": {"code": "1", "message": "FAILURE"}, "response": None}]})
        classes = _of_picture(files["media"], trouble) if files else _of_text(given["text_data"], trouble)
        return self.error(400) if classes is None else _answer(classes)


def _of_picture(data: bytes, trouble: str | None) -> dict[str, float] | None:
    found = subjects_of_picture(data)
    if found is None:
        return None
    scores = scored(_PICTURED, found, trouble)
    return {**scores, "no_female_nudity": 0.9, "general_not_nsfw_not_suggestive": 1 - scores["general_nsfw"]}


def _of_text(text: str, trouble: str | None) -> dict[str, float]:
    if UNREAD in text.lower():
        return dict.fromkeys(_WRITTEN, -1)
    found = subjects_of_text(text)
    scores = {name: 3.0 if subject in found else 0.0 for name, subject in _WRITTEN.items()}
    return {**scores, NEW: 3.0} if trouble == "unknown_category" else scores


def _answer(classes: Mapping[str, float]) -> Response:
    output: list[Any] = [{"time": 0, "classes": [{"class": name, "score": said} for name, said in classes.items()]}]
    response: dict[str, Any] = {"input": {}, "output": output}
    status: dict[str, Any] = {"status": {"code": "0", "message": "SUCCESS"}, "response": response}
    return JSONResponse({"id": id_of(repr(classes)), "code": 200, "status": [status], "from_cache": False})
