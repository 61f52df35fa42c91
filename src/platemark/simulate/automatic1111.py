"""A fake AUTOMATIC1111: `/sdapi/v1` with one generation at a time, grids before the pictures and maps behind them."""

import asyncio
import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from platemark.core.errors import InvalidImage
from platemark.simulate.board import COMMON, Switchboard, gateway_page
from platemark.simulate.fields import Field, complaints
from platemark.simulate.pictures import as_payload, broken, measured, striped

ROOT = "/sdapi/v1"
_KARRAS = ("DPM2", "DPM2 a", "DPM++ 2S a", "DPM++ 2M", "DPM++ SDE", "DPM++ 2M SDE", "LMS", "DPM++ 3M SDE")
_PLAIN = ("Euler a", "Euler", "Heun", "DDIM", "PLMS", "UniPC", "LCM", "DPM fast", "DPM adaptive", "Restart")
SAMPLER_NAMES = (*_KARRAS, *(f"{name} Karras" for name in _KARRAS), *_PLAIN)
SCHEDULES = ("Automatic", "Uniform", "Karras", "Exponential", "Polyexponential", "SGM Uniform")
_UNIT = Field("number", least=0, most=1)
_PIXELS = Field("integer", least=64, most=2048, step=8)
_DRAWN: Mapping[str, Field] = {
    "prompt": Field(),
    "negative_prompt": Field(),
    "seed": Field("integer", least=-1, most=2**32 - 1),
    "batch_size": Field("integer", least=1, most=8),
    "n_iter": Field("integer", least=1, most=100),
    "steps": Field("integer", least=1, most=150),
    "cfg_scale": Field("number", least=1, most=30),
    "width": _PIXELS,
    "height": _PIXELS,
    "sampler_name": Field(),
    "scheduler": Field(one_of=SCHEDULES),
    "override_settings": Field("object"),
    "override_settings_restore_afterwards": Field("flag"),
    "save_images": Field("flag"),
    "send_images": Field("flag"),
    "alwayson_scripts": Field("object"),
}
_FROM_PICTURE: Mapping[str, Field] = {
    **_DRAWN,
    "init_images": Field("list", required=True, least=1),
    "mask": Field(),
    "denoising_strength": _UNIT,
    "resize_mode": Field("integer", least=0, most=3),
    "mask_blur": Field("integer", least=0, most=64),
    "inpainting_fill": Field("integer", least=0, most=3),
    "inpaint_full_res": Field("flag"),
    "inpainting_mask_invert": Field("integer", least=0, most=1),
}
_EXTRAS: Mapping[str, Field] = {
    "image": Field(required=True, least=1),
    "resize_mode": Field("integer", least=0, most=1),
    "upscaling_resize": Field("number", least=1, most=8),
    "upscaling_resize_w": Field("integer", least=1),
    "upscaling_resize_h": Field("integer", least=1),
    "upscaler_1": Field(one_of=("None", "Lanczos", "Nearest", "ESRGAN_4x", "R-ESRGAN 4x+")),
}
_CONTROL: Mapping[str, Field] = {
    "enabled": Field("flag"),
    "model": Field(required=True),
    "module": Field(required=True),
    "image": Field(required=True, least=1),
    "weight": Field("number", least=0, most=2),
    "guidance_start": _UNIT,
    "guidance_end": _UNIT,
    "pixel_perfect": Field("flag"),
    "control_mode": Field(),
    "resize_mode": Field(),
}
# Name of a checkpoint, and its short hash.
CHECKPOINTS = {"v1-5-pruned-emaonly": "6ce0161689", "sd_xl_base_1.0": "31e35c80fc"}
_SAID = {
    400: ("HTTPException", "Sampler not found"),
    401: ("HTTPException", "Incorrect username or password"),
    404: ("HTTPException", "Not Found"),
    422: ("HTTPException", "Script 'none' not found"),
    429: ("HTTPException", "Too many requests"),
    500: ("OutOfMemoryError", ""),
}
_REFUSALS = {"bad_request": 422, "auth": 401, "not_found": 404}
_OWN = frozenset({*_REFUSALS, "error_in_200", "corrupt_base64", "corrupt_picture"})
_SHOWN = striped(64, 64, "preview")


@dataclass
class FakeAutomatic1111:
    """`logins`: `user:password` that are let in; none means everybody. `questions`: how often somebody has to ask how
    far a generation is before it is done. `loaded`: the checkpoint that draws where the one that is asked for is not
    known. `grids`: put one before several pictures, as older versions do.
    """

    board: Switchboard = field(default_factory=lambda: Switchboard(uncounted=(f"{ROOT}/interrupt",)))
    logins: frozenset[str] = frozenset()
    questions: int = 0
    loaded: str = "v1-5-pruned-emaonly"
    grids: bool = True
    name: str = "automatic1111"
    troubles: frozenset[str] = frozenset(COMMON) | _OWN
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    # Questions that are still to be asked, and what ends the present generation.
    left: int = 0
    going: asyncio.Event = field(default_factory=asyncio.Event)
    interrupted: int = 0

    @property
    def app(self) -> ASGIApp:
        """The routes."""
        return Starlette(
            routes=[
                Route(f"{ROOT}/txt2img", self._text, methods=["POST"]),
                Route(f"{ROOT}/img2img", self._picture, methods=["POST"]),
                Route(f"{ROOT}/extra-single-image", self._extras, methods=["POST"]),
                Route(f"{ROOT}/progress", self._progress, methods=["GET"]),
                Route(f"{ROOT}/interrupt", self._interrupt, methods=["POST"]),
                Route(f"{ROOT}/sd-models", self._checkpoints, methods=["GET"]),
            ]
        )

    def error(self, status: int, retry_after: int | None = None) -> Response:
        """An error as its handler writes it; a proxy's page for 502 and 503."""
        if status in (502, 503):
            return gateway_page(status)
        kind, detail = _SAID[status]
        if retry_after is not None:
            detail += f", try again in {retry_after} seconds"
        headers = {"www-authenticate": "Basic"} if status == 401 else {}
        errors = "CUDA out of memory" if status == 500 else ""
        return JSONResponse({"error": kind, "detail": detail, "body": "", "errors": errors}, status, headers)

    async def _text(self, request: Request) -> Response:
        return await self._draw(request, _DRAWN)

    async def _picture(self, request: Request) -> Response:
        return await self._draw(request, _FROM_PICTURE)

    async def _draw(self, request: Request, table: Mapping[str, Field]) -> Response:
        given = await self._taken(request)
        if isinstance(given, Response):
            return given
        if given.get("sampler_name", "Euler") not in SAMPLER_NAMES:
            return self.error(400)
        if found := [*complaints(table, given, {}), *_control_complaints(given)]:
            return JSONResponse(
                {"detail": [{"loc": ["body"], "msg": each, "type": "value_error"} for each in found]}, 422
            )
        try:
            sources = [
                _png(each) for each in (*given.get("init_images", ()), *([given["mask"]] if "mask" in given else []))
            ]
        except (InvalidImage, binascii.Error):
            return _handled(500, "HTTPException", "Invalid encoded image")
        async with self.lock:
            await self._work()
            return self._drawn(given, sources)

    async def _work(self) -> None:
        """As long as somebody asks how far it is, or until it is interrupted."""
        self.left = self.questions
        self.going.clear()
        if self.left:
            await self.going.wait()

    def _drawn(self, given: Mapping[str, Any], sources: list[bytes]) -> Response:
        size, seed, count = (given.get("width", 512), given.get("height", 512)), given["seed"], given["batch_size"]
        told = (given["prompt"], *sources, json.dumps(given.get("alwayson_scripts")))
        pictures = [striped(*size, seed + number, *told) for number in range(count)]
        grid = [as_payload(striped(size[0] * count, size[1], "grid"))] if self.grids and count > 1 else []
        maps = [as_payload(striped(*size, "map")) for _ in _units(given)]
        trouble = self.board.take("POST", "corrupt_base64", "corrupt_picture")
        if trouble == "corrupt_picture":
            pictures = [broken(each) for each in pictures]
        images = [as_payload(each, trouble) for each in pictures]
        info = {**self._info(given, count), "index_of_first_image": len(grid)}
        echo = {**given, "init_images": None, "mask": None}
        return JSONResponse({"images": [*grid, *images, *maps], "parameters": echo, "info": json.dumps(info)})

    def _info(self, given: Mapping[str, Any], count: int) -> dict[str, Any]:
        asked = given.get("override_settings", {}).get("sd_model_checkpoint", self.loaded)
        known = asked.removesuffix(".safetensors")
        drew = known if known in CHECKPOINTS else self.loaded
        seeds = [given["seed"] + number for number in range(count)]
        return {
            "prompt": given["prompt"],
            "seed": seeds[0],
            "all_seeds": seeds,
            "sampler_name": given.get("sampler_name", "Euler"),
            "sd_model_name": drew,
            "sd_model_hash": CHECKPOINTS[drew],
            "infotexts": [f"{given['prompt']}\nSteps: {given['steps']}"] * count,
            "version": "v1.10.1",
        }

    async def _extras(self, request: Request) -> Response:
        given = await self._taken(request)
        if isinstance(given, Response):
            return given
        if found := [*complaints(_EXTRAS, given, {})]:
            return JSONResponse({"detail": found}, 422)
        png = striped(given["upscaling_resize_w"], given["upscaling_resize_h"], _png(given["image"]))
        return JSONResponse({"html_info": "<p></p>", "image": as_payload(png)})

    async def _taken(self, request: Request) -> dict[str, Any] | Response:
        """The body, or what is said before it is looked at."""
        body = await request.body()
        trouble = self.board.take(request.method, *_REFUSALS, "error_in_200")
        if trouble == "auth" or not self._let_in(request):
            return self.error(401)
        if trouble == "error_in_200":
            return _handled(200, "OutOfMemoryError", "CUDA out of memory")
        if trouble is not None:
            return self.error(_REFUSALS[trouble])
        given: dict[str, Any] = json.loads(body or b"{}")
        self.board.note(request, given)
        return {"seed": 1, "batch_size": 1, "steps": 50, "prompt": "", **given} if "image" not in given else given

    def _let_in(self, request: Request) -> bool:
        said = request.headers.get("authorization", "").removeprefix("Basic ")
        return not self.logins or said in {base64.b64encode(login.encode()).decode() for login in self.logins}

    async def _progress(self, request: Request) -> Response:
        if not self._let_in(request):
            return self.error(401)
        done = 1 - self.left / self.questions if self.questions and self.lock.locked() else 0.0
        self.left = max(0, self.left - 1)
        if self.left == 0:
            self.going.set()
        shown = None if "skip_current_image" in request.query_params else as_payload(_SHOWN)
        state = {"job": "txt2img" if done else "", "job_count": 1, "interrupted": False}
        said = {"progress": done, "eta_relative": 0.0, "state": state, "textinfo": None}
        return JSONResponse({**said, "current_image": shown if done else None})

    async def _interrupt(self, request: Request) -> Response:
        if not self._let_in(request):
            return self.error(401)
        self.interrupted += 1
        self.going.set()
        return JSONResponse({})

    async def _checkpoints(self, request: Request) -> Response:
        listed = [
            {"title": f"{name}.safetensors [{key}]", "model_name": name, "hash": key}
            for name, key in CHECKPOINTS.items()
        ]
        return JSONResponse(listed)


def _handled(status: int, kind: str, words: str) -> Response:
    return JSONResponse({"error": kind, "detail": words, "body": "", "errors": words}, status)


def _units(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    scripts: Mapping[str, Any] = given.get("alwayson_scripts", {})
    return cast(list[dict[str, Any]], scripts.get("controlnet", {}).get("args", []))


def _control_complaints(given: Mapping[str, Any]) -> Iterator[str]:
    scripts: Mapping[str, Any] = given.get("alwayson_scripts", {})
    for script in scripts:
        if script != "controlnet":
            yield f"always on script {script} not found"
    for unit in _units(given):
        yield from complaints(_CONTROL, unit, {})
        if not re.match(r"control_|diffusers_xl_", str(unit.get("model"))):
            yield f"model: there is no ControlNet {unit.get('model')}"


def _png(text: str) -> bytes:
    data = base64.b64decode(text, validate=True)
    measured(data)
    return data
