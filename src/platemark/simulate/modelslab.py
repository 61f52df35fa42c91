"""A fake ModelsLab: v6 text2img, img2img, inpaint and fetch, v5 controlnet. Nearly everything comes with a 200."""

from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from platemark.core.errors import InvalidImage
from platemark.simulate.board import COMMON, Switchboard, address_of, keep
from platemark.simulate.delivery import TROUBLES, Delivery
from platemark.simulate.fields import Field, complaints
from platemark.simulate.pictures import as_payload, blank, measured, striped

FETCH = "/api/v6/images/fetch"
_SCHEDULERS = (
    *("DDPM", "DDIM", "PNDM", "LMSDiscrete", "EulerDiscrete", "EulerAncestralDiscrete", "DPMSolverMultistep"),
    *("HeunDiscrete", "KDPM2Discrete", "DPMSolverSinglestep", "KDPM2AncestralDiscrete", "UniPCMultistep"),
    *("DDIMInverse", "DEISMultistep", "IPNDM", "KarrasVe", "ScoreSdeVe", "LCM"),
)
_CONTROLS = Field(
    one_of=(
        *("canny", "depth", "hed", "mlsd", "normal", "openpose", "scribble", "segmentation", "inpaint", "softedge"),
        *("lineart", "shuffle", "tile", "face_detector", "qrcode", "blur", "pose", "gray", "low_quality"),
    )
)
_FLAGS = ("enhance_prompt", "safety_checker", "use_karras_sigmas", "base64", "temp", "upscale")
_UNIT = Field("number", least=0, most=1)
_COMMON: Mapping[str, Field] = {
    "key": Field(required=True),
    "model_id": Field(required=True),
    "prompt": Field(),
    "negative_prompt": Field(),
    "width": Field("integer", least=64, most=1024, step=8),
    "height": Field("integer", least=64, most=1024, step=8),
    "samples": Field("integer", least=1, most=4),
    "guidance_scale": Field("number", least=1, most=20),
    "seed": Field("integer", least=0),
    "scheduler": Field(one_of=tuple(f"{name}Scheduler" for name in _SCHEDULERS)),
    "lora_model": Field(),
    "lora_strength": Field(),
    "clip_skip": Field("integer", least=1, most=8),
    "webhook": Field(),
}
_V6 = {
    **_COMMON,
    **{name: Field("flag") for name in _FLAGS},
    "num_inference_steps": Field("integer", least=1, most=20),
    "track_id": Field(),
}
_SOURCE = {"init_image": Field(required=True), "strength": _UNIT}
ROUTES: Mapping[str, Mapping[str, Field]] = {
    "/api/v6/images/text2img": {**_V6, "prompt": Field(required=True)},
    "/api/v6/images/img2img": {**_V6, **_SOURCE},
    "/api/v6/images/inpaint": {**_V6, **_SOURCE, "mask_image": Field(required=True)},
    "/api/v5/controlnet": {
        **_COMMON,
        **{name: Field(one_of=("yes", "no")) for name in (*_FLAGS, "auto_hint", "guess_mode", "tomesd")},
        "num_inference_steps": Field("integer", least=21, most=31),
        "controlnet_model": _CONTROLS,
        "controlnet_type": _CONTROLS,
        "controlnet_conditioning_scale": Field("number", least=0.1, most=5),
        "control_image": Field(),
        "init_image": Field(),
        "mask_image": Field(),
        "strength": _UNIT,
    },
}
MODELS = ("sdxl", "stable-diffusion-v1-5")
_PICTURES = ("init_image", "mask_image", "control_image")
_REFUSALS = {
    "bad_request": "The prompt field is required.",
    "auth": "Invalid API key",
    "out_of_credit": "You have run out of credits. Add some to your wallet.",
    "not_found": "Model not found, or it is not available any more.",
    "prompt_blocked": "The prompt has inappropriate words.",
    "error_in_200": "It did not work out.",
}
_SAID = {
    429: "Rate limit exceeded. Maximum 5 queued requests allowed.",
    500: "Internal server error.",
    502: "Bad gateway.",
    503: "Service unavailable.",
}
_OWN = frozenset(
    {*_REFUSALS, *TROUBLES, "output_blocked", "corrupt_base64", "never_ending", "failed_later"},
)


@dataclass
class FakeModelsLab:
    """Text to image comes at once, everything else is fetched after `polls` questions.

    `behind_urls`: base64 that was asked for lies as a text behind a URL.
    """

    board: Switchboard = field(default_factory=lambda: Switchboard(uncounted=(FETCH,)))
    polls: int = 2
    behind_urls: bool = False
    name: str = "modelslab"
    troubles: frozenset[str] = frozenset(COMMON) | _OWN
    results: Delivery = field(default_factory=Delivery)
    working: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])

    @property
    def app(self) -> ASGIApp:
        """The routes."""
        drawing = [Route(path, self._draw, methods=["POST"]) for path in ROUTES]
        files = Route(self.results.route, self.results.get, methods=["GET"])
        return Starlette(routes=[*drawing, Route(FETCH, self._fetch, methods=["POST"]), files])

    def error(self, status: int, retry_after: int | None = None) -> Response:
        """An error with its own status; these are few."""
        more = {} if retry_after is None else {"retry_after": retry_after}
        return JSONResponse({"status": "error", "message": _SAID[status], **more}, status)

    async def _draw(self, request: Request) -> Response:
        body: dict[str, Any] = await request.json()
        path = request.url.path
        self.board.note(request, body)
        trouble = self.board.take("POST", *_REFUSALS)
        if refusal := self._refusal(body, trouble):
            return _failed(refusal, path)
        if found := [*complaints(ROUTES[path], body, {}), *_rules(path, body)]:
            return _failed("; ".join(found), path)
        if body["model_id"] not in MODELS:
            return _failed(_REFUSALS["not_found"], path)
        try:
            size = _size(body)
        except (InvalidImage, ValueError):
            return _failed("init_image: invalid picture", path)
        answer = self._answer(request, body, size)
        return JSONResponse(answer if path.endswith("text2img") else self._processing(request, answer))

    def _refusal(self, body: Mapping[str, Any], trouble: str | None) -> str | None:
        if body.get("key") not in self.board.keys:
            return _REFUSALS["auth"]
        return _REFUSALS[trouble] if trouble else None

    def _answer(self, request: Request, body: Mapping[str, Any], size: tuple[int, int]) -> dict[str, Any]:
        trouble = self.board.take("POST", "output_blocked", "corrupt_base64", *TROUBLES)
        seed = body.get("seed") or 1
        output = [self._output(request, body, size, index, trouble) for index in range(body.get("samples", 1))]
        return {
            "status": "success",
            "generationTime": 1.25,
            "id": 1000 + len(self.board.seen),
            "output": output,
            "proxy_links": [],
            "nsfw_content_detected": trouble == "output_blocked",
            "meta": {"model_id": body["model_id"], "seed": seed, "W": size[0], "H": size[1]},
            "webhook_status": "",
            "tip": "Get faster by another plan.",
        }

    def _output(
        self, request: Request, body: Mapping[str, Any], size: tuple[int, int], index: int, trouble: str | None
    ) -> str:
        """A URL, or base64 where that was asked for."""
        if trouble == "corrupt_base64":
            return as_payload(b"", trouble)
        # What the key and its places are does not show in the picture.
        told = [f"{name}={value}" for name, value in sorted(body.items()) if name not in ("key", "track_id")]
        png = blank(*size) if trouble == "output_blocked" else striped(*size, *told, index)
        if body.get("base64") not in (True, "yes"):
            return self.results.put(request, png, "png", trouble)
        text = as_payload(png)
        return self.results.put(request, text.encode(), "base64", trouble) if self.behind_urls else text

    def _processing(self, request: Request, answer: dict[str, Any]) -> dict[str, Any]:
        id = answer["id"]
        keep(self.working, str(id), [answer, self.polls])
        fetch = f"{address_of(request)}{FETCH}"
        waits = {"status": "processing", "eta": 2.5, "message": "It is being drawn.", "fetch_result": fetch}
        return {**waits, "id": id, "output": [], "future_links": [], "meta": answer["meta"], "tip": "", "tip_1": ""}

    async def _fetch(self, request: Request) -> Response:
        body: dict[str, Any] = await request.json()
        if refusal := self._refusal(body, None):
            return _failed(refusal, FETCH)
        work = self.working.get(str(body.get("request_id")))
        if work is None:
            return _failed("Request not found.", FETCH)
        if self.board.take("POST", "failed_later"):
            return JSONResponse({"status": "failed", "message": "It did not work out.", "output": []})
        if self.board.take("POST", "never_ending") or work[1] > 0:
            work[1] = max(0, work[1] - 1)
            return JSONResponse({"status": "processing", "id": work[0]["id"], "output": [], "message": "Not yet."})
        return JSONResponse(work[0])


def _failed(words: str, path: str) -> Response:
    """The old routes spell it in their own way."""
    name = "message" if "/v6/" in path else "message".replace("a", "e")
    return JSONResponse({"status": "error", name: words})


def _rules(path: str, body: Mapping[str, Any]) -> Iterator[str]:
    """What goes beyond one field."""
    with_base64 = body.get("base64") in (True, "yes")
    for name in _PICTURES:
        if (said := body.get(name)) and not said.startswith("http") and not with_base64:
            yield f"{name}: must be a URL unless base64 is asked for"
    if path.endswith("controlnet"):
        if body.get("num_inference_steps", 31) not in (21, 31):
            yield "num_inference_steps: must be 21 or 31"
        if not (body.get("control_image") or body.get("init_image")):
            yield "control_image: is required"
    loras, strengths = (str(body.get(name, "")).split(",") for name in ("lora_model", "lora_strength"))
    if len(loras) != len(strengths):
        yield "lora_strength: must be one for each LoRA"


def _size(body: Mapping[str, Any]) -> tuple[int, int]:
    """That of the source, where it came with the request."""
    source = body.get("init_image", "")
    if source and not source.startswith("http"):
        return measured(b64decode(source.partition(",")[2] or source))
    return body.get("width", 512), body.get("height", 512)
