"""Replicate: official models, versions and deployments by one predictions API, with sources as data URLs or uploads.

A `route` is `owner/name` (official), `owner/name:version` or `version`, or `deployments/owner/name`. Lenient where
nothing is published: bodies of errors, the texts of its safety checkers, ranges of seeds. It replays no idempotency
keys: a submission with no answer is unknown. Only a short `Prefer: wait`, because the ticket comes when it is over.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

from platemark.core.model import Capabilities
from platemark.core.updates import Order
from platemark.providers.catalogue import (
    Declared,
    Price,
    Rate,
    SourceLimits,
    header_of,
    ratio_of,
    sides_of,
    strength_of,
)
from platemark.providers.http import Call, Reply, as_list, as_object, data_uri, with_bearer
from platemark.providers.licences import RAIL_M, RAIL_PP_M, STABILITY_COMMUNITY, TERMS_AND_LICENCE
from platemark.providers.outcomes import Row
from platemark.providers.vendor import About, Asked, Reading, found_in
from platemark.providers.webhooks import body_of, check_hmac

NAME = "replicate"
BASE_URL = "https://api.replicate.com"
RATE = Rate(calls=600, seconds=60.0, concurrency=8)
TABLE = (
    Row("pending", (200, 201, 202), body={"status": "^(starting|processing|queued)$"}),
    Row("output_blocked", (200, 201, 202), body={"status": "^failed$", "error": "nsfw content detected"}),
    Row("prompt_blocked", (200, 201, 202), body={"status": "^failed$", "error": r"flagged as sensitive|\(E005\)"}),
    # The vendor's codes for work that did not start in time, was interrupted, or whose machine was unwell.
    Row("overloaded", (200, 201, 202), body={"status": "^failed$", "error": r"E(1002|6716|8367|8765|9243)\b"}),
    Row("overloaded", (200, 201, 202), body={"status": "^failed$", "error": "interrupted; please retry|high demand"}),
    Row("unusable", (200, 201, 202), body={"status": "^(failed|canceled)$"}),
    # Ended by its deadline before it ran.
    Row("timed_out", (200, 201, 202), body={"status": "^aborted$"}),
    Row("unusable", (200, 201, 202), body={"data_removed": "^true$"}),
    # Pictures that its safety checker took away are missing from the list.
    Row("output_blocked", (200, 201, 202), body={"status": "^succeeded$", "output": r"^\[\]$"}),
)
RATIOS = ("1:1", "16:9", "21:9", "3:2", "2:3", "4:5", "5:4", "3:4", "4:3", "9:16", "9:21")
SAMPLERS = {
    "ddim": "DDIM",
    "dpmpp_2m": "DPMSolverMultistep",
    "dpmpp_2m_karras": "KarrasDPM",
    "euler": "K_EULER",
    "euler_a": "K_EULER_ANCESTRAL",
    "heun": "HeunDiscrete",
    "lms": "KLMS",
    "pndm": "PNDM",
}
# Larger files have to be uploaded.
MAX_DATA_URL = 256_000
_DONE_PERCENT = re.compile(r"(\d{1,3})%\|")
_NOT_VERIFIED = ("bodies of 401, 402, 404 and 422", "texts of its safety checkers", "the range of seeds")
_SDXL = "stability-ai/sdxl:7762fd07cf82c948538e41f63f77d685e02b063e37e496e96eefd46c929f9bdc"
_INPAINT = "stability-ai/stable-diffusion-inpainting:95b7223104132402a9ae91cc677285bc5eb997834bd2349fa486f53910fd68b3"
_ESRGAN = "nightmareai/real-esrgan:f121d640bd286e1fdc67f9799164c1d5be36ff74576ee11c803ae5b665dd46aa"
_NO_STEPS = {"max_steps": 0, "default_steps": 0, "max_cfg_scale": 0.0, "default_cfg_scale": 0.0}


def _can(*operations: str, **more: Any) -> Capabilities:
    sizes = {"min_size": 512, "max_size": 1600, "size_multiple": 1, "default_width": 1024, "default_height": 1024}
    return Capabilities.model_validate({"operations": frozenset(operations), "max_count": 10, **sizes, **more})


def _model(name: str, route: str, inputs: str, can: Capabilities, licence: str, text: str, **more: Any) -> Declared:
    declared = Declared(
        model=f"{NAME}/{name}",
        route=route,
        capabilities=can,
        licence=licence,
        licence_note=TERMS_AND_LICENCE,
        description=text,
        source=SourceLimits(min_side=64, max_side=4_096, max_bytes=50 * 1024 * 1024),
        poll_seconds=1.0,
        result_seconds=3600.0,
        facts={"inputs": inputs},
        not_verified=(*_NOT_VERIFIED, *more.pop("not_verified", ())),
    )
    return replace(declared, **more)


def _sd35(kind: str, usd: str, steps: tuple[int, int], cfg: float) -> Declared:
    can = _can(
        *("text_to_image", "image_to_image"),
        negative_prompt=False,
        max_steps=steps[1],
        default_steps=steps[0],
        max_cfg_scale=20.0,
        default_cfg_scale=cfg,
    )
    words = kind.replace("-", " ").title()
    return _model(
        *(f"sd3.5-{kind}", f"stability-ai/stable-diffusion-3.5-{kind}", "sd3", can, STABILITY_COMMUNITY),
        f"Stable Diffusion 3.5 {words}: an official model.",
        price=Price(usd, "image", "price list by hearsay", "undated", verified=False),
        aspect_ratios=RATIOS,
        steps=(1, steps[1]),
        cfg=(0.0, 20.0),
        strength=(0.0, 1.0),
        default_strength=0.85,
        formats=("png", "jpeg", "webp"),
        not_verified=("the price", "the size of the result of image_to_image"),
    )


def _samplers(*left_out: str) -> tuple[str, ...]:
    return tuple(name for name in SAMPLERS if name not in left_out)


_BY_THE_SECOND = {"not_verified": ("its price, which is by the second of its machine",)}
_ALL = (
    _sd35("large", "0.065", (35, 50), 3.5),
    _sd35("large-turbo", "0.04", (4, 10), 1.0),
    _sd35("medium", "0.035", (40, 50), 5.0),
    _model(
        *("sdxl", _SDXL, "sdxl"),
        _can(
            *("text_to_image", "image_to_image", "inpaint"),
            min_size=256,
            max_size=2_048,
            size_multiple=8,
            max_steps=500,
            default_steps=50,
            max_cfg_scale=50.0,
            default_cfg_scale=7.5,
            schedulers=_samplers("lms"),
        ),
        *(RAIL_PP_M, "Stable Diffusion XL 1.0. The vendor's invisible watermark stays in."),
        steps=(1, 500),
        cfg=(1.0, 50.0),
        strength=(0.0, 1.0),
        default_strength=0.8,
        not_verified=("limits of sizes", *_BY_THE_SECOND["not_verified"]),
    ),
    _model(
        *("sd-inpainting", _INPAINT, "inpainting"),
        _can(
            "inpaint",
            min_size=64,
            max_size=1_024,
            size_multiple=64,
            default_width=512,
            default_height=512,
            max_steps=500,
            default_steps=50,
            max_cfg_scale=20.0,
            default_cfg_scale=7.5,
            schedulers=_samplers("heun", "dpmpp_2m_karras"),
        ),
        *(RAIL_M, "Stable Diffusion 2 inpainting; sides become multiples of 64, at most 1024."),
        steps=(1, 500),
        cfg=(1.0, 20.0),
        **_BY_THE_SECOND,
    ),
    _model(
        *("real-esrgan", _ESRGAN, "upscaling"),
        _can("upscale", negative_prompt=False, seed=False, min_size=64, max_size=16_384, **_NO_STEPS),
        *("BSD-3-Clause", "Real-ESRGAN: up to ten times as wide and high; reads no prompt."),
        prompt_used=False,
        source=SourceLimits(min_side=16, max_pixels=2_096_704, max_bytes=50 * 1024 * 1024),
        not_verified=("limits of its source", *_BY_THE_SECOND["not_verified"]),
    ),
)
ABOUT = About(delivers="URLs, for one hour")
MODELS = {declared.model: declared for declared in _ALL}


@dataclass(frozen=True)
class Replicate:
    """The vendor. Results lie behind URLs for an hour. `wait_seconds`: how long a submission may hold the answer.

    `webhook_url`: named in each call where it is set; what comes there is only a hint to ask at once.
    """

    models: Mapping[str, Declared] = field(default_factory=lambda: MODELS)
    wait_seconds: int = 5
    webhook_url: str | None = None
    jwks_url: str | None = None
    name: str = NAME
    table: Sequence[Row] = TABLE
    rate: Rate = RATE
    request_id_headers: Sequence[str] = ()
    free_repeat: bool = False
    replays_keys: bool = False
    needs_key: bool = True
    about: About = ABOUT

    def authorise(self, call: Call, key: str) -> Call:
        """A bearer token."""
        return with_bearer(call, key)

    def ask(self, order: Order, model: Declared) -> Sequence[Asked]:
        """One prediction a seed: one with several pictures has one seed for all of them."""
        return [self._asked(order, model, index, seed) for index, seed in enumerate(order.seeds)]

    def _asked(self, order: Order, model: Declared, index: int, seed: int) -> Asked:
        inputs = dict(_INPUTS[model.facts["inputs"]](order, model))
        if model.capabilities.seed:
            inputs["seed"] = seed
        sources = {name: data for name, data in (("image", order.image), ("mask", order.mask)) if data is not None}
        large = [name for name, data in sources.items() if len(data) > MAX_DATA_URL]
        inputs |= {name: data_uri(data) for name, data in sources.items() if name not in large}
        call = self._call(model.route, inputs)
        told = {name: value for name, value in inputs.items() if "prompt" not in name or name == "prompt_strength"}
        chosen = {"route": model.route, **{name: value for name, value in told.items() if name not in sources}}
        before = tuple(_upload(name, sources[name]) for name in large)
        return Asked(call, (index,), (seed,), chosen, before, partial(_filled, call, large) if large else None)

    def _call(self, route: str, inputs: Mapping[str, Any]) -> Call:
        body: dict[str, Any] = {"input": inputs}
        path = "/v1/predictions"
        if ":" in route or "/" not in route:
            body["version"] = route
        else:
            path = f"/v1/{route if route.startswith('deployments/') else f'models/{route}'}/predictions"
        if self.webhook_url:
            body |= {"webhook": self.webhook_url, "webhook_events_filter": ["completed"]}
        headers = {"prefer": f"wait={self.wait_seconds}"} if self.wait_seconds else {}
        return Call("POST", path, headers=headers, json=body)

    def read(self, reply: Reply, model: Declared) -> Reading:
        """A prediction in any state."""
        body = as_object(reply.json)
        version, status = body.get("version"), body.get("status")
        pending = status not in ("succeeded", "failed", "canceled", "aborted")
        return Reading(
            () if pending else tuple(found_in(each) for each in _listed(body.get("output"))),
            ticket=str(body["id"]) if body.get("id") else None,
            pending=pending and bool(body.get("id")),
            model_revision=version if isinstance(version, str) and version != "hidden" else None,
            progress=_progress(body.get("logs")),
        )

    def poll(self, ticket: str, model: Declared) -> Call:
        """The prediction."""
        return Call("GET", f"/v1/predictions/{ticket}", repeatable=True)

    def cancel(self, ticket: str, model: Declared) -> Call | None:
        """Ends it at once."""
        return Call("POST", f"/v1/predictions/{ticket}/cancel", repeatable=True)

    def hint(self, headers: Mapping[str, str], body: bytes, secret: str, now: datetime) -> str:
        """The prediction's id."""
        check_hmac(headers, body, secret, now)
        return str(body_of(body).get("id", ""))


def _upload(name: str, data: bytes) -> Call:
    form = {"filename": f"{name}.png", "type": "image/png"}
    files = {"content": (f"{name}.png", data, "image/png")}
    return Call("POST", "/v1/files", form=form, files=files, repeatable=True)


def _filled(call: Call, names: Sequence[str], replies: Sequence[Reply]) -> Call:
    """The call with the addresses of what was uploaded."""
    urls = {
        name: as_object(as_object(reply.json).get("urls")).get("get")
        for name, reply in zip(names, replies, strict=True)
    }
    return replace(call, json={**call.json, "input": {**call.json["input"], **urls}})


def _listed(output: Any) -> list[Any]:
    return list(as_list(output)) if isinstance(output, list) or output is None else [output]


def _progress(logs: Any) -> float | None:
    said = _DONE_PERCENT.findall(logs[-4_000:]) if isinstance(logs, str) else []
    return int(said[-1]) / 100 if said else None


def _texts(order: Order, model: Declared) -> Iterator[tuple[str, Any]]:
    yield "prompt", order.prompt
    if order.negative_prompt and model.capabilities.negative_prompt:
        yield "negative_prompt", order.negative_prompt


def _sd3(order: Order, model: Declared) -> Iterator[tuple[str, Any]]:
    wanted = order.parameters
    yield from _texts(order, model)
    yield from {"cfg": wanted.cfg_scale, "steps": wanted.steps, "output_format": "png"}.items()
    if order.operation == "image_to_image":
        yield "prompt_strength", strength_of(order, model)
    else:
        yield "aspect_ratio", ratio_of(order, model)


def _diffusion(order: Order, model: Declared) -> Iterator[tuple[str, Any]]:
    wanted = order.parameters
    yield from _texts(order, model)
    yield from sides_of(order, model).items()
    yield from {"guidance_scale": wanted.cfg_scale, "num_inference_steps": wanted.steps, "num_outputs": 1}.items()
    if wanted.scheduler:
        yield "scheduler", SAMPLERS[wanted.scheduler]


def _sdxl(order: Order, model: Declared) -> Iterator[tuple[str, Any]]:
    yield from _diffusion(order, model)
    if order.image is not None:
        yield "prompt_strength", strength_of(order, model)


def _upscaling(order: Order, model: Declared) -> Iterator[tuple[str, Any]]:
    wide = header_of(order.image or b"", "image/png").width
    yield from {"scale": round(min(10.0, order.parameters.width / wide), 3), "face_enhance": False}.items()


_INPUTS = {"sd3": _sd3, "sdxl": _sdxl, "inpainting": _diffusion, "upscaling": _upscaling}
