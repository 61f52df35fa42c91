"""A fake Together AI: `images/generations`. It refuses fields, values and models that the vendor does not know."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from platemark.simulate.board import COMMON, Switchboard, bearer_of, id_of
from platemark.simulate.delivery import LOST, Delivery
from platemark.simulate.fields import Field, complaints
from platemark.simulate.pictures import as_format, as_payload, broken, striped

_SIDE = Field("integer", least=64, most=1792, step=8)
FIELDS: Mapping[str, Field] = {
    "prompt": Field(required=True, least=1, most=10_000),
    "model": Field(required=True),
    "steps": Field("integer", least=1, most=50),
    "image_url": Field(),
    "seed": Field("integer", least=0),
    "n": Field("integer", least=1, most=4),
    "height": _SIDE,
    "width": _SIDE,
    "negative_prompt": Field(most=10_000),
    "response_format": Field(one_of=("base64", "url")),
    "guidance_scale": Field("number", least=0, most=50),
    "output_format": Field(one_of=("jpeg", "png")),
    "image_loras": Field("list", most=2),
    "reference_images": Field("list", least=1),
    "disable_safety_checker": Field("flag"),
}
_LORA = {"path": Field(required=True, least=1), "scale": Field("number", required=True)}
_KONTEXT = tuple(f"black-forest-labs/FLUX.1-kontext-{kind}" for kind in ("dev", "pro", "max"))
# Each with the fields that not all of them take.
MODELS: Mapping[str, tuple[str, ...]] = {
    "black-forest-labs/FLUX.1-schnell": ("steps",),
    "black-forest-labs/FLUX.1-schnell-Free": ("steps",),
    "black-forest-labs/FLUX.1-dev": ("steps", "guidance_scale"),
    "black-forest-labs/FLUX.1-dev-lora": ("steps", "guidance_scale", "image_loras"),
    "black-forest-labs/FLUX.1-krea-dev": ("steps", "guidance_scale"),
    "black-forest-labs/FLUX.1.1-pro": (),
    _KONTEXT[0]: ("steps", "guidance_scale", "image_url"),
    _KONTEXT[1]: ("image_url",),
    _KONTEXT[2]: ("image_url",),
    "Qwen/Qwen-Image": ("steps", "guidance_scale", "negative_prompt", "reference_images"),
    "stabilityai/stable-diffusion-xl-base-1.0": ("steps", "guidance_scale", "negative_prompt"),
    "stabilityai/stable-diffusion-3-medium": ("steps", "guidance_scale", "negative_prompt"),
    "Lykon/DreamShaper": ("steps", "guidance_scale", "negative_prompt"),
}
_NOT_ALL = {name for fields in MODELS.values() for name in fields}
_SAID = {
    400: ("invalid_request_error", None, "Some field is not valid."),
    401: ("invalid_request_error", "invalid_api_key", "Invalid API key provided."),
    402: ("invalid_request_error", None, "Your account has reached its spending limit."),
    403: ("invalid_request_error", None, "The prompt is too long for the context of the model."),
    404: ("invalid_request_error", "model_not_available", "Unable to access the model. Please see the list of models."),
    429: ("rate_limit", None, "You have reached the rate limit of this model."),
    500: ("server_error", None, "An unexpected error has occurred."),
    502: ("server_error", None, "Bad gateway."),
    503: ("service_unavailable", None, "The server is currently overloaded with requests. Please try again later."),
}
_REFUSALS = {"bad_request": 400, "auth": 401, "out_of_credit": 402, "not_found": 404}
_BLOCKED = {
    "prompt_blocked": "The prompt may contain NSFW content.",
    "output_blocked": "The generated image may contain NSFW content.",
}
_OWN = frozenset({*_REFUSALS, *_BLOCKED, *LOST, "error_in_200", "corrupt_base64", "corrupt_picture"})


@dataclass
class FakeTogether:
    """Answers at once; what was asked for as URLs lies in `results`."""

    board: Switchboard = field(default_factory=Switchboard)
    results: Delivery = field(default_factory=Delivery)
    name: str = "together"
    troubles: frozenset[str] = frozenset(COMMON) | _OWN

    @property
    def app(self) -> ASGIApp:
        """The routes."""
        drawing = Route("/v1/images/generations", self._draw, methods=["POST"])
        return Starlette(routes=[drawing, Route(self.results.route, self.results.get, methods=["GET"])])

    def error(self, status: int, retry_after: int | None = None) -> Response:
        """The error body that all statuses share."""
        kind, code, words = _SAID[status]
        if retry_after is not None:
            words += f" Please try again in {retry_after} seconds."
        return _error(status, words, kind, code)

    async def _draw(self, request: Request) -> Response:
        body: Any = await request.json()
        if refusal := self._refusal(request):
            return refusal
        self.board.note(request, body)
        if found := list(_complaints(body)):
            return _error(400, "; ".join(found))
        if body["model"] not in MODELS:
            return self.error(404)
        pictures = [self._picture(request, body, index) for index in range(body.get("n", 1))]
        answer = {"id": _id(body), "model": body["model"], "object": "list", "data": pictures}
        return JSONResponse(answer, headers={"x-request-id": _id(body)})

    def _refusal(self, request: Request) -> Response | None:
        """What is said before the request is looked at."""
        trouble = self.board.take("POST", *_REFUSALS, *_BLOCKED, "error_in_200")
        if bearer_of(request) not in self.board.keys:
            return self.error(401)
        if trouble == "error_in_200":
            return JSONResponse({"error": {"message": "It did not work out.", "type": "some_error"}})
        if trouble in _BLOCKED:
            return _error(422, _BLOCKED[trouble])
        return self.error(_REFUSALS[trouble]) if trouble else None

    def _picture(self, request: Request, body: Mapping[str, Any], index: int) -> dict[str, Any]:
        """Base64 or a URL, as was asked for. A URL that goes wrong comes in any case."""
        trouble = self.board.take("POST", "corrupt_base64", "corrupt_picture", *LOST)
        output_format = body.get("output_format", "jpeg")
        told = (body["prompt"], body.get("seed", 0) + index, body.get("image_url", ""), str(body.get("image_loras")))
        data = as_format(striped(body.get("width", 1024), body.get("height", 1024), *told), output_format)
        if trouble == "corrupt_picture":
            data = broken(data)
        if trouble in LOST or body.get("response_format", "url") == "url":
            url = self.results.put(request, data, output_format, trouble)
            return {"index": index, "type": "url", "url": url}
        return {"index": index, "type": "b64_json", "b64_json": as_payload(data, trouble)}


def _complaints(body: Mapping[str, Any]) -> Iterator[str]:
    yield from complaints(FIELDS, body, {})
    for lora in body.get("image_loras", ()):
        yield from (f"image_loras.{words}" for words in complaints(_LORA, lora, {}))
    takes = MODELS.get(body.get("model", ""))
    if takes is not None:
        yield from (f"{name}: is not taken by this model" for name in sorted(_NOT_ALL & set(body) - set(takes)))


def _error(status: int, words: str, kind: str = "invalid_request_error", code: str | None = None) -> Response:
    error = {"message": words, "type": kind, "param": None, "code": code}
    return JSONResponse({"id": _id(words), "error": error}, status, headers={"x-request-id": _id(words)})


def _id(told: Any) -> str:
    return f"o{id_of(repr(told), 14)}"
