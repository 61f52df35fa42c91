"""A fake AIME API server: five endpoints with their input tables, jobs that are asked after, sessions by login."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from platemark.core.model import OutputFormat
from platemark.providers.http import decode_payload
from platemark.providers.vendor import is_picture
from platemark.simulate.board import COMMON, Switchboard, gateway_page, keep
from platemark.simulate.fields import Field, complaints
from platemark.simulate.pictures import as_format, as_payload, broken, measured, striped

_TEXT = Field()
_SEED = {"seed": Field("integer", least=-1)}
_UNIT = Field("number", least=0, most=1)
# With each endpoint's own; the server takes them everywhere.
_IMPLICIT = {"key": _TEXT, "client_session_auth_key": _TEXT, "wait_for_result": Field("flag")}
_PROMPT = {"prompt": Field(required=True), "provide_progress_images": Field(one_of=("none", "latent", "decoded"))}
_NEGATIVE = {"negative_prompt": _TEXT, "num_samples": Field("integer", least=1, most=30)}
_SAMPLER = Field(
    one_of=(
        *("EulerEDMSampler", "HeunEDMSampler", "EulerAncestralSampler", "DPMPP2SAncestralSampler", "DPMPP2MSampler"),
        "LinearMultistepSampler",
    )
)
_DISCRETIZATION = Field(one_of=("EDMDiscretization", "LegacyDDPMDiscretization"))
# Sizes are rounded and bounded by the server itself, so any number passes.
_SIZE = {"width": Field("integer"), "height": Field("integer")}
_SD3 = {
    **_IMPLICIT,
    **_PROMPT,
    **_NEGATIVE,
    **_SEED,
    **_SIZE,
    "steps": Field("integer", least=1, most=64),
    "cfg_scale": Field("number"),
    "image": _TEXT,
    "denoise": _UNIT,
}
ENDPOINTS: Mapping[str, Mapping[str, Field]] = {
    "stable_diffusion_3_5": _SD3,
    "stable_diffusion_3": _SD3,
    "stable_diffusion_xl_txt2img": {
        **_IMPLICIT,
        **_PROMPT,
        **_NEGATIVE,
        **_SEED,
        **_SIZE,
        "provide_progress_images": _TEXT,
        "base_steps": Field("integer", least=1, most=64),
        "refine_steps": Field("integer", least=1, most=64),
        "scale": Field("number", least=1, most=10),
        "img2img_strength": _UNIT,
        "aesthetic_score": Field("number", least=1, most=10),
        "negative_aesthetic_score": Field("number", least=0, most=10),
        "base_sampler": _SAMPLER,
        "refine_sampler": _SAMPLER,
        "base_discretization": _DISCRETIZATION,
        "refine_discretization": _DISCRETIZATION,
    },
    "stable_diffusion_xl_img2img": {
        **_IMPLICIT,
        "text": Field(required=True),
        "prompt": _TEXT,
        "image": _TEXT,
        "strength": _UNIT,
        "n_samples": Field("integer", least=1, most=10),
        "scale": Field("number", least=1, most=20),
        "n_rows": Field("integer", least=0, most=10),
        "ddim_steps": Field("integer", least=1, most=100),
        "ddim_eta": Field("number", least=0, most=10),
    },
    "flux-dev": {
        **_IMPLICIT,
        **_PROMPT,
        **_SEED,
        **_SIZE,
        "steps": Field("integer", least=1, most=50),
        "guidance": Field("number", least=1, most=10),
        "image": _TEXT,
        "image2image_strength": _UNIT,
    },
}
# Default, least and greatest side, and what it is a multiple of.
_SIDES = {
    "stable_diffusion_3_5": (512, 16, 2048, 16),
    "stable_diffusion_3": (1024, 16, 2048, 16),
    "stable_diffusion_xl_txt2img": (768, 512, 2048, 64),
    "flux-dev": (1024, 128, 2048, 32),
}
_REFUSALS = {"bad_request": 400, "auth": 401, "not_found": 404}
_SAID = {
    400: "Invalid parameter: some_field",
    401: "API key not valid",
    402: "Client not authorized for endpoint!",
    404: "Requested URL not found",
    429: "Too many requests.",
    500: "Internal Server Error",
}
# Taken when work is submitted, shown when it is done.
_OF_RESULTS = ("output_blocked", "corrupt_base64", "corrupt_picture")
_ERRORS = {
    "failed_later": "CUDA out of memory\nReduce number of samples or image size and try again",
    "output_blocked": "The result was withheld: NSFW content detected",
}
_OWN = frozenset({*_REFUSALS, *_OF_RESULTS, "error_in_200", "never_ending", "failed_later"})


def _board() -> Switchboard:
    return Switchboard(uncounted=tuple(f"/{endpoint}/" for endpoint in ENDPOINTS))


@dataclass
class Job:
    """`left`: polls until it is done."""

    endpoint: str
    given: Mapping[str, Any]
    left: int
    trouble: str | None = None


@dataclass
class FakeAime:
    """`polls`: how often a job says that it goes on; the first says that it is queued. `slots`: places in the queue.

    `strangers`: endpoints that the keys may not use.
    """

    board: Switchboard = field(default_factory=_board)
    polls: int = 2
    slots: int = 1000
    strangers: frozenset[str] = frozenset()
    name: str = "aime"
    troubles: frozenset[str] = frozenset(COMMON) | _OWN
    jobs: dict[str, Job] = field(default_factory=dict[str, Job])
    sessions: dict[str, str] = field(default_factory=dict[str, str])
    made: int = 0

    @property
    def app(self) -> ASGIApp:
        """The routes."""
        both = ["GET", "POST"]
        return Starlette(
            routes=[
                Route("/api/validate_key", self._validate, methods=both),
                Route("/{endpoint}", self._submit, methods=both),
                Route("/{endpoint}/progress", self._progress, methods=both),
                Route("/{endpoint}/login", self._login, methods=both),
            ]
        )

    def error(self, status: int, retry_after: int | None = None) -> Response:
        """An error body; a gateway's page for 502 and 503, and for 429, which the server itself does not know."""
        if status in (502, 503):
            return gateway_page(status)
        if status == 404:
            return JSONResponse({"description": "Not Found", "status": 404, "message": _SAID[404]}, 404)
        wait = "" if retry_after is None else f" Please try again in {retry_after} seconds."
        return _error(status, _SAID[status] + wait)

    async def _submit(self, request: Request) -> Response:
        endpoint, given = request.path_params["endpoint"], await _given(request)
        self.board.note(request, {**given})
        if refusal := self._refusal(request, endpoint, given):
            return refusal
        found = list(complaints(ENDPOINTS[endpoint], given, {}))
        if found:
            return _error(400, found)
        if given.get("image") is not None and not is_picture(_bytes(given["image"])):
            return _error(400, ["image: could not be read"])
        trouble = self.board.take(request.method, *_OF_RESULTS)
        self.made += 1
        id = f"JID{self.made}"
        keep(self.jobs, id, Job(endpoint, given, self.polls, trouble))
        if given.get("wait_for_result", True):
            return JSONResponse(self._result(id))
        return JSONResponse({"success": True, "job_id": id, "ep_version": 0})

    def _refusal(self, request: Request, endpoint: str, given: Mapping[str, Any]) -> Response | None:
        trouble = self.board.take(request.method, *_REFUSALS, "error_in_200")
        if endpoint not in ENDPOINTS:
            return self.error(404)
        if trouble == "error_in_200":
            return JSONResponse({"success": False, "error": "It did not work out.", "ep_version": 0})
        if trouble is not None:
            return self.error(_REFUSALS[trouble])
        if sum(job.left > 0 for job in self.jobs.values()) >= self.slots:
            return _error(400, f"Job queue reached max length {self.slots}!")
        if given.get("key") not in self.board.keys and given.get("client_session_auth_key") not in self.sessions:
            return _error(401, ["API Key missing and client session authentication key not registered in API Server"])
        return _error(402, [_SAID[402]]) if endpoint in self.strangers else None

    async def _progress(self, request: Request) -> Response:
        id = (await _given(request)).get("job_id")
        if not id or id not in self.jobs:
            words = f"Client has no active request with this job id {id}" if id else "No job_id given"
            return _error(402, [words])
        job = self.jobs[id]
        if self.board.take(request.method, "failed_later"):
            job.trouble, job.left = "failed_later", 0
        answer: dict[str, Any] = {"success": True, "job_id": id, "ep_version": 0}
        if job.left <= 0 and not self.board.take(request.method, "never_ending"):
            return JSONResponse({**answer, "job_result": self._result(id), "job_state": "done"})
        queued = job.left == self.polls
        job.left -= 1
        done = 0 if queued else 50
        state = {"progress": done, "queue_position": int(queued), "estimate": -1, "num_workers_online": 1}
        pictures = [_uri(striped(64, 64, id), "jpeg")] if job.given.get("provide_progress_images") == "decoded" else []
        data = {"progress_images": pictures, "progress_message": ""} if done else None
        state_now = "queued" if queued else "processing"
        return JSONResponse({**answer, "job_state": state_now, "progress": {**state, "progress_data": data}})

    def _result(self, id: str) -> dict[str, Any]:
        job = self.jobs[id]
        job.left = 0
        answer: dict[str, Any] = {"success": True, "job_id": id, "ep_version": 0, "auth": "worker_0"}
        error = _ERRORS.get(job.trouble or "")
        if job.endpoint == "stable_diffusion_xl_img2img":
            return {**answer, "image": _picture(job, "png"), "info": f"Error: {error}" if error else "done"}
        if error:
            # As the published workers do: a picture of noise beside what went wrong.
            return {**answer, "images": [_uri(striped(64, 64, id), "jpeg")], "error": error}
        seed = job.given.get("seed", -1)
        return {
            **answer,
            "images": [_picture(job, "jpeg")],
            "seed": 4711 if seed == -1 else seed,
            "prompt": job.given["prompt"],
            "model_name": job.endpoint,
            "compute_duration": 1.5,
            "total_duration": 1.7,
        }

    async def _login(self, request: Request) -> Response:
        key = request.query_params.get("key", "")
        if request.path_params["endpoint"] not in ENDPOINTS:
            return self.error(404)
        # The real server says it in a 200.
        if key not in self.board.keys:
            return JSONResponse({"success": False, "error": "API key not valid"})
        session = f"session-{len(self.sessions) + 1}"
        self.sessions[session] = key
        return JSONResponse({"success": True, "ep_version": 0, "client_session_auth_key": session, "key": key})

    async def _validate(self, request: Request) -> Response:
        valid = request.query_params.get("key") in self.board.keys
        return JSONResponse({"success": valid, "error": None if valid else "API key not valid"})


async def _given(request: Request) -> dict[str, Any]:
    """The body of a POST or the query of a GET; what is null is as if left out."""
    body: dict[str, Any] = await request.json() if request.method == "POST" else dict(request.query_params)
    return {name: value for name, value in body.items() if value is not None}


def _error(status: int, error: str | list[str]) -> Response:
    return JSONResponse({"success": False, "error": error, "ep_version": 0}, status)


def _bytes(text: str) -> bytes:
    return decode_payload(text) or b""


def _side(endpoint: str, said: Any) -> int:
    """The nearest that the server makes of a side, as its `auto_convert` does."""
    default, least, most, step = _SIDES[endpoint]
    return min(max(round((default if said is None else int(said)) / step) * step, least), most)


def _size(job: Job) -> tuple[int, int]:
    if job.endpoint in _SIDES:
        return _side(job.endpoint, job.given.get("width")), _side(job.endpoint, job.given.get("height"))
    width, height = measured(_bytes(job.given["image"]))
    # It scales and crops its sources into these bounds.
    return min(max(width, 512), 1024), min(max(height, 512), 1024)


def _picture(job: Job, output_format: OutputFormat) -> str:
    told = (job.given.get("prompt", job.given.get("text")), job.given.get("seed"), job.given.get("image", ""))
    return _uri(striped(*_size(job), *(str(each) for each in told)), output_format, job.trouble)


def _uri(png: bytes, output_format: OutputFormat, trouble: str | None = None) -> str:
    data = as_format(png, output_format)
    text = as_payload(broken(data) if trouble == "corrupt_picture" else data, trouble)
    return f"data:image/{output_format.upper()};base64,{text}"
