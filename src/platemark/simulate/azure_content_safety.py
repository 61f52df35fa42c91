"""A fake of Azure AI Content Safety: `text:analyze` and `image:analyze` in four severities."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from platemark.simulate.board import COMMON, Switchboard
from platemark.simulate.fields import Field, complaints
from platemark.simulate.seeing import NEW, subjects_of_picture, subjects_of_text

CATEGORIES = {"Hate": "hate", "SelfHarm": "self-harm", "Sexual": "sexual", "Violence": "violence"}
_LEVELS = {"FourSeverityLevels": 6, "EightSeverityLevels": 7}
_COMMON_FIELDS = {"categories": Field("list"), "outputType": Field(one_of=tuple(_LEVELS))}
_TEXT: Mapping[str, Field] = {
    "text": Field(required=True, least=1, most=10_000),
    "blocklistNames": Field("list"),
    "haltOnBlocklistHit": Field("flag"),
    **_COMMON_FIELDS,
}
_IMAGE: Mapping[str, Field] = {"image": Field("object", required=True), **_COMMON_FIELDS}
_CODES = {400: "InvalidRequestBody", 401: "401", 404: "404", 429: "TooManyRequests"}
_OWN = frozenset({"auth", "bad_request", "error_in_200", "unknown_category"})


@dataclass
class FakeAzureContentSafety:
    """One resource. Numbers are severities."""

    board: Switchboard = field(default_factory=Switchboard)
    name: str = "azure_content_safety"
    troubles: frozenset[str] = frozenset(COMMON) | _OWN

    @property
    def app(self) -> ASGIApp:
        """The routes."""
        actions = {"text": self._text, "image": self._image}
        return Starlette(
            routes=[
                Route(f"/contentsafety/{name}:analyze", action, methods=["POST"]) for name, action in actions.items()
            ]
        )

    def error(self, status: int, retry_after: int | None = None) -> Response:
        """An error in the vendor's shape."""
        wait = "" if retry_after is None else f" Please retry after {retry_after} seconds."
        code = _CODES.get(status, "InternalError")
        return JSONResponse({"error": {"code": code, "message": f"The request failed.{wait}"}}, status)

    async def _text(self, request: Request) -> Response:
        body: dict[str, Any] = await request.json()
        self.board.note(request, body)
        found = subjects_of_text(str(body.get("text", "")))
        return self._answer(request, body, _TEXT, found, {"blocklistsMatch": []})

    async def _image(self, request: Request) -> Response:
        body: dict[str, Any] = await request.json()
        self.board.note(request, body)
        content = body.get("image", {}).get("content", "") if isinstance(body.get("image"), dict) else ""
        try:
            found = subjects_of_picture(base64.b64decode(content, validate=True))
        except (binascii.Error, TypeError):
            found = None
        return self._answer(request, body, _IMAGE, found, {})

    def _answer(
        self,
        request: Request,
        body: Mapping[str, Any],
        table: Mapping[str, Field],
        found: frozenset[str] | None,
        more: Mapping[str, Any],
    ) -> Response:
        trouble = self.board.take("POST", *_OWN)
        if request.headers.get("ocp-apim-subscription-key") not in self.board.keys or trouble == "auth":
            return self.error(401)
        if "api-version" not in request.query_params:
            return self.error(404)
        if trouble == "bad_request" or found is None or [*complaints(table, body, {})]:
            return self.error(400)
        if trouble == "error_in_200":
            return JSONResponse({"error": {"code": "InternalError", "message": "It did not work out."}})
        most = _LEVELS[body.get("outputType", "FourSeverityLevels")]
        said = {name: most if subject in found else 0 for name, subject in CATEGORIES.items()}
        said |= {NEW: most} if trouble == "unknown_category" else {}
        analysis = [{"category": name, "severity": severity} for name, severity in said.items()]
        return JSONResponse({**more, "categoriesAnalysis": analysis})
