"""A fake Stability AI: v2beta with results polling, and v1 with SDXL. It refuses what the vendor does not know."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from platemark.core.errors import InvalidImage
from platemark.providers.stability import RATIOS, SAMPLERS, SDXL_SIZES
from platemark.simulate.board import COMMON, Switchboard, bearer_of, gateway_page, id_of, keep
from platemark.simulate.fields import Field, complaints, form_of
from platemark.simulate.pictures import as_format, as_payload, broken, by_ratio, measured, striped

MAX_BODY = 10 * 1024 * 1024
_STYLES = (
    *("enhance", "anime", "photographic", "digital-art", "comic-book", "fantasy-art", "line-art", "analog-film"),
    *("neon-punk", "isometric", "low-poly", "origami", "modeling-compound", "cinematic", "3d-model", "pixel-art"),
    "tile-texture",
)
_TEXT = Field(most=10_000)
_PROMPT = Field(required=True, least=1, most=10_000)
_IMAGE = Field("file", required=True)
_UNIT = Field("number", least=0, most=1)
_SIDE = Field("integer", least=0, most=2_000)
_COMMON = {"output_format": Field(one_of=("png", "jpeg", "webp"))}
_DRAWN = {**_COMMON, "seed": Field("number", least=0, most=4_294_967_294), "style_preset": Field(one_of=_STYLES)}
_RATIO = {"aspect_ratio": Field(one_of=RATIOS)}
_TEXTS = {"prompt": _PROMPT, "negative_prompt": _TEXT}
_SOURCE = {"image": Field("file"), "strength": _UNIT}
_LIKE = {**_DRAWN, **_TEXTS, "image": _IMAGE, "control_strength": _UNIT}
_MODELS = ("sd3.5-large", "sd3.5-large-turbo", "sd3.5-medium", "sd3.5-flash")
_SD3 = {
    "model": Field(one_of=_MODELS),
    "mode": Field(one_of=("text-to-image", "image-to-image")),
    "cfg_scale": Field("number", least=1, most=10),
}
ROUTES: Mapping[str, Mapping[str, Field]] = {
    "generate/ultra": {**_DRAWN, **_TEXTS, **_RATIO, **_SOURCE},
    "generate/core": {**_DRAWN, **_TEXTS, **_RATIO},
    "generate/sd3": {**_DRAWN, **_TEXTS, **_RATIO, **_SOURCE, **_SD3},
    "edit/inpaint": {
        **_DRAWN,
        **_TEXTS,
        "image": _IMAGE,
        "mask": Field("file"),
        "grow_mask": Field("number", least=0, most=100),
    },
    "edit/outpaint": {
        **_DRAWN,
        "prompt": _TEXT,
        "image": _IMAGE,
        "creativity": _UNIT,
        **dict.fromkeys(("left", "right", "up", "down"), _SIDE),
    },
    "control/sketch": _LIKE,
    "control/structure": _LIKE,
    "control/style": {**_DRAWN, **_TEXTS, **_RATIO, "image": _IMAGE, "fidelity": _UNIT},
    "upscale/fast": {**_COMMON, "image": _IMAGE},
    "upscale/conservative": {
        **{name: rule for name, rule in _DRAWN.items() if name != "style_preset"},
        **_TEXTS,
        "image": _IMAGE,
        "creativity": Field("number", least=0.2, most=0.5),
    },
    "upscale/creative": {
        **_DRAWN,
        **_TEXTS,
        "image": _IMAGE,
        "creativity": Field("number", least=0.1, most=0.5),
    },
}
_V1 = {
    "cfg_scale": Field("number", least=0, most=35),
    "steps": Field("integer", least=10, most=50),
    "seed": Field("integer", least=0, most=4_294_967_295),
    "samples": Field("integer", least=1, most=1),
    "sampler": Field(one_of=tuple(SAMPLERS.values())),
    "text_prompts[0][text]": Field(required=True, least=1, most=2_000),
    "text_prompts[0][weight]": Field("number"),
    "text_prompts[1][text]": Field(most=2_000),
    "text_prompts[1][weight]": Field("number"),
}
_PIXELS = Field("integer", least=128, step=64)
V1_ROUTES: Mapping[str, Mapping[str, Field]] = {
    "text-to-image": {**_V1, "width": _PIXELS, "height": _PIXELS},
    "image-to-image": {
        **_V1,
        "init_image": _IMAGE,
        "init_image_mode": Field(one_of=("IMAGE_STRENGTH", "STEP_SCHEDULE")),
        "image_strength": _UNIT,
    },
    "image-to-image/masking": {
        **_V1,
        "init_image": _IMAGE,
        "mask_image": Field("file"),
        "mask_source": Field(required=True, one_of=("MASK_IMAGE_WHITE", "MASK_IMAGE_BLACK", "INIT_IMAGE_ALPHA")),
    },
}
_ENGINE = "stable-diffusion-xl-1024-v1-0"
_SAID = {
    400: ("bad_request", "some-field: is required"),
    401: ("unauthorized", "missing or invalid api key"),
    402: ("payment_required", "Sorry, but your organization does not have enough credits."),
    403: (
        "content_moderation",
        "Your request was flagged by our content moderation system, as a result your request was denied and you were "
        "not charged.",
    ),
    404: ("generation_not_found", "id: the generation either does not exist or has expired."),
    413: ("payload_too_large", "body: payloads cannot be larger than 10MiB in size"),
    429: (
        "rate_limit_exceeded",
        "You have exceeded the rate limit of 150 requests within a 10 second period.",
    ),
    500: ("internal_error", "An unexpected server error has occurred, please try again later."),
}
_REFUSALS = {"bad_request": 400, "auth": 401, "out_of_credit": 402, "prompt_blocked": 403, "not_found": 404}
_OWN = frozenset(
    {*_REFUSALS, "output_blocked", "error_in_200", "corrupt_base64", "corrupt_picture", "never_ending", "failed_later"}
)


@dataclass
class FakeStability:
    """`polls`: how often a result says that it is in progress before it is there."""

    board: Switchboard = field(default_factory=Switchboard)
    polls: int = 2
    name: str = "stability"
    troubles: frozenset[str] = frozenset(COMMON) | _OWN
    results: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])

    @property
    def app(self) -> ASGIApp:
        """The routes."""
        return Starlette(
            routes=[
                Route("/v2beta/stable-image/{route:path}", self._v2, methods=["POST"]),
                Route("/v2beta/results/{id}", self._result, methods=["GET"]),
                Route(f"/v1/generation/{_ENGINE}/{{route:path}}", self._v1, methods=["POST"]),
                Route("/v1/user/balance", self._balance, methods=["GET"]),
            ]
        )

    def error(self, status: int, retry_after: int | None = None) -> Response:
        """An error body of v2beta; a gateway's page for 502 and 503."""
        if status in (502, 503):
            return gateway_page(status)
        name, words = _SAID[status]
        if retry_after is not None:
            words += f" You have been timed out for {retry_after} seconds."
        return _error(status, name, words)

    async def _v2(self, request: Request) -> Response:
        route = request.path_params["route"]
        if refusal := await self._refusal(request):
            return refusal
        if route not in ROUTES:
            return _error(404, "not_found", "The requested route does not exist.")
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            return _error(400, "bad_request", "content-type: must be multipart/form-data")
        given, files = await self._form(request)
        found = [*complaints(ROUTES[route], given, files), *_rules(route, given, files)]
        if found:
            return _error(400, "bad_request", *found)
        try:
            png = _draw(route, given, files)
        except InvalidImage:
            return _error(400, "bad_request", "image: cannot be read")
        seed = int(float(given.get("seed", 0))) or int.from_bytes(hashlib.sha256(png).digest()[:4], "big") // 2 + 1
        if route == "upscale/creative":
            return self._accepted(png, seed, given)
        return self._image(request, png, seed, given.get("output_format", "png"))

    def _accepted(self, png: bytes, seed: int, given: Mapping[str, str]) -> Response:
        id = id_of(f"{len(self.results)}".encode() + png, 64)
        keep(self.results, id, [png, seed, given.get("output_format", "png"), self.polls])
        return JSONResponse({"id": id}, headers=_ids(id))

    async def _result(self, request: Request) -> Response:
        id = request.path_params["id"]
        if refusal := await self._refusal(request):
            return refusal
        if id not in self.results:
            return self.error(404)
        png, seed, output_format, left = self.results[id]
        if left > 0 or self.board.take("GET", "never_ending"):
            self.results[id][3] = max(0, left - 1)
            return JSONResponse({"id": id, "status": "in-progress"}, 202, headers=_ids(id))
        if self.board.take("GET", "failed_later"):
            return self.error(403)
        return self._image(request, png, seed, output_format)

    async def _v1(self, request: Request) -> Response:
        route = request.path_params["route"]
        if refusal := await self._refusal(request):
            return refusal
        if route not in V1_ROUTES:
            return _v1_error(404, "not_found", "The specified engine was not found.")
        given, files = await self._v1_body(request)
        found = [*complaints(V1_ROUTES[route], given, files)]
        if route == "text-to-image" and (int(given.get("width", 512)), int(given.get("height", 512))) not in SDXL_SIZES:
            found.append("width: this is not a size that the engine draws")
        if found:
            return _v1_error(400, "bad_request", "; ".join(found))
        source = files.get("init_image")
        size = measured(source) if source else (int(given["width"]), int(given["height"]))
        png = striped(*size, given["text_prompts[0][text]"], str(given.get("seed")), *files.values())
        return self._image(request, png, int(given.get("seed", 0)) or 1, "png")

    async def _v1_body(self, request: Request) -> tuple[dict[str, str], dict[str, bytes]]:
        if request.headers.get("content-type", "").startswith("multipart/"):
            return await self._form(request)
        body: dict[str, Any] = json.loads(await request.body())
        self.board.note(request, {**body})
        prompts = body.pop("text_prompts", [])
        for index, prompt in enumerate(prompts):
            body |= {f"text_prompts[{index}][{name}]": value for name, value in prompt.items()}
        return body, {}

    async def _balance(self, request: Request) -> Response:
        return await self._refusal(request) or JSONResponse({"credits": 1000.0})

    async def _refusal(self, request: Request) -> Response | None:
        """What is said before the request is looked at."""
        trouble = self.board.take(request.method, *_REFUSALS, "error_in_200")
        if bearer_of(request) not in self.board.keys or trouble == "auth":
            await request.body()
            return self.error(401)
        if trouble == "error_in_200":
            await request.body()
            return JSONResponse({"id": "x", "name": "some_error", "errors": ["It did not work out."]})
        if trouble is not None:
            await request.body()
            return self.error(_REFUSALS[trouble])
        if int(request.headers.get("content-length", 0)) > MAX_BODY:
            return self.error(413)
        return None

    async def _form(self, request: Request) -> tuple[dict[str, str], dict[str, bytes]]:
        given, files = await form_of(request)
        self.board.note(request, fields=given, files=files)
        return given, files

    def _image(self, request: Request, png: bytes, seed: int, output_format: Any) -> Response:
        """Bytes, or base64 in JSON, as `Accept` asks; blurred and marked where the picture is to be withheld."""
        trouble = self.board.take(request.method, "output_blocked", "corrupt_base64", "corrupt_picture")
        reason = "CONTENT_FILTERED" if trouble == "output_blocked" else "SUCCESS"
        data = as_format(png, output_format)
        if trouble == "corrupt_picture":
            data = broken(data)
        if trouble == "corrupt_base64" or request.headers.get("accept") == "application/json":
            text = as_payload(data, trouble)
            return JSONResponse({"image": text, "seed": seed, "finish_reason": reason}, headers=_ids(text))
        headers = {"finish-reason": reason, "seed": str(seed), **_ids(reason)}
        return Response(data, media_type=f"image/{output_format}", headers=headers)


def _ids(text: str) -> dict[str, str]:
    return {"x-request-id": f"req-{id_of(text, 16)}"}


def _error(status: int, name: str, *words: str) -> Response:
    id = name if status == 429 else id_of(name)
    return JSONResponse({"id": id, "name": name, "errors": list(words)}, status, headers=_ids(name))


def _v1_error(status: int, name: str, words: str) -> Response:
    return JSONResponse({"id": "9160aa70-222f-4a36-9eb7-475e2668362a", "name": name, "message": words}, status)


def _rules(route: str, given: Mapping[str, str], files: Mapping[str, bytes]) -> list[str]:
    """What goes beyond one field."""
    found = list[str]()
    if route in ("generate/ultra", "generate/sd3"):
        starts = "image" in files
        if starts and "strength" not in given:
            found.append("strength: is required with image")
        if route == "generate/sd3" and starts != (given.get("mode") == "image-to-image"):
            found.append("mode: must be image-to-image exactly when there is an image")
        if route == "generate/sd3" and starts and "aspect_ratio" in given:
            found.append("aspect_ratio: is for text-to-image only")
    if route == "edit/outpaint" and not any(int(given.get(side, 0)) for side in ("left", "right", "up", "down")):
        found.append("at least one of left, right, up, down must be greater than 0")
    return found


def _draw(route: str, given: Mapping[str, str], files: Mapping[str, bytes]) -> bytes:
    told = (given.get("prompt", ""), given.get("seed", ""), *files.values())
    return striped(*_result_size(route, given, files), *told)


def _result_size(route: str, given: Mapping[str, str], files: Mapping[str, bytes]) -> tuple[int, int]:
    if "image" not in files or route == "control/style":
        pixels = 1_500_000 if route == "generate/core" else 1_048_576
        return by_ratio(given.get("aspect_ratio", "1:1"), pixels)
    width, height = measured(files["image"])
    if route == "edit/outpaint":
        left, right, up, down = (int(given.get(side, 0)) for side in ("left", "right", "up", "down"))
        return width + left + right, height + up + down
    scale = 4 if route == "upscale/fast" else 2 if route.startswith("upscale/") else 1
    return width * scale, height * scale
