"""A fake fal.ai queue: what it takes is checked where models run, so that a mistake shows in the result only."""

import base64
import hashlib
import json
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from platemark.core.errors import InvalidImage
from platemark.providers.http import as_list, as_object
from platemark.simulate.board import COMMON, Switchboard, address_of, gateway_page, keep
from platemark.simulate.calling import call_back
from platemark.simulate.delivery import TROUBLES, Delivery
from platemark.simulate.fields import Field, complaints
from platemark.simulate.pictures import measured, striped

_TEXT, _NEEDED = Field(), Field(required=True, least=1)
_FLAG = Field("number", least=0, most=1)
_SIZES = {
    "square_hd": (1024, 1024),
    "square": (512, 512),
    "portrait_4_3": (768, 1024),
    "portrait_16_9": (576, 1024),
    "landscape_4_3": (1024, 768),
    "landscape_16_9": (1024, 576),
}
_FORMAT = Field(one_of=("jpeg", "png"))


def _table(most_steps: int, **more: Field) -> Mapping[str, Field]:
    return {
        "prompt": _NEEDED,
        "negative_prompt": _TEXT,
        "num_inference_steps": Field("integer", least=1, most=most_steps),
        "guidance_scale": Field("number", least=0, most=20),
        "num_images": Field("integer", least=1, most=8),
        "seed": Field("integer"),
        "enable_safety_checker": _FLAG,
        "sync_mode": _FLAG,
        **more,
    }


_SDXL = _table(65, format=_FORMAT, expand_prompt=_FLAG, guidance_rescale=_FLAG)
_FROM = {"image_url": _NEEDED, "strength": Field("number", least=0.05, most=1)}
APPS: Mapping[str, Mapping[str, Field]] = {
    "fal-ai/fast-sdxl": _SDXL,
    "fal-ai/fast-sdxl/image-to-image": {**_SDXL, **_FROM},
    "fal-ai/fast-sdxl/inpainting": {**_SDXL, **_FROM, "mask_url": _NEEDED},
    "fal-ai/stable-diffusion-v3-medium": _table(50, prompt_expansion=_FLAG),
    "fal-ai/stable-diffusion-v3-medium/image-to-image": _table(50, prompt_expansion=_FLAG, **_FROM),
    "fal-ai/stable-diffusion-v35-large": _table(50, output_format=_FORMAT),
    "fal-ai/stable-diffusion-v35-medium": _table(50, output_format=_FORMAT),
}
_SAID = {
    401: "No user found for Key ID and Secret",
    403: "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing.",
    404: "Application not found",
    500: "Internal Server Error",
}
_METRICS = {"metrics": {"inference_time": 0.83}}
_REFUSALS = {"auth": 401, "out_of_credit": 403, "not_found": 404}
_ENDINGS = ("bad_request", "prompt_blocked", "output_blocked", "error_in_200", *TROUBLES)
_OWN = frozenset({*_REFUSALS, *_ENDINGS, "failed_later", "never_ending", "duplicate_webhook", "forged_webhook"})


@dataclass
class Job:
    """One request in the queue: its result or its error with a status code, and how many polls it takes until then."""

    id: str
    urls: Mapping[str, str]
    result: dict[str, Any]
    left: int
    status: int = 200
    webhook: str | None = None
    canceled: bool = False


@dataclass
class FakeFal:
    """`polls`: how often a request is said to be under way. Where a webhook is named, it is called once the request is
    taken, which is then done. `signer`: the key whose public part stands in the JWKS.
    """

    board: Switchboard = field(default_factory=Switchboard)
    polls: int = 2
    name: str = "fal"
    troubles: frozenset[str] = frozenset(COMMON) | _OWN
    jobs: dict[str, Job] = field(default_factory=dict[str, Job])
    results: Delivery = field(default_factory=lambda: Delivery("/files"))
    signer: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate, repr=False)

    @property
    def app(self) -> ASGIApp:
        """The routes."""
        at = "/{owner}/{alias}/requests/{id}"
        return Starlette(
            routes=[
                Route(self.results.route, self.results.get, methods=["GET"]),
                Route("/.well-known/jwks.json", self._jwks, methods=["GET"]),
                Route("/v1/models/requests/{id}/payloads", self._delete, methods=["DELETE"]),
                Route(f"{at}/status", self._status, methods=["GET"]),
                Route(f"{at}/cancel", self._cancel, methods=["PUT"]),
                Route(at, self._result, methods=["GET"]),
                Route("/{app:path}", self._submit, methods=["POST"]),
            ]
        )

    def error(self, status: int, retry_after: int | None = None) -> Response:
        """`detail`, and nothing else; a gateway's page for 502 and 503."""
        if status in (502, 503):
            return gateway_page(status)
        if status == 429:
            when = "" if retry_after is None else f" Try again in {retry_after} seconds."
            return JSONResponse({"detail": f"Too many requests.{when}"}, status)
        return JSONResponse({"detail": _SAID[status]}, status)

    async def _submit(self, request: Request) -> Response:
        trouble = self.board.take("POST", *_REFUSALS, *_ENDINGS)
        app = request.path_params["app"]
        if refusal := self._refusal(request, trouble if app in APPS else "not_found"):
            await request.body()
            return refusal
        body: dict[str, Any] = await request.json()
        self.board.note(request, body, fields=dict(request.query_params))
        job = self._job(request, app, body, trouble)
        notify = BackgroundTask(self._notify, job) if job.webhook else None
        urls = {f"{name}_url": url for name, url in job.urls.items()}
        told = {"status": "IN_QUEUE", "request_id": job.id, **urls, "queue_position": 0}
        return JSONResponse(told, headers={"x-fal-request-id": job.id}, background=notify)

    def _job(self, request: Request, app: str, body: dict[str, Any], trouble: str | None) -> Job:
        id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{len(self.jobs)} {json.dumps(body)}"))
        # Without the part of the path after the alias, as the vendor does it.
        base = f"{address_of(request)}/{'/'.join(app.split('/')[:2])}/requests/{id}"
        urls = {"status": f"{base}/status", "response": base, "cancel": f"{base}/cancel"}
        status, result = self._made(request, app, body, trouble)
        job = Job(id, urls, result, self.polls, status, request.query_params.get("fal_webhook"))
        keep(self.jobs, id, job)
        return job

    def _made(
        self, request: Request, app: str, body: dict[str, Any], trouble: str | None
    ) -> tuple[int, dict[str, Any]]:
        """What the model comes to: a status code with its result or its error."""
        if trouble == "bad_request":
            return 422, _invalid("prompt: field required")
        if trouble == "prompt_blocked":
            words = "The content could not be processed because it was flagged by a content checker."
            return 422, {"detail": [{"loc": ["body", "prompt"], "msg": words, "type": "content_policy_violation"}]}
        if trouble == "error_in_200":
            return 500, {"detail": "Internal Server Error"}
        given = {name: value for name, value in body.items() if name != "image_size"}
        try:
            sources = {name: _read(body[name]) for name in ("image_url", "mask_url") if name in body}
            if found := [*complaints(APPS[app], given, {}), *_wrong_size(body.get("image_size", "square_hd"))]:
                return 422, _invalid(*found)
            size = measured(sources["image_url"]) if sources else _size(body.get("image_size", "square_hd"))
        except (InvalidImage, ValueError):
            return 422, _invalid("image_url: Could not load image from url")
        blocked = trouble == "output_blocked"
        told = ("black",) if blocked else (str(sorted(given.items())), *sources.values())
        url = self.results.put(request, striped(*size, *told), trouble=trouble)
        image = {"url": url, "width": size[0], "height": size[1], "content_type": "image/png"}
        seed, timings = body.get("seed", 7), {"inference": 0.83}
        marks = {"has_nsfw_concepts": [blocked], "prompt": body["prompt"]}
        return 200, {"images": [image], "seed": seed, "timings": timings, **marks}

    async def _status(self, request: Request) -> Response:
        job = self._asked_for(request)
        if isinstance(job, Response):
            return job
        told: dict[str, Any] = {"request_id": job.id, **{f"{name}_url": url for name, url in job.urls.items()}}
        if self.board.take("GET", "never_ending"):
            return JSONResponse({"status": "IN_PROGRESS", **told, "logs": None}, 202)
        if self.board.take("GET", "failed_later"):
            job.left, job.status, job.result = 0, 500, {"detail": "Internal Server Error"}
        if job.left > 0:
            waits = job.left == self.polls
            job.left -= 1
            state = {"status": "IN_QUEUE", "queue_position": 0} if waits else {"status": "IN_PROGRESS", "logs": None}
            return JSONResponse({**state, **told}, 202)
        failed = {} if job.status == 200 else {"error": f"Invalid status code: {job.status}"}
        return JSONResponse({"status": "COMPLETED", **told, "logs": None, **_METRICS, **failed})

    async def _result(self, request: Request) -> Response:
        job = self._asked_for(request)
        if isinstance(job, Response):
            return job
        if job.left > 0:
            return JSONResponse({"detail": "Request is still in progress"}, 400)
        return JSONResponse(job.result, job.status, headers={"x-fal-request-id": job.id})

    async def _cancel(self, request: Request) -> Response:
        job = self._asked_for(request)
        if isinstance(job, Response):
            return job
        if job.left == 0:
            return JSONResponse({"status": "ALREADY_COMPLETED"}, 400)
        job.canceled = True
        return JSONResponse({"status": "CANCELLATION_REQUESTED"}, 202)

    async def _delete(self, request: Request) -> Response:
        """Of the vendor's other API: what went in, what came out and the files."""
        self.board.note(request)
        if self._refusal(request, None) or self.board.take("DELETE", "auth"):
            words = {"type": "authorization_error", "message": "Authentication required"}
            return JSONResponse({"error": words}, 401)
        job = self.jobs.pop(request.path_params["id"], None)
        if job is None:
            return JSONResponse({"error": {"type": "not_found", "message": "Request not found"}}, 404)
        files = [str(as_object(each)["url"]) for each in as_list(job.result.get("images"))]
        for url in files:
            self.results.drop(url)
        return JSONResponse({"cdn_delete_results": [{"link": url, "exception": None} for url in files]})

    async def _jwks(self, request: Request) -> Response:
        return JSONResponse(self.jwks)

    @property
    def jwks(self) -> dict[str, Any]:
        """The public key, as it is published."""
        x = base64.urlsafe_b64encode(self.signer.public_key().public_bytes_raw()).decode().rstrip("=")
        return {"keys": [{"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": "simulated", "x": x}]}

    def _asked_for(self, request: Request) -> Job | Response:
        job = self.jobs.get(request.path_params["id"])
        return self._refusal(request, None) or job or self.error(404)

    def _refusal(self, request: Request, trouble: str | None) -> Response | None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme != "Key" or key not in self.board.keys:
            return self.error(401)
        return self.error(_REFUSALS[trouble]) if trouble in _REFUSALS else None

    async def _notify(self, job: Job) -> None:
        """Call the webhook with the result; forged, it comes before anything is finished."""
        trouble = self.board.take("POST", "duplicate_webhook", "forged_webhook")
        if trouble != "forged_webhook":
            job.left = 0
        state = "OK" if job.status == 200 else "ERROR"
        told = {"request_id": job.id, "gateway_request_id": job.id, "status": state, "payload": job.result}
        body = json.dumps(told).encode()
        signer = Ed25519PrivateKey.generate() if trouble == "forged_webhook" else self.signer
        headers = signed(signer, job.id, body, time.time())
        await call_back(job.webhook or "", body, headers, times=2 if trouble == "duplicate_webhook" else 1)


def signed(signer: Ed25519PrivateKey, id: str, body: bytes, now: float) -> dict[str, str]:
    """The headers of a webhook with this body."""
    told = (id, "user-simulated", str(int(now)))
    message = "\n".join((*told, hashlib.sha256(body).hexdigest())).encode()
    names = ("request-id", "user-id", "timestamp", "signature")
    values = (*told, signer.sign(message).hex())
    return {f"x-fal-webhook-{name}": value for name, value in zip(names, values, strict=True)}


def _invalid(*found: str) -> dict[str, Any]:
    pairs = (each.partition(": ") for each in found)
    return {"detail": [{"loc": ["body", name], "msg": words, "type": "value_error"} for name, _, words in pairs]}


def _read(said: Any) -> bytes:
    """A source as a data URI; the fake fetches nothing. Raises ValueError."""
    if not isinstance(said, str) or not said.startswith("data:image/"):
        raise ValueError("not a data URI")
    return base64.b64decode(said.partition(",")[2], validate=True)


def _wrong_size(said: Any) -> Iterator[str]:
    if said in _SIZES if isinstance(said, str) else isinstance(said, dict):
        return
    yield f"image_size: must be one of {', '.join(_SIZES)}, or width and height"


def _size(said: Any) -> tuple[int, int]:
    return _SIZES[said] if isinstance(said, str) else (int(said["width"]), int(said["height"]))
