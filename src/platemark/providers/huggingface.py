"""Hugging Face Inference: text-to-image and image-to-image by hub id, one picture a call, as bytes.

Lenient where nothing is published: bodies of 402, 429 and 503 (a model that is loading says so there, with
`estimated_time`), which models answer at the moment, and pictures inside JSON, as other hosts behind the router write.
There is no mask, no batch, no safety flag and no seed in the answer; image-to-image knows neither strength nor seed.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from platemark.core.model import Capabilities
from platemark.core.updates import Order
from platemark.providers.catalogue import Declared, Rate, sides_of
from platemark.providers.http import Call, Reply, as_base64, as_list, as_object, with_bearer
from platemark.providers.licences import RAIL_M, RAIL_PP_M, STABILITY_COMMUNITY, TERMS_AND_LICENCE
from platemark.providers.outcomes import Row
from platemark.providers.vendor import About, Asked, Found, Reading, found_in, is_picture, told

NAME = "huggingface"
BASE_URL = "https://router.huggingface.co/hf-inference"
# Nothing is published but that there is a limit, by plan.
RATE = Rate(calls=60, seconds=60.0, concurrency=4)
TABLE = (
    Row("rate_limited", (200, 503), body={"error": "loading", "estimated_time": r"\d"}),
    Row("rate_limited", (200, 503), body={"error": "loading"}, retry_after=20.0),
    Row("timed_out", (503,), body={"error": "too busy|time.?out|timed out"}),
    Row("unusable", (200,), body={"error": r"\w"}),
    Row("prompt_blocked", (400, 403, 422), body={"error": "nsfw|safety|flagged|moderat"}),
    # The router's way of saying that this model, or this task of it, is not served.
    Row("not_found", (400, 403, 422), body={"error": r"not supported|does ?n[o']t (exist|support)|no longer"}),
)
ABOUT = About(
    delivers="raw bytes, PNG by Accept; base64 and URLs inside JSON are taken too",
    not_verified=(
        "which models answer at the moment",
        "bodies of 402, 429 and 503",
        "limits of rate, of sizes and of sources",
        "prices: billed by the time of computing",
    ),
)
SCHEDULERS = {
    "ddim": "DDIMScheduler",
    "ddpm": "DDPMScheduler",
    "dpmpp_2m": "DPMSolverMultistepScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler_a": "EulerAncestralDiscreteScheduler",
    "heun": "HeunDiscreteScheduler",
    "lms": "LMSDiscreteScheduler",
    "unipc": "UniPCMultistepScheduler",
}


def _can(operation: str, side: int, cfg: float, **more: Any) -> Capabilities:
    sizes = {"min_size": 256, "max_size": 2048, "size_multiple": 8, "default_width": side, "default_height": side}
    drawn = {"max_steps": 100, "default_steps": 30, "max_cfg_scale": 20.0, "default_cfg_scale": cfg, "max_count": 10}
    return Capabilities.model_validate({"operations": frozenset({operation}), **sizes, **drawn, **more})


def _model(name: str, route: str, licence: str, can: Capabilities, description: str, **more: Any) -> Declared:
    declared = Declared(
        model=f"{NAME}/{name}",
        route=route,
        capabilities=can,
        licence=licence,
        licence_note=TERMS_AND_LICENCE,
        description=description,
        steps=(1, 100),
        cfg=(0.0, 20.0),
        formats=("png", "jpeg"),
        not_verified=(
            "whether it answers at the moment",
            "price",
            "ranges of its numbers",
            *more.pop("not_verified", ()),
        ),
    )
    return replace(declared, **more)


def _from_picture(name: str, route: str, licence: str, description: str, side: int) -> Declared:
    can = _can("image_to_image", side, 7.5, seed=False, min_size=64, size_multiple=1)
    return _model(name, route, licence, can, description, not_verified=("the size of its results",))


_DIFFUSERS = {"schedulers": tuple(SCHEDULERS)}
_ALL = (
    _model(
        *("sdxl", "stabilityai/stable-diffusion-xl-base-1.0", RAIL_PP_M),
        *(_can("text_to_image", 1024, 7.5, **_DIFFUSERS), "Stable Diffusion XL 1.0."),
    ),
    _model(
        *("sd3.5-large", "stabilityai/stable-diffusion-3.5-large", STABILITY_COMMUNITY),
        *(_can("text_to_image", 1024, 4.5), "Stable Diffusion 3.5 Large."),
    ),
    _model(
        *("sd3.5-large-turbo", "stabilityai/stable-diffusion-3.5-large-turbo", STABILITY_COMMUNITY),
        *(_can("text_to_image", 1024, 0.0, default_steps=4), "Stable Diffusion 3.5 Large Turbo."),
    ),
    _model(
        *("sd3-medium", "stabilityai/stable-diffusion-3-medium-diffusers", STABILITY_COMMUNITY),
        *(_can("text_to_image", 1024, 7.0), "Stable Diffusion 3 Medium."),
    ),
    _model(
        *("sd-1.5", "stable-diffusion-v1-5/stable-diffusion-v1-5", RAIL_M),
        *(_can("text_to_image", 512, 7.5, **_DIFFUSERS), "Stable Diffusion 1.5 with its safety checker."),
        # Its checker puts a black picture in the place of what it withholds.
        blank_means_blocked=True,
    ),
    _from_picture(
        *("sdxl-refiner", "stabilityai/stable-diffusion-xl-refiner-1.0", RAIL_PP_M),
        *("Stable Diffusion XL Refiner 1.0: draws over a picture.", 1024),
    ),
    _from_picture(
        *("instruct-pix2pix", "timbrooks/instruct-pix2pix", "MIT"),
        *("InstructPix2Pix: changes a picture as the prompt says.", 512),
    ),
)
MODELS = {declared.model: declared for declared in _ALL}


@dataclass(frozen=True)
class HuggingFace:
    """The vendor. A route is a hub id; one that begins with `/` is a path as it stands: `/` with the address of an
    inference endpoint of one's own as `base_url`. A model serves one task: text to image, or image to image.

    A model that has to be loaded first is asked again when it said that it will be ready, as with any limit of rate.
    """

    models: Mapping[str, Declared] = field(default_factory=lambda: MODELS)
    name: str = NAME
    table: Sequence[Row] = TABLE
    rate: Rate = RATE
    request_id_headers: Sequence[str] = ("x-request-id", "x-amzn-trace-id")
    free_repeat: bool = False
    replays_keys: bool = False
    needs_key: bool = True
    about: About = ABOUT

    def authorise(self, call: Call, key: str) -> Call:
        """A bearer token."""
        return with_bearer(call, key)

    def ask(self, order: Order, model: Declared) -> Sequence[Asked]:
        """One call a picture: there are no batches."""
        return [_asked(order, model, index, seed) for index, seed in enumerate(order.seeds)]

    def read(self, reply: Reply, model: Declared) -> Reading:
        """Bytes, or what other hosts behind the same router write into JSON: one picture in any of the usual places."""
        if is_picture(reply.body):
            return Reading((Found(reply.body),))
        body: Any = reply.json
        if body is None:
            # What came in place of a picture is judged where pictures are.
            return Reading((Found(reply.body),))
        named = as_object(body)
        lists = (as_list(each) for each in (body, *(named.get(name) for name in ("data", "images", "output"))))
        listed = next(filter(None, lists), None) or [named.get("output") or body]
        return Reading(tuple(found_in(each) for each in listed))

    def poll(self, ticket: str, model: Declared) -> Call:
        """There are no tickets; asked all the same, the vendor says so."""
        return Call("GET", f"{_path(model)}/{ticket}", repeatable=True)

    def cancel(self, ticket: str, model: Declared) -> Call | None:
        """There is no such route."""
        return None


def _path(model: Declared) -> str:
    return model.route if model.route.startswith("/") else f"/models/{model.route}"


def _asked(order: Order, model: Declared, index: int, seed: int) -> Asked:
    parameters = dict(_parameters(order, model, seed))
    inputs = order.prompt if order.image is None else as_base64(order.image)
    body = {"inputs": inputs, "parameters": parameters}
    call = Call("POST", _path(model), headers={"accept": "image/png"}, json=body)
    return Asked(call, (index,), (seed,), {"path": call.path, **told(parameters)})


def _parameters(order: Order, model: Declared, seed: int) -> Iterator[tuple[str, Any]]:
    wanted = order.parameters
    yield from (("num_inference_steps", wanted.steps), ("guidance_scale", wanted.cfg_scale))
    if order.negative_prompt:
        yield "negative_prompt", order.negative_prompt
    if wanted.scheduler:
        yield "scheduler", SCHEDULERS[wanted.scheduler]
    if order.image is not None:
        # `inputs` is the picture.
        yield "prompt", order.prompt
    else:
        yield from sides_of(order, model).items()
        yield "seed", seed
