"""A fake Hugging Face Inference: models by hub id and task, answers in bytes, models that have to be loaded first."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from platemark.imaging.header import sniff
from platemark.providers.http import as_object
from platemark.providers.vendor import is_picture
from platemark.simulate.board import COMMON, Switchboard, bearer_of, gateway_page
from platemark.simulate.fields import Field, complaints
from platemark.simulate.pictures import as_format, as_payload, blank, broken, measured, striped

_TEXT = Field()
_DRAWN = {
    "guidance_scale": Field("number"),
    "negative_prompt": _TEXT,
    "num_inference_steps": Field("integer", least=1),
}
_SIDE = Field("integer", least=8, step=8)
# What the published tasks know.
TASKS: Mapping[str, Mapping[str, Field]] = {
    "text-to-image": {
        **_DRAWN,
        "width": _SIDE,
        "height": _SIDE,
        "scheduler": _TEXT,
        "seed": Field("integer", least=0),
    },
    "image-to-image": {**_DRAWN, "prompt": _TEXT},
}
# Task and native side by hub id.
HUB: Mapping[str, tuple[str, int]] = {
    "stabilityai/stable-diffusion-xl-base-1.0": ("text-to-image", 1024),
    "stabilityai/stable-diffusion-3.5-large": ("text-to-image", 1024),
    "stabilityai/stable-diffusion-3.5-large-turbo": ("text-to-image", 1024),
    "stabilityai/stable-diffusion-3-medium-diffusers": ("text-to-image", 1024),
    "stable-diffusion-v1-5/stable-diffusion-v1-5": ("text-to-image", 512),
    "stabilityai/stable-diffusion-xl-refiner-1.0": ("image-to-image", 1024),
    "timbrooks/instruct-pix2pix": ("image-to-image", 512),
}
_SAID = {
    400: "Model some/model is not supported by provider hf-inference",
    401: "Invalid username or password.",
    402: "You have exceeded your monthly included credits for Inference Providers.",
    404: "Model some/model does not exist",
    422: "parameters: some_field is not a known field",
    429: "Rate limit reached. Please log in or use a HF access token.",
    500: "Internal Server Error",
}
_REFUSALS = {"bad_request": 422, "auth": 401, "out_of_credit": 402, "not_found": 404}
_OF_PICTURES = ("output_blocked", "corrupt_base64", "corrupt_picture")
_OWN = frozenset({*_REFUSALS, *_OF_PICTURES, "error_in_200"})


@dataclass
class FakeHuggingFace:
    """`cold`: how many requests come while the model is loaded. `hub`: the models, with task and native side."""

    board: Switchboard = field(default_factory=Switchboard)
    cold: int = 0
    hub: Mapping[str, tuple[str, int]] = field(default_factory=lambda: HUB)
    name: str = "huggingface"
    troubles: frozenset[str] = frozenset(COMMON) | _OWN

    @property
    def app(self) -> ASGIApp:
        """The routes: under the address of the router, or of this provider behind it."""
        paths = ("/models/{id:path}", "/hf-inference/models/{id:path}")
        return Starlette(routes=[Route(path, self._infer, methods=["POST"]) for path in paths])

    def error(self, status: int, retry_after: int | None = None) -> Response:
        """An error body; a gateway's page for 502, and 503 without a word about loading."""
        if status == 502:
            return gateway_page(status)
        if status == 503:
            return JSONResponse({"error": "Service Unavailable"}, status)
        wait = "" if retry_after is None else f" Please retry in {retry_after} seconds."
        return JSONResponse({"error": _SAID[status] + wait}, status, headers={"x-request-id": f"req-{status}"})

    async def _infer(self, request: Request) -> Response:
        id, content = request.path_params["id"], await request.body()
        if refusal := self._refusal(request, id):
            return refusal
        task, side = self.hub[id]
        given, source = self._body(request, content, task)
        known = {"inputs": Field(required=True), **TASKS[task]}
        if found := list(complaints(known, given, {})):
            return JSONResponse({"error": found}, 422)
        if task == "image-to-image" and not is_picture(source):
            return JSONResponse({"error": "cannot identify image file"}, 400)
        size = (int(given.get("width", side)), int(given.get("height", side))) if not source else measured(source)
        told = (given["inputs"][:10_000], given.get("prompt", ""), given.get("seed", ""))
        return self._picture(request, striped(*size, *told))

    def _body(self, request: Request, content: bytes, task: str) -> tuple[dict[str, Any], bytes]:
        """Parameters beside `inputs`, and the source: base64 in JSON, or the whole body where it is a picture."""
        headers = dict(request.headers)
        if headers.get("content-type", "").startswith("image/") or sniff(content):
            self.board.note(request, files={"inputs": content})
            return {"inputs": "picture"}, content
        body: dict[str, Any] = json.loads(content)
        self.board.note(request, {**body})
        parameters = {
            name: value for name, value in as_object(body.pop("parameters", None)).items() if value is not None
        }
        source = _decoded(body.get("inputs")) if task == "image-to-image" else b""
        return {**body, **parameters}, source

    def _refusal(self, request: Request, id: str) -> Response | None:
        trouble = self.board.take(request.method, *_REFUSALS, "error_in_200")
        if trouble == "error_in_200":
            return JSONResponse({"error": "unknown error"})
        if trouble is not None:
            return self.error(_REFUSALS[trouble])
        if bearer_of(request) not in self.board.keys:
            return self.error(401)
        if id not in self.hub:
            return JSONResponse({"error": f"Model {id} does not exist"}, 404)
        if self.cold > 0:
            self.cold -= 1
            return JSONResponse({"error": f"Model {id} is currently loading", "estimated_time": 20.0}, 503)
        return None

    def _picture(self, request: Request, png: bytes) -> Response:
        """Bytes in the form that `Accept` asks for; JSON in trouble, as other hosts behind the router answer."""
        trouble = self.board.take(request.method, *_OF_PICTURES)
        if trouble == "corrupt_base64":
            return JSONResponse({"data": [{"b64_json": as_payload(png, trouble)}]})
        if trouble == "output_blocked":
            png = blank(*measured(png))
        is_jpeg = request.headers.get("accept") == "image/jpeg"
        data = as_format(png, "jpeg") if is_jpeg else png
        if trouble == "corrupt_picture":
            data = broken(data)
        headers = {"x-request-id": f"req-{len(self.board.calls)}"}
        return Response(data, media_type="image/jpeg" if is_jpeg else "image/png", headers=headers)


def _decoded(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except binascii.Error:
        return b""
