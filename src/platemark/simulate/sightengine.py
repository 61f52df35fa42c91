"""A fake of Sightengine: `check.json` for pictures, `text/check.json` for texts."""

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
from platemark.simulate.seeing import HIGH, LOW, NEW, scored, share_of, subjects_of_picture, subjects_of_text

USER = "1234567"
_WHO = {"api_user": Field(required=True), "api_secret": Field(required=True)}
_IMAGE: Mapping[str, Field] = {**_WHO, "media": Field("file", required=True), "models": Field(required=True)}
_TEXT: Mapping[str, Field] = {
    **_WHO,
    "text": Field(required=True, least=1),
    "lang": Field(required=True),
    "mode": Field(required=True, one_of=("rules", "ml", "username")),
    "models": Field(),
}
_WORDS = {"sexual": "sexual", "discriminatory": "hate", "insulting": "", "violent": "violence", "toxic": "hate"}
_KINDS = {400: "argument_error", 401: "authentication_error", 429: "usage_limit"}
_OWN = frozenset({"auth", "bad_request", "error_in_200", "unknown_category"})


@dataclass
class FakeSightengine:
    """Numbers are probabilities; a picture is read by the models that are named."""

    board: Switchboard = field(default_factory=Switchboard)
    name: str = "sightengine"
    troubles: frozenset[str] = frozenset(COMMON) | _OWN

    @property
    def app(self) -> ASGIApp:
        """The routes; the version may be left out of the address, as it is part of clients' base URL."""
        paths = {"/check.json": self._image, "/text/check.json": self._text}
        return Starlette(
            routes=[
                Route(f"{version}{path}", action, methods=["POST"])
                for path, action in paths.items()
                for version in ("", "/1.0")
            ]
        )

    def error(self, status: int, retry_after: int | None = None) -> Response:
        """An error in the vendor's shape."""
        wait = "" if retry_after is None else f" Retry in {retry_after} seconds."
        error = {"type": _KINDS.get(status, "internal_error"), "code": status, "message": f"It failed.{wait}"}
        return JSONResponse({"status": "failure", "error": error}, status)

    async def _image(self, request: Request) -> Response:
        given, files = await form_of(request)
        self.board.note(request, fields=given, files=files)
        found = subjects_of_picture(files.get("media", b""))
        trouble, refusal = self._refusal(given, files, _IMAGE)
        if refusal or found is None:
            return refusal or self.error(400)
        models = {model.partition("-2")[0] for model in given["models"].split(",")}
        said = {name: answer for name, answer in _pictured(found).items() if name in models}
        if "genai" in models:
            said["type"] = {"ai_generated": share_of(files["media"])}
        return self._success(said | ({NEW: {"prob": HIGH}} if trouble == "unknown_category" else {}))

    async def _text(self, request: Request) -> Response:
        given, files = await form_of(request)
        self.board.note(request, fields=given, files=files)
        trouble, refusal = self._refusal(given, files, _TEXT)
        if refusal:
            return refusal
        scores = scored(_WORDS, subjects_of_text(given["text"]), trouble)
        return self._success({"moderation_classes": {"available": sorted(scores), **scores}})

    def _refusal(
        self, given: Mapping[str, str], files: Mapping[str, bytes], table: Mapping[str, Field]
    ) -> tuple[str | None, Response | None]:
        trouble = self.board.take("POST", *_OWN)
        known = given.get("api_user") == USER and given.get("api_secret") in self.board.keys
        if not known or trouble == "auth":
            return trouble, self.error(401)
        if trouble == "bad_request" or [*complaints(table, given, files)]:
            return trouble, self.error(400)
        if trouble == "error_in_200":
            return trouble, JSONResponse({"status": "failure", "error": {"type": "internal_error", "code": 1}})
        return trouble, None

    def _success(self, said: Mapping[str, Any]) -> Response:
        request = {"id": f"req_{id_of(repr(said), 20)}", "timestamp": 1_767_312_000.0, "operations": 1}
        return JSONResponse({"status": "success", "request": request, **said})


def _pictured(found: frozenset[str]) -> dict[str, Any]:
    blood = HIGH if "violence" in found else LOW
    bare = HIGH if "sexual" in found else LOW
    return {
        "nudity": {
            "sexual_activity": bare,
            "sexual_display": bare,
            "erotica": LOW,
            "suggestive_classes": {"bikini": LOW},
            "none": 1 - bare,
            "context": {"indoor_other": 0.9},
        },
        "gore": {"prob": blood, "classes": {"very_bloody": blood, "corpse": LOW}},
        "violence": {"prob": blood, "classes": {"physical_violence": LOW}},
        "weapon": {"classes": {"firearm": LOW, "knife": LOW}},
        "offensive": {"nazi": LOW, "middle_finger": LOW},
        "self-harm": {"prob": LOW},
        "recreational_drug": {"prob": LOW},
        "alcohol": {"prob": LOW},
    }
