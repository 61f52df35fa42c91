"""Fakes of OpenAI Images and of the servers that speak it. Each refuses what its own server does not know."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from platemark.core.errors import InvalidImage
from platemark.simulate.board import COMMON, Switchboard, bearer_of, id_of
from platemark.simulate.delivery import Delivery
from platemark.simulate.fields import complaints, form_of
from platemark.simulate.openai_servers import KWARGS, SERVERS, Server
from platemark.simulate.pictures import as_format, as_payload, broken, measured, striped

_SAID = {
    400: ("invalid_request_error", "invalid_value", "Some field is not valid."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    404: ("invalid_request_error", "model_not_found", "The model does not exist or you do not have access to it."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached for images per minute."),
    500: ("server_error", None, "The server had an error while processing your request."),
    502: ("server_error", None, "Bad gateway."),
    503: ("server_error", None, "The engine is currently overloaded."),
}
_CREDIT = (429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota, please check your plan.")
_REFUSALS = {"bad_request": 400, "auth": 401, "not_found": 404}
_STAGES = {"prompt_blocked": "input", "output_blocked": "output"}
_OWN = frozenset({*_REFUSALS, "error_in_200", "corrupt_base64", "corrupt_picture", "fewer_pictures"})


@dataclass
class FakeOpenAIImages:
    """One server: `kind` is one of SERVERS."""

    kind: str = "openai"
    board: Switchboard = field(default_factory=Switchboard)
    results: Delivery = field(default_factory=lambda: Delivery("/generated-images"))

    @property
    def server(self) -> Server:
        """What it takes."""
        return SERVERS[self.kind]

    @property
    def name(self) -> str:
        """The name of the kind."""
        return self.kind

    @property
    def troubles(self) -> frozenset[str]:
        """Only OpenAI itself moderates and is paid."""
        return frozenset(COMMON) | _OWN | self.server.refuses

    @property
    def app(self) -> ASGIApp:
        """The routes."""
        drawing = [Route(path, self._draw, methods=["POST"]) for path in (*self.server.json, *self.server.forms)]
        return Starlette(routes=[*drawing, Route(self.results.route, self.results.get, methods=["GET"])])

    def error(self, status: int, retry_after: int | None = None) -> Response:
        """An error in the shape of this server."""
        kind, code, words = _SAID[status]
        wait = "" if retry_after is None else f" Please try again in {retry_after}s."
        return self._error(status, kind, code, words + wait)

    def _error(self, status: int, kind: str, code: str | None, words: str, **more: Any) -> Response:
        headers = {"x-request-id": f"req_{id_of(words, 16)}"}
        if self.server.style == "detail":
            return JSONResponse({"detail": words}, status, headers=headers)
        error = {"message": words, "type": kind, "param": None, "code": code, **more}
        return JSONResponse({"error": error}, status, headers=headers)

    async def _draw(self, request: Request) -> Response:
        path = request.url.path
        given, files = await self._body(request)
        if refusal := self._refusal(request):
            return refusal
        table = self.server.json.get(path) or self.server.forms[path]
        if found := [*complaints(table, given, files), *_rules(self.server, given, files)]:
            return self._error(400, "invalid_request_error", "invalid_value", "; ".join(found))
        if self.server.models and given.get("model") not in self.server.models:
            return self.error(404)
        try:
            size = _size(self.server, path, given, files)
        except InvalidImage:
            return self._error(400, "invalid_request_error", "invalid_image", "The image cannot be read.")
        count = int(given.get("n", 1)) - (self.board.take("POST", "fewer_pictures") is not None)
        data = [self._picture(request, size, given, files, index) for index in range(count)]
        headers = {"x-request-id": f"req_{id_of(repr(given), 16)}"}
        return JSONResponse({"created": 1_767_312_000, "data": data}, headers=headers)

    async def _body(self, request: Request) -> tuple[dict[str, Any], dict[str, bytes]]:
        if request.headers.get("content-type", "").startswith("multipart/"):
            fields, files = await form_of(request)
            self.board.note(request, fields=fields, files=files)
            return {**fields}, files
        body: dict[str, Any] = await request.json()
        self.board.note(request, body)
        return body, {}

    def _refusal(self, request: Request) -> Response | None:
        """What is said before the request is looked at."""
        key = bearer_of(request)
        trouble = self.board.take("POST", *_REFUSALS, *self.server.refuses, "error_in_200")
        if key not in self.board.keys and (key or not self.server.open_to_all):
            return self.error(401)
        if trouble == "error_in_200":
            return JSONResponse({"error": {"message": "It did not work out.", "type": "some_error"}})
        if trouble == "out_of_credit":
            return self._error(*_CREDIT)
        if trouble in _STAGES:
            words, stage = "Your request was rejected by the safety system.", _STAGES[trouble]
            return self._error(400, "image_generation_user_error", "moderation_blocked", words, moderation_stage=stage)
        return self.error(_REFUSALS[trouble]) if trouble else None

    def _picture(
        self,
        request: Request,
        size: tuple[int, int],
        given: Mapping[str, Any],
        files: Mapping[str, bytes],
        index: int,
    ) -> dict[str, Any]:
        trouble = self.board.take("POST", "corrupt_base64", "corrupt_picture")
        said = {"seed": self.server.seed, **given}
        told = sorted(f"{name}={value}" for name, value in said.items() if name not in ("n", "size"))
        kind: Any = given.get("output_format", "png")
        data = as_format(striped(*size, *told, *files.values(), index), kind)
        if trouble == "corrupt_picture":
            data = broken(data)
        if request.url.path in self.server.alone:
            return {"url": self.results.put(request, data)}
        return {"b64_json": as_payload(data, trouble)}


def _rules(server: Server, given: Mapping[str, Any], files: Mapping[str, bytes]) -> Iterator[str]:
    """What goes beyond one field."""
    size = given.get("size")
    if size is not None and size not in server.sizes:
        known = "" if not server.sizes else f" one of {', '.join(server.sizes)}"
        if known or not re.fullmatch(rf"\d+{re.escape(server.times)}\d+", size):
            yield f"size: must be{known or f' WIDTH{server.times}HEIGHT'}"
    if "kwargs" in given:
        try:
            yield from (f"kwargs: {words}" for words in complaints(KWARGS, json.loads(given["kwargs"]), {}))
        except ValueError:
            yield "kwargs: must be JSON"
    if server.name == "openai" and "mask" in files:
        yield from _mask(files["mask"], files.get("image", b""))


def _mask(mask: bytes, image: bytes) -> Iterator[str]:
    try:
        same = measured(mask) == measured(image)
    except InvalidImage:
        yield "mask: cannot be read"
        return
    # The kind of colour lies behind the signature, the chunk's head, two sides and the depth.
    if mask[25] not in (4, 6):
        yield "mask: must have an alpha channel"
    if not same:
        yield "mask: must have the size of the image"


def _size(server: Server, path: str, given: Mapping[str, Any], files: Mapping[str, bytes]) -> tuple[int, int]:
    if found := re.fullmatch(r"(\d+)\D(\d+)", given.get("size", "")):
        return int(found[1]), int(found[2])
    if "image" in files and path not in server.alone and not server.sizes:
        return measured(files["image"])
    return (1024, 1024) if server.sizes else (512, 512)
