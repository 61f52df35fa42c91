"""A fake AI Horde: work that is asked for, checked, fetched and canceled. It refuses what the horde does not know."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from platemark.providers.http import decode_payload
from platemark.providers.vendor import is_picture
from platemark.simulate.board import COMMON, Switchboard
from platemark.simulate.delivery import TROUBLES, Delivery
from platemark.simulate.fields import Field, complaints
from platemark.simulate.pictures import as_format, as_payload, broken, striped

ANONYMOUS = "0000000000"
_SIDE = Field("integer", least=64, most=3072, step=64)
_FLAG = Field("flag")
FIELDS: Mapping[str, Field] = {
    "prompt": Field(required=True, least=1),
    "params": Field("object"),
    "source_image": Field(),
    "source_processing": Field(one_of=("img2img", "inpainting", "outpainting", "remix")),
    "source_mask": Field(),
    "models": Field("list"),
    "workers": Field("list", most=5),
    "webhook": Field(least=10, most=1024),
    "extra_source_images": Field("list"),
    "proxied_account": Field(),
    **dict.fromkeys(("allow_downgrade", "censor_nsfw", "disable_batching", "dry_run", "nsfw", "r2"), _FLAG),
    **dict.fromkeys(("replacement_filter", "shared", "slow_workers", "trusted_workers", "worker_blacklist"), _FLAG),
}
_SAMPLERS = (
    *("k_euler", "lcm", "k_euler_a", "k_dpmpp_2s_a", "DDIM", "dpmsolver", "k_lms", "k_dpm_fast", "k_dpmpp_sde"),
    *("k_dpm_2", "k_dpm_2_a", "k_dpm_adaptive", "k_heun", "k_dpmpp_2m"),
)
_CONTROLS = ("canny", "hed", "depth", "normal", "openpose", "seg", "scribble", "fakescribbles", "hough")
PARAMS: Mapping[str, Field] = {
    "sampler_name": Field(one_of=_SAMPLERS),
    "cfg_scale": Field("number", least=0, most=100),
    "denoising_strength": Field("number", least=0.01, most=1),
    "seed": Field(),
    "height": _SIDE,
    "width": _SIDE,
    "n": Field("integer", least=1, most=20),
    "steps": Field("integer", least=1, most=500),
    "clip_skip": Field("integer", least=1, most=12),
    "control_type": Field(one_of=_CONTROLS),
    "facefixer_strength": Field("number", least=0, most=1),
    "seed_variation": Field("integer", least=1, most=1000),
    **dict.fromkeys(("post_processing", "loras", "tis"), Field("list")),
    **dict.fromkeys(("karras", "hires_fix", "tiling", "image_is_control", "return_control_map"), _FLAG),
}
_LORA = {
    "name": Field(required=True, least=1, most=255),
    **dict.fromkeys(("model", "clip"), Field("number", least=-5, most=5)),
    "inject_trigger": Field(least=1, most=30),
    "is_version": _FLAG,
}
MODELS = ("stable_diffusion", "Deliberate", "SDXL 1.0", "AlbedoBase XL (SDXL)", "Anything Diffusion")
_SAID = {
    400: ("BadRequest", "Input payload validation failed"),
    401: ("InvalidAPIKey", "No user matching sent API Key. Have you remembered to register at the horde?"),
    403: ("KudosUpfront", "Due to heavy demand, this request needs kudos up front, which your account does not have."),
    404: ("RequestNotFound", "Request with this id not found."),
    429: ("TooManyPrompts", "Parallel requests exceeded the limit of your account."),
    500: ("InternalServerError", "Internal Server Error"),
    502: ("BadGateway", "Bad Gateway"),
    503: ("MaintenanceMode", "The horde has entered maintenance mode."),
}
_REFUSALS = {
    "bad_request": (400, "InvalidSize", "Invalid size."),
    "auth": (401, *_SAID[401]),
    "out_of_credit": (403, *_SAID[403]),
    "not_found": (400, "UnsupportedModel", "This model is not supported."),
    "prompt_blocked": (400, "CorruptPrompt", "This prompt appears to violate our terms of service."),
}
_RESULTS = ("output_blocked", "corrupt_base64", *TROUBLES)
_OWN = frozenset({*_REFUSALS, *_RESULTS, "error_in_200", "never_ending", "failed_later"})


@dataclass
class _Work:
    """One request: its pictures by seed, whether they go behind URLs, and how many checks it still takes."""

    pictures: list[tuple[str, bytes]]
    model: str
    r2: bool
    left: int
    impossible: bool = False


@dataclass
class FakeHorde:
    """`polls`: how many checks find the work undone. For models that no machine has it stays so."""

    board: Switchboard = field(default_factory=lambda: Switchboard(keys=frozenset({"sk-simulated", ANONYMOUS})))
    results: Delivery = field(default_factory=Delivery)
    polls: int = 2
    name: str = "horde"
    troubles: frozenset[str] = frozenset(COMMON) | _OWN
    work: dict[str, _Work] = field(default_factory=dict[str, _Work])
    canceled: list[str] = field(default_factory=list[str])

    @property
    def app(self) -> ASGIApp:
        """The routes."""
        status = "/api/v2/generate/status/{id}"
        return Starlette(
            routes=[
                Route("/api/v2/generate/async", self._ask, methods=["POST"]),
                Route("/api/v2/generate/check/{id}", self._check, methods=["GET"]),
                Route(status, self._status, methods=["GET"]),
                Route(status, self._cancel, methods=["DELETE"]),
                Route(self.results.route, self.results.get, methods=["GET"]),
            ]
        )

    def error(self, status: int, retry_after: int | None = None) -> Response:
        """The error body that all statuses share."""
        code, words = _SAID[status]
        return _error(status, code, words + (f" Try again in {retry_after} seconds." if retry_after else ""))

    async def _ask(self, request: Request) -> Response:
        body: Any = await request.json()
        if refusal := self._refusal(request):
            return refusal
        self.board.note(request, body)
        if found := dict(_complaints(body)):
            words = "; ".join(f"{name}: {complaint}" for name, complaint in found.items())
            return JSONResponse({"message": words, "rc": "BadRequest", "errors": found}, 400)
        params = body.get("params", {})
        id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{len(self.work)} {body['prompt']} {params.get('seed')}"))
        wanted = body.get("models") or MODELS[:1]
        impossible = not set(wanted) & set(MODELS)
        self.work[id] = _Work(list(_pictures(body, params)), wanted[0], body.get("r2", True), self.polls, impossible)
        return JSONResponse({"id": id, "kudos": 10.0}, 202)

    async def _check(self, request: Request) -> Response:
        work = self.work.get(request.path_params["id"])
        if work is None:
            return self.error(404)
        if self.board.take("GET", "failed_later"):
            return JSONResponse({**_progress(work, done=False), "faulted": True})
        if work.left > 0 or work.impossible or self.board.take("GET", "never_ending"):
            work.left = max(0, work.left - 1)
            return JSONResponse(_progress(work, done=False))
        return JSONResponse(_progress(work, done=True))

    async def _status(self, request: Request) -> Response:
        work = self.work.get(request.path_params["id"])
        if work is None:
            return self.error(404)
        done = work.left == 0 and not work.impossible
        made = [self._generation(request, work, seed, png) for seed, png in work.pictures] if done else []
        return JSONResponse({**_progress(work, done=done), "shared": False, "generations": made})

    async def _cancel(self, request: Request) -> Response:
        id = request.path_params["id"]
        work = self.work.pop(id, None)
        if work is None:
            return self.error(404)
        self.canceled.append(id)
        return JSONResponse({**_progress(work, done=True), "shared": False, "generations": []})

    def _generation(self, request: Request, work: _Work, seed: str, png: bytes) -> dict[str, Any]:
        trouble = self.board.take("GET", *_RESULTS)
        webp = as_format(png, "webp")
        if work.r2 and trouble != "corrupt_base64":
            img = self.results.put(request, webp, "webp", trouble)
        else:
            img = as_payload(broken(webp) if trouble == "corrupt_picture" else webp, trouble)
        censored = trouble == "output_blocked"
        metadata = [{"type": "censorship", "value": "nsfw"}] if censored else []
        worker = {"worker_id": str(uuid.UUID(int=7)), "worker_name": "simulated", "model": work.model}
        state = "censored" if censored else "ok"
        made = {"img": img, "seed": seed, "id": str(uuid.UUID(int=8)), "censored": censored, "state": state}
        return {**made, "gen_metadata": metadata, **worker}

    def _refusal(self, request: Request) -> Response | None:
        """What is said before the request is looked at."""
        if request.headers.get("apikey") not in self.board.keys:
            return self.error(401)
        trouble = self.board.take("POST", *_REFUSALS, "error_in_200")
        if trouble == "error_in_200":
            return JSONResponse({"message": "It did not work out.", "rc": "BadRequest"})
        return _error(*_REFUSALS[trouble]) if trouble else None


def _complaints(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    params = body.get("params", {})
    found = [*complaints(FIELDS, body, {}), *(f"params.{words}" for words in complaints(PARAMS, params, {}))]
    for lora in params.get("loras", ()):
        found += [f"params.loras.{words}" for words in complaints(_LORA, lora, {})]
    for name in ("source_image", "source_mask"):
        picture = decode_payload(body[name]) if name in body else None
        if name in body and not is_picture(picture or b""):
            found.append(f"{name}: cannot be read as a picture")
    if body.get("source_processing") == "inpainting" and "source_mask" not in body:
        found.append("source_mask: is required for inpainting")
    if "control_type" in params and "source_image" not in body:
        found.append("params.control_type: needs a source_image")
    yield from ((name, words) for name, _, words in (each.partition(": ") for each in found))


def _pictures(body: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    size = (params.get("width", 512), params.get("height", 512))
    told = (body["prompt"], body.get("source_image", ""), body.get("source_mask", ""), str(sorted(params.items())))
    for index in range(params.get("n", 1)):
        seed = str(int(params.get("seed") or 777) + index)
        yield seed, striped(*size, *told, seed)


def _progress(work: _Work, *, done: bool) -> dict[str, Any]:
    count, waiting = len(work.pictures), work.left > 0 or work.impossible
    return {
        "finished": count if done else 0,
        "processing": 0 if done or waiting else count,
        "restarted": 0,
        "waiting": count if waiting and not done else 0,
        "done": done,
        "faulted": False,
        "wait_time": 0 if done else 10,
        "queue_position": 0 if done else work.left,
        "kudos": 10.0 if done else 0.0,
        "is_possible": not work.impossible,
    }


def _error(status: int, code: str, words: str) -> Response:
    return JSONResponse({"message": words, "rc": code}, status)
