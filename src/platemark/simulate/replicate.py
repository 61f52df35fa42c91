"""A fake Replicate: predictions by official model and by version, waiting, polling, cancelling, uploads, webhooks."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from platemark.core.errors import InvalidImage
from platemark.providers.http import as_object
from platemark.simulate.board import COMMON, Switchboard, address_of, gateway_page, id_of, keep
from platemark.simulate.calling import call_back
from platemark.simulate.delivery import TROUBLES, Delivery
from platemark.simulate.fields import Field, complaints, form_of
from platemark.simulate.pictures import by_ratio, measured, striped

_MOST_DATA_URL = 256 * 1024
_MOST_FILE = 100 * 1024 * 1024
_TEXT, _SEED, _UNIT, _FLAG = Field(), Field("integer"), Field("number", least=0, most=1), Field("integer", most=1)
_RATIOS = ("1:1", "16:9", "21:9", "3:2", "2:3", "4:5", "5:4", "3:4", "4:3", "9:16", "9:21")
_FIRST = ("DDIM", "K_EULER", "DPMSolverMultistep", "K_EULER_ANCESTRAL", "PNDM")
_SIDE = Field("integer", least=64, most=1_024, step=64)


def _sd35(most_steps: int) -> Mapping[str, Field]:
    return {
        "prompt": _TEXT,
        "cfg": Field("number", least=0, most=20),
        "seed": _SEED,
        "image": _TEXT,
        "steps": Field("integer", least=1, most=most_steps),
        "aspect_ratio": Field(one_of=_RATIOS),
        "output_format": Field(one_of=("webp", "jpg", "png")),
        "output_quality": Field("integer", least=0, most=100),
        "prompt_strength": Field("number"),
    }


_DIFFUSION = {
    "prompt": _TEXT,
    "negative_prompt": _TEXT,
    "seed": _SEED,
    "num_outputs": Field("integer", least=1, most=4),
    "num_inference_steps": Field("integer", least=1, most=500),
    "disable_safety_checker": _FLAG,
}
_PIXELS = Field("integer", least=8, step=8)
_OFFICIAL = {
    "stability-ai/stable-diffusion-3.5-large": _sd35(50),
    "stability-ai/stable-diffusion-3.5-large-turbo": _sd35(10),
    "stability-ai/stable-diffusion-3.5-medium": _sd35(50),
}
_VERSIONS = {
    "stability-ai/sdxl:7762fd07cf82c948538e41f63f77d685e02b063e37e496e96eefd46c929f9bdc": {
        **_DIFFUSION,
        **{"image": _TEXT, "mask": _TEXT, "width": _PIXELS, "height": _PIXELS},
        **{"prompt_strength": _UNIT, "high_noise_frac": _UNIT, "lora_scale": _UNIT},
        **{"refine_steps": _SEED, "apply_watermark": _FLAG, "replicate_weights": _TEXT},
        "guidance_scale": Field("number", least=1, most=50),
        "scheduler": Field(one_of=(*_FIRST, "HeunDiscrete", "KarrasDPM")),
        "refine": Field(one_of=("no_refiner", "expert_ensemble_refiner", "base_image_refiner")),
    },
    "stability-ai/stable-diffusion-inpainting:95b7223104132402a9ae91cc677285bc5eb997834bd2349fa486f53910fd68b3": {
        **_DIFFUSION,
        **{"image": Field(required=True), "mask": Field(required=True), "width": _SIDE, "height": _SIDE},
        "guidance_scale": Field("number", least=1, most=20),
        "scheduler": Field(one_of=(*_FIRST, "KLMS")),
    },
    "nightmareai/real-esrgan:f121d640bd286e1fdc67f9799164c1d5be36ff74576ee11c803ae5b665dd46aa": {
        "image": Field(required=True),
        "scale": Field("number", least=0, most=10),
        "face_enhance": _FLAG,
    },
}
# What these do is done while the submission waits.
_FAST = ("stability-ai/stable-diffusion-3.5-large-turbo", "nightmareai/real-esrgan")
_BODY = {"input": "object", "webhook": "text", "webhook_events_filter": "list", "stream": "flag"}
_SAID = {
    401: ("Unauthenticated", "You did not pass a valid authentication token"),
    402: ("Insufficient credit", "You have insufficient credit to run this model."),
    404: ("Not found", "The requested resource could not be found."),
    422: ("Input validation failed", "- input.prompt: Invalid type."),
    500: ("Internal server error", "An internal error occurred."),
}
_REFUSALS = {"bad_request": 422, "auth": 401, "out_of_credit": 402, "not_found": 404}
_ERRORS = {
    "prompt_blocked": "The input or output was flagged as sensitive. Please try again with different inputs. (E005)",
    "output_blocked": "NSFW content detected. Try running it again, or try a different prompt.",
    "error_in_200": "Prediction failed.",
    "failed_later": "Model worker crashed unexpectedly.",
}
_LATER = ("prompt_blocked", "output_blocked", *TROUBLES)
_OWN = frozenset({*_REFUSALS, *_ERRORS, *TROUBLES, "never_ending", "duplicate_webhook", "forged_webhook"})


@dataclass
class Prediction:
    """One prediction: what is told of it, what it comes to, and how many polls it takes until then."""

    told: dict[str, Any]
    output: Any
    left: int
    error: str | None = None
    webhook: str | None = None


@dataclass
class FakeReplicate:
    """`polls`: how often a prediction is said to be under way; `error_later`: how each ends then. Where a webhook is
    named, it is called once the work is accepted, and the work is then done.
    """

    board: Switchboard = field(default_factory=lambda: Switchboard(uncounted=("/v1/files", "/v1/predictions/")))
    polls: int = 2
    error_later: str | None = None
    name: str = "replicate"
    webhook_secret: str = "whsec_c2ltdWxhdGVkLXNpbXVsYXRlZC1zaW11bGF0ZWQ="  # noqa: S105 - of a fake
    troubles: frozenset[str] = frozenset(COMMON) | _OWN
    predictions: dict[str, Prediction] = field(default_factory=dict[str, Prediction])
    uploads: dict[str, bytes] = field(default_factory=dict[str, bytes], repr=False)
    results: Delivery = field(default_factory=Delivery)

    @property
    def app(self) -> ASGIApp:
        """The routes."""
        return Starlette(
            routes=[
                Route("/v1/predictions", self._by_version, methods=["POST"]),
                Route("/v1/models/{owner}/{model}/predictions", self._by_model, methods=["POST"]),
                Route("/v1/predictions/{id}", self._read, methods=["GET"]),
                Route("/v1/predictions/{id}/cancel", self._cancel, methods=["POST"]),
                Route("/v1/files", self._upload, methods=["POST"]),
                Route("/v1/account", self._account, methods=["GET"]),
                Route("/v1/webhooks/default/secret", self._secret, methods=["GET"]),
                Route(self.results.route, self.results.get, methods=["GET"]),
            ]
        )

    def error(self, status: int, retry_after: int | None = None) -> Response:
        """A problem document; a gateway's page for 502 and 503; only `detail` where it throttles."""
        if status in (502, 503):
            return gateway_page(status)
        if status == 429:
            when = "" if retry_after is None else f" Your rate limit resets in ~{retry_after}s."
            return JSONResponse({"detail": f"Request was throttled.{when}"}, status)
        title, detail = _SAID[status]
        return _problem(status, title, detail)

    async def _by_model(self, request: Request) -> Response:
        name = f"{request.path_params['owner']}/{request.path_params['model']}"
        return await self._create(request, name, _OFFICIAL.get(name), _BODY)

    async def _by_version(self, request: Request) -> Response:
        version = str(as_object(json.loads(await request.body() or b"{}")).get("version"))
        table = next((rules for known, rules in _VERSIONS.items() if version in (known, known.split(":")[1])), None)
        table = table or _OFFICIAL.get(version)
        return await self._create(request, version.split(":")[0], table, {**_BODY, "version": "text"})

    async def _create(
        self, request: Request, name: str, table: Mapping[str, Field] | None, known: Mapping[str, str]
    ) -> Response:
        trouble = self.board.take("POST", *_REFUSALS, "error_in_200", *_LATER)
        if refusal := self._refusal(request, trouble):
            await request.body()
            return refusal
        body: dict[str, Any] = await request.json()
        headers = dict(request.headers)
        self.board.note(request, body)
        if table is None:
            return _problem(422, "Invalid version or not permitted", "The specified version does not exist.")
        given: dict[str, Any] | None = body.get("input")
        if given is None or body.keys() - known.keys():
            return _problem(422, "Invalid input", f"- {', '.join(body.keys() - known.keys()) or 'input'}: is not valid")
        try:
            sources = {each: self._source(given[each]) for each in ("image", "mask") if each in given}
            if found := [*complaints(table, given, {}), *_rules(name, given)]:
                return _problem(422, "Input validation failed", "\n".join(f"- input.{each}" for each in found))
            png = striped(*_size(name, given, sources), str(sorted(given.items())), *sources.values())
        except InvalidImage as error:
            return _problem(422, "Input validation failed", f"- input.image: {error.detail}")
        made = self._made(request, name, body, png, trouble)
        waits = "wait" in headers.get("prefer", "") and (name in _FAST or trouble == "error_in_200")
        made.left = 0 if waits or trouble == "error_in_200" else self.polls
        notify = BackgroundTask(self._notify, made) if made.webhook else None
        return JSONResponse(self._told(made), 201, background=notify)

    def _source(self, said: Any) -> bytes:
        """A source as a data URL or as the address of an upload. Raises InvalidImage."""
        if not isinstance(said, str):
            raise InvalidImage("Invalid type. Expected: string")
        if said.startswith("data:"):
            data = base64.b64decode(said.partition(",")[2])
            if len(data) > _MOST_DATA_URL:
                raise InvalidImage("Data URLs are for files up to 256 kB. Upload it.")
            return data
        data = self.uploads.get(said.rsplit("/", 1)[-1])
        if data is None:
            raise InvalidImage(f"Does not match format 'uri': {said[:80]}")
        return data

    def _made(
        self, request: Request, name: str, body: Mapping[str, Any], png: bytes, trouble: str | None
    ) -> Prediction:
        base = f"{address_of(request)}/v1/predictions"
        id = id_of(f"{len(self.predictions)}".encode() + png, 26)
        url = self.results.put(request, png, trouble=trouble if trouble in TROUBLES else None)
        version = str(body.get("version", "hidden")).rpartition(":")[2]
        told: dict[str, Any] = {
            "id": id,
            "model": name,
            "version": version if len(version) == 64 else "hidden",
            "input": body["input"],
            "output": None,
            "logs": "",
            "error": None,
            "data_removed": False,
            "source": "api",
            "created_at": "2026-01-02T00:00:00.000Z",
            "urls": {"web": f"https://replicate.com/p/{id}", "get": f"{base}/{id}", "cancel": f"{base}/{id}/cancel"},
        }
        output = url if name == "nightmareai/real-esrgan" else [url]
        made = Prediction(told, output, 0, _ERRORS.get(trouble or ""), body.get("webhook"))
        keep(self.predictions, id, made)
        return made

    def _told(self, made: Prediction) -> dict[str, Any]:
        if made.told.get("status") == "canceled":
            return made.told
        if made.left > 0:
            state = "starting" if made.left >= self.polls else "processing"
            return {**made.told, "status": state, "logs": "Using seed: 1\n 50%|█████     | 10/20 [00:01<00:01]\n"}
        done = {"completed_at": "2026-01-02T00:00:03.000Z", "metrics": {"predict_time": 2.5, "total_time": 3.0}}
        if made.error:
            return {**made.told, **done, "status": "failed", "error": made.error}
        return {**made.told, **done, "status": "succeeded", "output": made.output, "logs": "100%|██| 20/20\n"}

    async def _read(self, request: Request) -> Response:
        if refusal := self._refusal(request, self.board.take("GET", *_REFUSALS)):
            return refusal
        made = self.predictions.get(request.path_params["id"])
        if made is None:
            return self.error(404)
        if self.board.take("GET", "never_ending"):
            return JSONResponse({**made.told, "status": "processing"})
        broken = _ERRORS["failed_later"] if self.board.take("GET", "failed_later") else self.error_later
        if broken:
            made.left, made.error = 0, broken
        told = self._told(made)
        made.left = max(0, made.left - 1)
        return JSONResponse(told)

    async def _cancel(self, request: Request) -> Response:
        made = self.predictions.get(request.path_params["id"])
        if refusal := self._refusal(request, None):
            return refusal
        if made is None:
            return self.error(404)
        if made.left:
            made.told["status"] = "canceled"
        return JSONResponse(self._told(made))

    async def _upload(self, request: Request) -> Response:
        if refusal := self._refusal(request, None):
            await request.body()
            return refusal
        data = (await form_of(request))[1].get("content")
        if data is None:
            return _problem(422, "Invalid input", "- content: is required")
        if len(data) > _MOST_FILE:
            detail = {"detail": "Files must be less than 100MB in size"}
            return JSONResponse(detail, 413, media_type="application/problem+json")
        id = id_of(data, 26)
        self.uploads[id] = data
        self.board.note(request, files={"content": data})
        return JSONResponse(_file(f"{address_of(request)}/v1/files/{id}", id, data), 201)

    async def _account(self, request: Request) -> Response:
        told = {"type": "user", "username": "simulated", "name": "Simulated"}
        return self._refusal(request, None) or JSONResponse(told)

    async def _secret(self, request: Request) -> Response:
        return self._refusal(request, None) or JSONResponse({"key": self.webhook_secret})

    def _refusal(self, request: Request, trouble: str | None) -> Response | None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme not in ("Bearer", "Token") or key not in self.board.keys:
            return self.error(401)
        return self.error(_REFUSALS[trouble]) if trouble in _REFUSALS else None

    async def _notify(self, made: Prediction) -> None:
        """Call the webhook with the finished prediction; forged, it comes before anything is finished."""
        trouble = self.board.take("POST", "duplicate_webhook", "forged_webhook")
        if trouble != "forged_webhook":
            made.left = 0
        body = json.dumps(self._told(made)).encode()
        headers = signed(self.webhook_secret if trouble != "forged_webhook" else "whsec_b3RoZXI=", body, time.time())
        await call_back(made.webhook or "", body, headers, times=2 if trouble == "duplicate_webhook" else 1)


def signed(secret: str, body: bytes, now: float) -> dict[str, str]:
    """The headers of a webhook with this body."""
    id, moment = f"msg_{id_of(body, 24)}", str(int(now))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{id}.{moment}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(mac).decode()}"
    return {"webhook-id": id, "webhook-timestamp": moment, "webhook-signature": signature}


def _problem(status: int, title: str, detail: str) -> Response:
    body = {"title": title, "detail": detail, "status": status}
    return JSONResponse(body, status, media_type="application/problem+json")


def _file(url: str, id: str, data: bytes) -> dict[str, Any]:
    return {
        "id": id,
        "name": "source.png",
        "etag": id,
        "urls": {"get": url},
        "content_type": "image/png",
        "size": len(data),
        "checksums": {"sha256": hashlib.sha256(data).hexdigest()},
        "metadata": {},
        "created_at": "2026-01-02T00:00:00.000Z",
        "expires_at": "2026-01-03T00:00:00.000Z",
    }


def _rules(name: str, given: Mapping[str, Any]) -> Iterator[str]:
    """What goes beyond one field."""
    if "mask" in given and "image" not in given:
        yield "mask: needs an image"


def _size(name: str, given: Mapping[str, Any], sources: Mapping[str, bytes]) -> tuple[int, int]:
    if "stable-diffusion-3.5" in name:
        return measured(sources["image"]) if sources else by_ratio(given.get("aspect_ratio", "1:1"), 1_048_576)
    if name == "nightmareai/real-esrgan":
        width, height = measured(sources["image"])
        scale = float(given.get("scale", 4))
        return round(width * scale), round(height * scale)
    side = 512 if "inpainting" in name else 1024
    if sources and "mask" not in sources:
        return measured(sources["image"])
    return int(given.get("width", side)), int(given.get("height", side))
