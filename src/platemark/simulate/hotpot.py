"""A fake Hotpot.ai: three tiers of Stable Diffusion and the art generator. It knows the fields that are published."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from platemark.simulate.board import COMMON, Switchboard, gateway_page
from platemark.simulate.fields import Field, complaints, form_of
from platemark.simulate.pictures import as_format, as_payload, broken, striped

_TEXT = {"inputText": Field(required=True, least=1)}
_DIFFUSION = {**_TEXT, "guidanceScale": Field("number", least=1, most=30)}
ROUTES: Mapping[str, Mapping[str, Field]] = {
    "stable-diffusion-normal": _DIFFUSION,
    "stable-diffusion-premium": _DIFFUSION,
    "stable-diffusion-budget": _DIFFUSION,
    "make-art": {**_TEXT, "styleId": Field("integer", least=1)},
}
_SIDE = 1024
_SAID = {
    400: "Bad request. Invalid parameter values were provided.",
    401: "Unauthorized. Please include your API key in the Authorization HTTP header.",
    403: "Forbidden. The API key in the Authorization header is invalid.",
    404: "Missing endpoint. Please verify the URL path.",
    429: "Rate limit exceeded.",
    500: "Internal server error. Please try again later or contact us if problems persist.",
}
_REFUSALS = {"bad_request": 400, "auth": 403, "not_found": 404}
_OF_PICTURES = ("corrupt_base64", "corrupt_picture")
_OWN = frozenset({*_REFUSALS, *_OF_PICTURES, "out_of_credit", "prompt_blocked", "error_in_200"})


@dataclass
class FakeHotpot:
    """`credits`: pictures that can still be made."""

    board: Switchboard = field(default_factory=Switchboard)
    credits: int = 1000
    name: str = "hotpot"
    troubles: frozenset[str] = frozenset(COMMON) | _OWN

    @property
    def app(self) -> ASGIApp:
        """The routes."""
        return Starlette(routes=[Route("/{route}", self._draw, methods=["POST"])])

    def error(self, status: int, retry_after: int | None = None) -> Response:
        """An error body; a gateway's page for 502 and 503."""
        if status in (502, 503):
            return gateway_page(status)
        wait = "" if retry_after is None else f" Please try again in {retry_after} seconds."
        return self._error(status, _SAID[status] + wait)

    async def _draw(self, request: Request) -> Response:
        route, (given, _) = request.path_params["route"], await form_of(request)
        self.board.note(request, fields=given)
        if refusal := self._refusal(request, route):
            return refusal
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            return self._error(400, "Bad request. multipart/form-data is expected.")
        if found := list(complaints(ROUTES[route], given, {})):
            return self._error(400, "; ".join(found))
        self.credits -= 1
        # It has no seeds: no two pictures are alike.
        png = striped(_SIDE, _SIDE, given["inputText"], given.get("guidanceScale", ""), self.credits)
        return self._picture(request, as_format(png, "jpeg"))

    def _picture(self, request: Request, data: bytes) -> Response:
        """Bytes, or in trouble the text that older routes answer with."""
        trouble = self.board.take(request.method, *_OF_PICTURES)
        if trouble == "corrupt_base64":
            text = f"{as_payload(data[:60])}!!"
            return Response(text, media_type="text/plain", headers=self._headers())
        content = broken(data) if trouble else data
        return Response(content, media_type="image/jpeg", headers=self._headers())

    def _refusal(self, request: Request, route: str) -> Response | None:
        trouble = self.board.take(request.method, *_REFUSALS, "out_of_credit", "prompt_blocked", "error_in_200")
        if trouble == "error_in_200":
            return JSONResponse({"code": 500, "message": "It did not work out."}, headers=self._headers())
        if trouble == "prompt_blocked":
            return self._error(400, "The text has inappropriate content.")
        if trouble in _REFUSALS:
            return self.error(_REFUSALS[trouble])
        key = request.headers.get("authorization")
        if key not in self.board.keys:
            return self.error(403 if key else 401)
        if route not in ROUTES:
            return self.error(404)
        if trouble == "out_of_credit" or self.credits <= 0:
            return self._error(429, "Service quota exceeded. Please verify API credits remaining.", left=0)
        return None

    def _error(self, status: int, words: str, *, left: int | None = None) -> Response:
        return JSONResponse({"code": status, "message": words}, status, headers=self._headers(left))

    def _headers(self, left: int | None = None) -> dict[str, str]:
        return {"x-api-credits-left": str(self.credits if left is None else left)}
