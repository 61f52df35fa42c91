"""A fake AI/ML API: `images/generations`, with the fields of each model's own page, and what each call cost."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from platemark.simulate.board import COMMON, Switchboard, bearer_of, id_of
from platemark.simulate.delivery import TROUBLES, Delivery
from platemark.simulate.fields import Field, complaints
from platemark.simulate.pictures import as_format, as_payload, blank, striped

USD = "0.06"
_PAGE: Mapping[str, Field] = {
    "model": Field(required=True),
    "prompt": Field(required=True, most=4_000),
    "num_images": Field("number", least=1, most=4),
    "seed": Field("integer", least=1),
    "negative_prompt": Field(),
    "guidance_scale": Field("number", least=1, most=20),
    "num_inference_steps": Field("integer", least=1, most=50),
    "enable_safety_checker": Field("flag"),
}
MODELS: Mapping[str, Mapping[str, Field]] = {
    "stable-diffusion-v35-large": {**_PAGE, "output_format": Field(one_of=("jpeg", "png"))},
    "stable-diffusion-v3-medium": {**_PAGE, "prompt_expansion": Field("flag")},
}
_SIDE = Field("integer", least=64, most=1536, step=32)
_NAMED = {
    "square_hd": (1024, 1024),
    "square": (512, 512),
    "portrait_4_3": (768, 1024),
    "portrait_16_9": (576, 1024),
    "landscape_4_3": (1024, 768),
    "landscape_16_9": (1024, 576),
}
_SAID = {
    400: "Body validation error! See the details.",
    401: "Unauthorized.",
    403: "You've run out of credits. Please top up your balance.",
    404: "Model not found.",
    429: "Too many requests.",
    500: "Internal server error.",
    502: "Bad gateway.",
    503: "Service unavailable.",
    504: "Generation timeout.",
}
_REFUSALS = {"bad_request": 400, "auth": 401, "out_of_credit": 403, "not_found": 404}
_OWN = frozenset({*_REFUSALS, *TROUBLES, "prompt_blocked", "output_blocked", "error_in_200", "corrupt_base64"})


@dataclass
class FakeAimlapi:
    """Answers at once with URLs; base64 only where it is to be corrupt."""

    board: Switchboard = field(default_factory=Switchboard)
    results: Delivery = field(default_factory=Delivery)
    name: str = "aimlapi"
    troubles: frozenset[str] = frozenset(COMMON) | _OWN

    @property
    def app(self) -> ASGIApp:
        """The routes."""
        drawing = Route("/v1/images/generations", self._draw, methods=["POST"])
        return Starlette(routes=[drawing, Route(self.results.route, self.results.get, methods=["GET"])])

    def error(self, status: int, retry_after: int | None = None) -> Response:
        """The error body that all statuses share."""
        wait = "" if retry_after is None else f" Try again in {retry_after} seconds."
        return _error(status, _SAID[status] + wait)

    async def _draw(self, request: Request) -> Response:
        body: dict[str, Any] = await request.json()
        if refusal := self._refusal(request):
            return refusal
        self.board.note(request, body)
        if body.get("model") not in MODELS:
            return self.error(404)
        if found := list(_complaints(body)):
            return _error(400, "Body validation error! " + "; ".join(found))
        count = int(body.get("num_images", 1))
        data = [self._picture(request, body, index) for index in range(count)]
        credits = round(float(USD) * 2_000_000) * count
        headers = {**_ids(request), "x-aimlapi-usd-spent": f"{float(USD) * count:g}"}
        headers["x-aimlapi-credits-used"] = str(credits)
        return JSONResponse({"data": data, "meta": {"usage": {"credits_used": credits}}}, headers=headers)

    def _refusal(self, request: Request) -> Response | None:
        """What is said before the request is looked at."""
        trouble = self.board.take("POST", *_REFUSALS, "prompt_blocked", "error_in_200")
        if bearer_of(request) not in self.board.keys:
            return self.error(401)
        if trouble == "error_in_200":
            return JSONResponse({"message": "It did not work out.", "statusCode": 500, "path": request.url.path})
        if trouble == "prompt_blocked":
            return _error(400, "The prompt was refused by content moderation.")
        return self.error(_REFUSALS[trouble]) if trouble else None

    def _picture(self, request: Request, body: Mapping[str, Any], index: int) -> dict[str, Any]:
        trouble = self.board.take("POST", "output_blocked", "corrupt_base64", *TROUBLES)
        if trouble == "corrupt_base64":
            return {"url": None, "b64_json": as_payload(b"", trouble)}
        width, height = _size(body.get("image_size", "square_hd"))
        told = (body["prompt"], str(body.get("seed")), index)
        png = blank(width, height) if trouble == "output_blocked" else striped(width, height, *told)
        kind = body.get("output_format", "jpeg")
        return {"url": self.results.put(request, as_format(png, kind), kind, trouble), "b64_json": None}


def _complaints(body: Mapping[str, Any]) -> Iterator[str]:
    size: Any = body.get("image_size", "square_hd")
    # It is a name or an object, which no table can say.
    yield from complaints(MODELS[body["model"]], {k: v for k, v in body.items() if k != "image_size"}, {})
    if isinstance(size, dict):
        yield from complaints({"width": _SIDE, "height": _SIDE}, size, {})  # pyright: ignore[reportUnknownArgumentType]
    elif size not in _NAMED:
        yield f"image_size: must be an object or one of {', '.join(_NAMED)}"


def _size(said: Any) -> tuple[int, int]:
    return _NAMED[said] if isinstance(said, str) else (said.get("width", 1024), said.get("height", 768))


def _error(status: int, words: str) -> Response:
    body = {"message": words, "path": "/v1/images/generations", "requestId": "req-simulated", "statusCode": str(status)}
    return JSONResponse({**body, "timestamp": "2026-01-02T00:00:00.000Z"}, status)


def _ids(request: Request) -> dict[str, str]:
    said = request.headers.get("x-client-request-id", "")
    headers = {"x-inference-id": f"inf-{id_of(said, 16)}"}
    return {**headers, "x-client-request-id": said} if said else headers
