"""A fake Fireworks AI: SDXL routes, FLUX workflows, and Kontext with its tickets. It refuses what the vendor would."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from platemark.core.errors import InvalidImage
from platemark.providers.http import data_uri, decode_payload
from platemark.simulate.board import COMMON, Switchboard, bearer_of, id_of
from platemark.simulate.delivery import LOST, Delivery
from platemark.simulate.fields import Field, complaints, form_of
from platemark.simulate.pictures import as_format, as_payload, broken, by_ratio, measured, striped

_ACCOUNT = "/inference/v1/{family}/accounts/fireworks/models/{model}"
_MODELS = "/inference/v1/{}/accounts/fireworks/models/{}"
_SDXL = (
    *("stable-diffusion-xl-1024-v1-0", "playground-v2-5-1024px-aesthetic", "playground-v2-1024px-aesthetic"),
    *("japanese-stable-diffusion-xl", "SSD-1B"),
)
_FLUX = ("flux-1-dev-fp8", "flux-1-schnell-fp8")
_KONTEXT = ("flux-kontext-pro", "flux-kontext-max")
_RATIOS = ("1:1", "21:9", "16:9", "3:2", "5:4", "4:5", "2:3", "9:16", "9:21", "4:3", "3:4")
_FLAG = Field(one_of=("true", "false"))
_UNIT = Field("number", least=0, most=1)
_SIDE = Field("integer", least=256, most=2048, step=8)
_DRAWN = {
    "prompt": Field(most=10_000),
    "negative_prompt": Field(most=10_000),
    "cfg_scale": Field("number", least=0, most=35),
    "height": _SIDE,
    "width": _SIDE,
    "sampler": Field(),
    "samples": Field("integer", least=1, most=10),
    "steps": Field("integer", least=1, most=150),
    "seed": Field("integer", least=0, most=4_294_967_295),
    "style_preset": Field(),
    "safety_check": _FLAG,
    "lora_adapter_name": Field(),
    "lora_weight_filename": Field(),
    "clip_guidance_preset": Field(),
    "text_prompts": Field("list"),
    "apply_invisible_watermark": _FLAG,
    "return_latents": _FLAG,
    "model": Field(),
}
_SCHEDULE = {"step_schedule_start": _UNIT, "step_schedule_end": _UNIT, "crop_padding": _FLAG}
ROUTES: Mapping[str, Mapping[str, Field]] = {
    "": _DRAWN,
    "image_to_image": {
        **_DRAWN,
        **_SCHEDULE,
        "init_image": Field("file", required=True),
        "init_image_mode": Field(one_of=("IMAGE_STRENGTH", "STEP_SCHEDULE")),
        "image_strength": _UNIT,
    },
    "control_net": {
        **_DRAWN,
        **_SCHEDULE,
        "control_image": Field("file", required=True),
        "control_net_name": Field(required=True, least=1),
        "conditioning_scale": Field("number", least=0, most=2),
    },
    "canny_edge_detection": {
        "image": Field("file", required=True),
        "min_val": Field("number", least=0, most=255),
        "max_val": Field("number", least=0, most=255),
    },
}
_WORKFLOW = {
    "prompt": Field(required=True, least=1, most=10_000),
    "aspect_ratio": Field(one_of=_RATIOS),
    "guidance_scale": Field("number", least=0, most=20),
    "num_inference_steps": Field("integer", least=1, most=50),
    "seed": Field("integer", least=0),
}
_EDITED = {
    "prompt": Field(required=True, least=1, most=10_000),
    "input_image": Field(),
    "seed": Field("integer", least=0),
    "aspect_ratio": Field(one_of=_RATIOS),
    "output_format": Field(one_of=("jpeg", "png")),
    "webhook_url": Field(least=1, most=2083),
    "webhook_secret": Field(),
    "prompt_upsampling": _FLAG,
    "safety_tolerance": Field("integer", least=0, most=6),
}
_SAID = {
    400: "Some field is not valid.",
    401: "The API key is not valid.",
    402: "Your account has no credit left.",
    404: "Model not found, inaccessible, and/or not deployed.",
    429: "You have exceeded the rate limit of your account.",
    500: "An internal error has occurred.",
    502: "Bad gateway.",
    503: "The service is overloaded.",
}
_REFUSALS = {"bad_request": 400, "auth": 401, "out_of_credit": 402, "not_found": 404}
_LATER = {"prompt_blocked": "Request Moderated", "failed_later": "Error", "never_ending": "Pending"}
_OWN = frozenset({*_REFUSALS, *_LATER, *LOST, "output_blocked", "error_in_200", "corrupt_base64", "corrupt_picture"})
# What is posted without asking for a picture: questions after tickets, and the finding of edges.
_UNCOUNTED = (
    *(f"{_MODELS.format('workflows', model)}/get_result" for model in _KONTEXT),
    *(f"{_MODELS.format('image_generation', model)}/canny_edge_detection" for model in _SDXL),
)


@dataclass
class FakeFireworks:
    """`polls`: how often a result of Kontext says that it is pending before it is there."""

    board: Switchboard = field(default_factory=lambda: Switchboard(uncounted=_UNCOUNTED))
    results: Delivery = field(default_factory=Delivery)
    polls: int = 2
    name: str = "fireworks"
    troubles: frozenset[str] = frozenset(COMMON) | _OWN
    tickets: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])

    @property
    def app(self) -> ASGIApp:
        """The routes."""
        account = _ACCOUNT.replace("{family}", "image_generation"), _ACCOUNT.replace("{family}", "workflows")
        return Starlette(
            routes=[
                Route(account[0], self._sdxl, methods=["POST"]),
                Route(f"{account[0]}/{{route}}", self._sdxl, methods=["POST"]),
                Route(f"{account[1]}/text_to_image", self._workflow, methods=["POST"]),
                Route(account[1], self._kontext, methods=["POST"]),
                Route(f"{account[1]}/get_result", self._result, methods=["POST"]),
                Route(self.results.route, self.results.get, methods=["GET"]),
            ]
        )

    def error(self, status: int, retry_after: int | None = None) -> Response:
        """The error body of the vendor's client, which a gateway's errors have too."""
        words = _SAID[status] + (f" Try again in {retry_after} seconds." if retry_after is not None else "")
        return _error(status, words)

    async def _sdxl(self, request: Request) -> Response:
        route = request.path_params.get("route", "")
        given, files = await self._body(request)
        if refusal := self._refusal(request, request.path_params["model"] in _SDXL and route in ROUTES):
            return refusal
        found = [*complaints(ROUTES[route], given, files), *_rules(given)]
        if found:
            return _error(400, "; ".join(found))
        try:
            size = _size(given, files)
        except InvalidImage:
            return _error(400, "The picture cannot be read.")
        if route == "canny_edge_detection":
            return Response(striped(*size, "edges", *files.values()), media_type="image/png")
        seed = int(given.get("seed", 0)) or 777
        count = int(given.get("samples", 1))
        pictures = [striped(*size, given.get("prompt", ""), seed + index, *files.values()) for index in range(count)]
        return self._pictures(request, pictures, seed)

    async def _workflow(self, request: Request) -> Response:
        given, _ = await self._body(request)
        if refusal := self._refusal(request, request.path_params["model"] in _FLUX):
            return refusal
        if found := list(complaints(_WORKFLOW, given, {})):
            return _error(400, "; ".join(found))
        seed = given.get("seed", 0) or 777
        png = striped(*by_ratio(given.get("aspect_ratio", "1:1"), 1_048_576), given["prompt"], seed)
        if request.headers.get("accept") == "application/json":
            return JSONResponse({"id": id_of(png), "base64": [data_uri(png)], "finishReason": "SUCCESS", "seed": seed})
        return self._pictures(request, [png], seed)

    def _pictures(self, request: Request, pictures: list[bytes], seed: int) -> Response:
        """Bytes, or a list with base64, as `Accept` asks."""
        trouble = self.board.take("POST", "output_blocked", "corrupt_base64", "corrupt_picture")
        reason = "CONTENT_FILTERED" if trouble == "output_blocked" else "SUCCESS"
        accept = request.headers.get("accept", "application/json")
        if trouble == "corrupt_picture":
            pictures = [broken(pictures[0])]
        elif accept == "image/jpeg":
            pictures = [as_format(pictures[0], "jpeg")]
        if trouble != "corrupt_base64" and accept.startswith("image/"):
            headers = {"seed": str(seed), "finish-reason": reason, "x-request-id": id_of(pictures[0])}
            return Response(pictures[0], media_type=accept, headers=headers)
        texts = [as_payload(each, trouble) for each in pictures]
        listed = [{"base64": text, "finishReason": reason, "seed": seed + n} for n, text in enumerate(texts)]
        return JSONResponse(listed, headers={"x-request-id": id_of(pictures[0])})

    async def _kontext(self, request: Request) -> Response:
        given, _ = await self._body(request)
        if refusal := self._refusal(request, request.path_params["model"] in _KONTEXT):
            return refusal
        if found := list(complaints(_EDITED, given, {})):
            return _error(400, "; ".join(found))
        source = decode_payload(given.get("input_image", "")) or b""
        try:
            size = measured(source) if source else by_ratio(given.get("aspect_ratio", "1:1"), 1_048_576)
        except InvalidImage:
            return _error(400, "The picture cannot be read.")
        output_format = given.get("output_format", "jpeg")
        picture = as_format(striped(*size, given["prompt"], given.get("seed", 0), source), output_format)
        id = id_of(f"{len(self.tickets)}".encode() + picture)
        self.tickets[id] = [picture, output_format, given.get("seed", 777), self.polls]
        return JSONResponse({"request_id": id}, headers={"x-request-id": id})

    async def _result(self, request: Request) -> Response:
        given, _ = await self._body(request)
        if refusal := self._refusal(request, request.path_params["model"] in _KONTEXT):
            return refusal
        id = given.get("id", "")
        if id not in self.tickets:
            return JSONResponse(_state(id, "Task not found"))
        ticket = self.tickets[id]
        if trouble := self.board.take("POST", *_LATER):
            return JSONResponse(_state(id, _LATER[trouble]))
        if ticket[3] > 0:
            ticket[3] -= 1
            return JSONResponse(_state(id, "Pending", progress=1 - (ticket[3] + 1) / (self.polls + 1)))
        url = self.results.put(request, ticket[0], ticket[1], self.board.take("POST", *LOST))
        return JSONResponse(_state(id, "Ready", {"sample": url, "seed": ticket[2]}, 1.0))

    def _refusal(self, request: Request, known: bool) -> Response | None:
        """What is said before the fields are looked at."""
        if bearer_of(request) not in self.board.keys:
            return self.error(401)
        trouble = self.board.take("POST", *_REFUSALS, "error_in_200")
        if trouble == "error_in_200":
            return JSONResponse(_body_of_error("It did not work out."))
        if trouble is not None or not known:
            return self.error(_REFUSALS[trouble] if trouble else 404)
        return None

    async def _body(self, request: Request) -> tuple[dict[str, Any], dict[str, bytes]]:
        """The fields without those that say nothing, flags as words; and the files."""
        if request.headers.get("content-type", "").startswith("multipart/"):
            fields, files = await form_of(request)
            given = {name: value for name, value in fields.items() if value}
            self.board.note(request, fields=given, files=files)
            return given, files
        body: dict[str, Any] = await request.json()
        self.board.note(request, body)
        said = {name: value for name, value in body.items() if value is not None}
        return {n: str(v).lower() if isinstance(v, bool) else v for n, v in said.items()}, {}


def _rules(given: Mapping[str, Any]) -> Iterator[str]:
    if "lora_adapter_name" in given and "lora_weight_filename" not in given:
        yield "lora_weight_filename: is required with lora_adapter_name"
    if given.get("init_image_mode") == "IMAGE_STRENGTH" and "image_strength" not in given:
        yield "image_strength: is required with IMAGE_STRENGTH"


def _size(given: Mapping[str, Any], files: Mapping[str, bytes]) -> tuple[int, int]:
    """As asked for, else that of the source, else 1024 × 1024."""
    sizes = [measured(data) for data in files.values()]
    width, height = sizes[0] if sizes else (1024, 1024)
    return int(given.get("width", width)), int(given.get("height", height))


def _state(id: str, status: str, result: Mapping[str, Any] | None = None, progress: float = 0.0) -> dict[str, Any]:
    return {"id": id, "status": status, "result": result, "progress": progress, "details": {}}


def _body_of_error(words: str) -> dict[str, Any]:
    error = {"object": "error", "type": "invalid_request_error", "message": words}
    return {"error": error, "structured_error": {"name": "bad_request", "errors": []}}


def _error(status: int, words: str) -> Response:
    return JSONResponse(_body_of_error(words), status, headers={"x-request-id": id_of(words)})
