"""ModelsLab (stablediffusionapi.com): community checkpoints by v6 text2img, img2img and inpaint, ControlNet by v5.

Lenient where nothing is published: words of errors, which mostly come with a 200; base64 as a text behind a URL; the
type of numbers. White as what changes is the custom of Stable Diffusion's tools; no source says it of this vendor.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from platemark.core.model import Capabilities
from platemark.core.updates import Order
from platemark.providers.catalogue import Declared, Rate, SourceLimits, sides_of, strength_of
from platemark.providers.http import Call, Reply, as_list, as_object, data_uri
from platemark.providers.outcomes import Outcome, Row
from platemark.providers.vendor import About, Asked, Reading, found_in, told

NAME = "modelslab"
BASE_URL = "https://modelslab.com"
FETCH = "/api/v6/images/fetch"
# The queue of the smallest plan; what comes beyond it is refused.
RATE = Rate(calls=5, seconds=1.0, concurrency=5)
_FAILED = "^(error|failed)$"
# Errors come with a 200, and the text is spelt in two ways: what they say is looked for in the whole body.
_SAID: tuple[tuple[Outcome, str], ...] = (
    ("rate_limited", "rate limit|too many requests|queued requests"),
    ("prompt_blocked", "nsfw|not allowed content|banned word|moderat|inappropriate|sexual"),
    ("auth", "api key"),
    ("out_of_credit", "credit|wallet|balance|subscri|upgrade your plan"),
    ("not_found", r"(model|request)\W.{0,40}(not found|does ?n.t exist|invalid|not available)"),
    ("overloaded", r'"mess[ae]ge"\s*:\s*"(try again|server error|server busy|internal)'),
    ("bad_request", "required|must be|invalid|validation|unknown field"),
)
TABLE = (
    Row("output_blocked", (200,), body={"status": "^success$", "nsfw_content_detected": "^true$"}),
    Row("pending", (200,), body={"status": "^processing$"}),
    *(Row(outcome, (200,), body={"status": _FAILED, "": words}) for outcome, words in _SAID),
    Row("unusable", (200,), body={"status": _FAILED}),
    Row("prompt_blocked", (400, 422), body={"": _SAID[1][1]}),
)
_NAMES = {
    "ddim": "DDIMScheduler",
    "ddpm": "DDPMScheduler",
    "deis": "DEISMultistepScheduler",
    "dpm2": "KDPM2DiscreteScheduler",
    "dpm2_a": "KDPM2AncestralDiscreteScheduler",
    "dpmpp_2m": "DPMSolverMultistepScheduler",
    "dpmpp_2s": "DPMSolverSinglestepScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler_a": "EulerAncestralDiscreteScheduler",
    "heun": "HeunDiscreteScheduler",
    "lcm": "LCMScheduler",
    "lms": "LMSDiscreteScheduler",
    "pndm": "PNDMScheduler",
    "unipc": "UniPCMultistepScheduler",
}
_KARRAS = ("dpm2", "dpm2_a", "dpmpp_2m", "dpmpp_2s", "euler", "heun", "lms", "unipc")
SCHEDULERS = (*_NAMES, *(f"{name}_karras" for name in _KARRAS))
CONTROLS = (
    *("canny", "depth", "hed", "lineart", "mlsd", "normal", "openpose", "scribble", "segmentation", "softedge"),
    *("shuffle", "tile", "qrcode", "blur", "gray"),
)
ABOUT = About(
    delivers="URLs; base64 in JSON where a source picture is sent, so that nobody has to put it on the web first",
    not_verified=(
        "prices",
        "that white is the part of a mask that changes",
        "the words of errors",
        "whether a refused prompt was charged",
    ),
)
_V6 = {
    "text_to_image": "/api/v6/images/text2img",
    "image_to_image": "/api/v6/images/img2img",
    "inpaint": "/api/v6/images/inpaint",
    "flags": "json",
}
_V5 = {"text_to_image": "/api/v5/controlnet", "flags": "words"}


def _declared(name: str, route: str, description: str, steps: tuple[int, int], facts: Mapping[str, str]) -> Declared:
    controlled = "flags" in facts and facts["flags"] == "words"
    return Declared(
        model=f"{NAME}/{name}",
        route=route,
        capabilities=Capabilities(
            operations=frozenset({"text_to_image", "image_to_image", "inpaint"} & set(facts)),
            min_size=64,
            max_size=1024,
            size_multiple=8,
            default_width=512,
            default_height=512,
            max_steps=steps[1],
            default_steps=steps[1],
            max_cfg_scale=20.0,
            default_cfg_scale=7.5,
            schedulers=SCHEDULERS,
            clip_skip=True,
            any_lora=True,
            max_loras=4,
            controls=CONTROLS if controlled else (),
            max_controls=1 if controlled else 0,
        ),
        licence_note="Hosted: the vendor's terms and the checkpoint's licence apply to what is made.",
        description=description,
        cfg=(1.0, 20.0),
        steps=steps,
        strength=None if controlled else (0.0, 1.0),
        default_strength=None if controlled else 0.7,
        min_controls=1 if controlled else 0,
        max_control_strength=5.0,
        lora_id="[^,]+",
        lora_scales=(0.1, 1.0),
        source=SourceLimits(min_side=64, max_side=2048),
        formats=("png", "jpeg"),
        poll_seconds=3.0,
        max_wait_seconds=900.0,
        blank_means_blocked=True,
        facts={"fetch": FETCH, **facts},
        not_verified=("the id of the model", "the range of seeds", "limits of sources"),
    )


_ALL = (
    _declared("sdxl", "sdxl", "Stable Diffusion XL.", (1, 20), _V6),
    _declared("sd1.5", "stable-diffusion-v1-5", "Stable Diffusion 1.5.", (1, 20), _V6),
    # The document knows 21 and 31 steps.
    _declared("controlnet", "stable-diffusion-v1-5", "Stable Diffusion 1.5 with a ControlNet.", (31, 31), _V5),
)
MODELS = {declared.model: declared for declared in _ALL}


@dataclass(frozen=True)
class ModelsLab:
    """The vendor. Any public or trained checkpoint is a model of the operator's, with its `model_id` as the route.

    A model that nobody used for a week has to be loaded again at the vendor before it answers.
    """

    models: Mapping[str, Declared] = field(default_factory=lambda: MODELS)
    name: str = NAME
    table: Sequence[Row] = TABLE
    rate: Rate = RATE
    request_id_headers: Sequence[str] = ("x-request-id", "cf-ray")
    free_repeat: bool = False
    replays_keys: bool = False
    needs_key: bool = True
    about: About = ABOUT

    def authorise(self, call: Call, key: str) -> Call:
        """The key lies in the body."""
        return replace(call, json={**call.json, "key": key})

    def ask(self, order: Order, model: Declared) -> Sequence[Asked]:
        """One call a seed: nothing says how further samples of one call are seeded."""
        seeds = order.seeds or (order.parameters.seed,)
        return [_asked(order, model, index, seed) for index, seed in enumerate(seeds)]

    def read(self, reply: Reply, model: Declared) -> Reading:
        """URLs or base64, or the id of work that goes on."""
        body = as_object(reply.json)
        if body.get("status") == "processing":
            return Reading(ticket=str(body["id"]) if body.get("id") else None, pending=True)
        seed = as_object(body.get("meta")).get("seed")
        seed = int(seed) if isinstance(seed, int | str) and str(seed).isdigit() else None
        said = next((links for name in _LINKS if (links := as_list(body.get(name)))), ())
        return Reading(tuple(found_in(each, seed=seed) for each in said))

    def poll(self, ticket: str, model: Declared) -> Call:
        """What became of it."""
        return Call("POST", model.facts.get("fetch", FETCH), json={"request_id": ticket}, repeatable=True)

    def cancel(self, ticket: str, model: Declared) -> Call | None:
        """There is no such route."""
        return None


_LINKS = ("output", "proxy_links", "future_links")


def _asked(order: Order, model: Declared, index: int, seed: int) -> Asked:
    flags = {name: _flag(value, model) for name, value in _flags(order).items()}
    fields = {"model_id": model.route, **dict(_fields(order, model, seed)), **flags}
    pictures = {"init_image": order.image, "mask_image": order.mask, "control_image": next(iter(order.guides), None)}
    sources = {name: data_uri(data) for name, data in pictures.items() if data is not None}
    if model.facts.get("flags") != "words":
        # v5 takes numbers here.
        fields["track_id"] = f"{order.idempotency_key}.{index}"
    path = model.facts[order.operation]
    return Asked(Call("POST", path, json={**fields, **sources}), (index,), (seed,), {"path": path, **told(fields)})


def _flags(order: Order) -> dict[str, bool]:
    wanted = order.parameters
    # The prompt stays as it was written.
    found = {"enhance_prompt": False}
    if order.image or order.guides:
        found["base64"] = True
    if wanted.scheduler:
        found["use_karras_sigmas"] = wanted.scheduler.endswith("_karras")
    if wanted.controls:
        found["auto_hint"] = wanted.controls[0].preprocess
    return found


def _flag(value: bool, model: Declared) -> bool | str:
    """v6 takes truth values, v5 words."""
    words = model.facts.get("flags") == "words"
    return ("yes" if value else "no") if words else value


def _fields(order: Order, model: Declared, seed: int) -> Iterator[tuple[str, Any]]:
    wanted = order.parameters
    yield from {"prompt": order.prompt, **sides_of(order, model), "samples": 1, "seed": seed}.items()
    yield from {"num_inference_steps": wanted.steps, "guidance_scale": wanted.cfg_scale}.items()
    if order.negative_prompt:
        yield "negative_prompt", order.negative_prompt
    if wanted.scheduler:
        yield "scheduler", _NAMES[wanted.scheduler.removesuffix("_karras")]
    if wanted.clip_skip is not None:
        yield "clip_skip", wanted.clip_skip
    if order.image is not None:
        yield "strength", strength_of(order, model)
    if wanted.loras:
        yield "lora_model", ",".join(lora.id for lora in wanted.loras)
        yield "lora_strength", ",".join(f"{lora.scale:g}" for lora in wanted.loras)
    for control in wanted.controls[:1]:
        yield from dict.fromkeys(("controlnet_model", "controlnet_type"), control.type).items()
        yield "controlnet_conditioning_scale", control.strength
