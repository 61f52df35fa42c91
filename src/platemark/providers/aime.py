"""AIME (api.aime.info, and the AIME API server at other addresses): Stable Diffusion 3.5, 3, XL and FLUX.1 dev.

Work is submitted with `wait_for_result: false` and asked after at `/{endpoint}/progress`, as the vendor's client does.
Lenient where nothing is published: prices, credit, words of a filter (`error` inside a result), whether the hosted
service runs the published server, and the endpoint `stable_diffusion_xl_img2img`, which is older than the rest.
Idempotency keys are unknown to it, and so are masks, ControlNet, LoRA, upscaling, and a call that cancels.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from platemark.core.model import Capabilities
from platemark.core.updates import Order
from platemark.providers.catalogue import Declared, Rate, sides_of, strength_of
from platemark.providers.http import Call, Reply, as_list, as_object, data_uri, decode_payload
from platemark.providers.licences import TERMS_AND_LICENCE
from platemark.providers.outcomes import Row
from platemark.providers.vendor import About, Asked, Reading, found_in, told

NAME = "aime"
BASE_URL = "https://api.aime.info"
# Nothing is published; the server itself has a queue and no limit.
RATE = Rate(calls=60, seconds=60.0, concurrency=4)
_FILTER = r"nsfw|safety|content.?(filter|policy)|moderat|not safe"
_KEY = r"\bkey\b|log ?in|authori[sz]|session"
TABLE = (
    Row("output_blocked", (200,), body={"job_result.error": _FILTER}),
    Row("output_blocked", (200,), body={"success": "true", "error": _FILTER}),
    # A login that was refused is a 200, too.
    Row("auth", (200,), body={"success": "false", "error": _KEY}),
    Row("unusable", (200,), body={"success": "false"}),
    Row("unusable", (200,), body={"job_result.success": "false"}),
    Row("unusable", (200,), body={"job_state": "canceled|lapsed"}),
    # Beside an error lies a picture of noise, which nobody may take for a result.
    Row("unusable", (200,), body={"job_result.error": r"\w"}),
    Row("unusable", (200,), body={"error": r"\w"}),
    Row("unusable", (200,), body={"job_result.info": "^error"}),
    Row("pending", (200,), body={"job_state": "queued|processing|started|unknown"}),
    Row("unusable", (400,), body={"error": "lapsed"}),
    Row("overloaded", (400,), body={"error": "queue reached max|endpoint disabled"}),
    # Of a job that the server does not remember, nobody knows whether it was done.
    Row("unknown", (402,), body={"error": "job.?id"}),
    # No payment is meant: this key may not use this endpoint.
    Row("auth", (402,)),
)
ABOUT = About(
    delivers="JPEG in data URIs inside JSON, by asking after the job; the SDXL image-to-image endpoint gives PNG",
    scopes="endpoints: a key may be good for some of them (402 tells)",
    not_verified=(
        "whether the hosted service runs the published server",
        "prices, and how missing credit shows",
        "how a filter shows: `error` inside a result",
        "limits of rate and of uploads",
    ),
)
# Our words and the vendor's; the rest differs from endpoint to endpoint.
_WORDS = {
    **{name: name for name in ("prompt", "negative_prompt", "seed", "width", "height", "image")},
    "previews": "provide_progress_images",
}
_NO_PRICE = "prices"
_STRENGTH = "that strength 1 ignores the source, as the model's published code has it"


def _can(
    operations: tuple[str, ...],
    sizes: tuple[int, int, int, int],
    steps: tuple[int, int],
    cfg: tuple[float, float],
    **more: Any,
) -> Capabilities:
    """`sizes`: least and greatest side, what sides are a multiple of, the default. Of numbers greatest and default."""
    named = ("min_size", "max_size", "size_multiple", "default_width", "default_height")
    given = {**dict(zip(named, (*sizes, sizes[3]), strict=True)), "max_count": 10, "previews": True}
    given |= {"max_steps": steps[0], "default_steps": steps[1], "max_cfg_scale": cfg[0], "default_cfg_scale": cfg[1]}
    return Capabilities.model_validate({"operations": frozenset(operations), **given, **more})


def _model(endpoint: str, can: Capabilities, words: Mapping[str, str], description: str, **more: Any) -> Declared:
    declared = Declared(
        model=f"{NAME}/{endpoint.replace('_', '-')}",
        route=f"/{endpoint}",
        capabilities=can,
        licence="AIME terms of service",
        licence_note=TERMS_AND_LICENCE,
        description=description,
        facts={**_WORDS, **words},
        formats=("jpeg",),
        max_wait_seconds=900.0,
        result_seconds=900.0,
        not_verified=(_NO_PRICE, *more.pop("not_verified", ())),
    )
    return replace(declared, **more)


def _sd3(endpoint: str, side: int, description: str) -> Declared:
    return _model(
        endpoint,
        _can(("text_to_image", "image_to_image"), (64, 2048, 16, side), (64, 28), (20.0, 5.0)),
        {"steps": "steps", "guidance": "cfg_scale", "strength": "denoise"},
        description,
        steps=(1, 64),
        strength=(0.0, 1.0),
        default_strength=0.6,
        not_verified=("the range of cfg_scale", "sources of more than 1024 pixels a side are made smaller"),
    )


_SDXL = _model(
    "stable_diffusion_xl_txt2img",
    _can(
        *(("text_to_image",), (512, 2048, 64, 768), (64, 40), (10.0, 6.0)),
        schedulers=("euler", "euler_a", "heun", "dpmpp_2s_a", "dpmpp_2m", "lms"),
    ),
    {"steps": "base_steps", "guidance": "scale", "scheduler": "base_sampler"},
    "Stable Diffusion XL with its refiner; steps are those of the base model, the refiner's are the vendor's.",
    steps=(1, 64),
    cfg=(1.0, 10.0),
)
_SDXL_SOURCE = replace(
    _SDXL,
    model=f"{NAME}/stable-diffusion-xl-img2img",
    route="/stable_diffusion_xl_img2img",
    capabilities=_can(
        *(("image_to_image",), (64, 2048, 1, 1024), (100, 50), (20.0, 7.5)),
        **{"seed": False, "negative_prompt": False, "previews": False},
    ),
    description="Stable Diffusion XL from a picture, which the vendor scales and crops to 512 to 1024 pixels a side.",
    # Older than the rest: neither size nor seed, and words of its own.
    facts={"prompt": "text", "image": "image", "steps": "ddim_steps", "guidance": "scale", "strength": "strength"},
    formats=("png",),
    steps=(1, 100),
    cfg=(1.0, 20.0),
    strength=(0.0, 1.0),
    default_strength=0.75,
    not_verified=(_NO_PRICE, _STRENGTH, "whether the endpoint still answers", "the size of its results"),
)
_FLUX = _model(
    "flux-dev",
    _can(
        *(("text_to_image", "image_to_image"), (128, 2048, 32, 1024), (50, 40), (10.0, 3.5)),
        negative_prompt=False,
    ),
    {"steps": "steps", "guidance": "guidance", "strength": "image2image_strength"},
    "FLUX.1 dev.",
    steps=(1, 50),
    cfg=(1.0, 10.0),
    strength=(0.0, 1.0),
    default_strength=0.8,
    not_verified=(_STRENGTH,),
)
_ALL = (
    _sd3("stable_diffusion_3_5", 512, "Stable Diffusion 3.5; 512 × 512 is the vendor's own default."),
    _sd3("stable_diffusion_3", 1024, "Stable Diffusion 3 Medium."),
    _SDXL,
    _SDXL_SOURCE,
    _FLUX,
)
MODELS = {declared.model: declared for declared in _ALL}
SAMPLERS = {
    "euler": "EulerEDMSampler",
    "euler_a": "EulerAncestralSampler",
    "heun": "HeunEDMSampler",
    "dpmpp_2s_a": "DPMPP2SAncestralSampler",
    "dpmpp_2m": "DPMPP2MSampler",
    "lms": "LinearMultistepSampler",
}
_SESSION = "client_session_auth_key"


@dataclass(frozen=True)
class Aime:
    """The vendor. The key travels in the body, and in the query of polls and logins, as the vendor wants it: mind the
    logs of proxies. A finished job gives its result once; an answer that is lost on the way loses it.

    Of `facts`, `sign_in` is `login` where a server wants a session (its key comes from `/{endpoint}/login`), else the
    key goes with each call; all others are our words with the vendor's names for them. A route is an endpoint's path.
    """

    models: Mapping[str, Declared] = field(default_factory=lambda: MODELS)
    name: str = NAME
    table: Sequence[Row] = TABLE
    rate: Rate = RATE
    # It has none: the id of the job is what their support asks for, and that is the ticket.
    request_id_headers: Sequence[str] = ()
    free_repeat: bool = False
    replays_keys: bool = False
    needs_key: bool = True
    about: About = ABOUT

    def authorise(self, call: Call, key: str) -> Call:
        """`key` in the body or in the query; a call that has a session's key is left as it is."""
        if call.json is None:
            return replace(call, query={**call.query, "key": key})
        return call if call.json.get(_SESSION) else replace(call, json={**call.json, "key": key})

    def ask(self, order: Order, model: Declared) -> Sequence[Asked]:
        """One job a seed: all pictures of one job share theirs, so that none could be drawn again by itself."""
        return [_asked(order, model, index, seed) for index, seed in enumerate(order.seeds)]

    def read(self, reply: Reply, model: Declared) -> Reading:
        """The job's id, its progress, or its result; a result at once is taken, too."""
        body = as_object(reply.json)
        result = as_object(body.get("job_result")) or body
        images = result.get("images") or result.get("image")
        if images:
            seed, revision = result.get("seed"), result.get("model_name")
            known = seed if isinstance(seed, int) and model.capabilities.seed else None
            found = tuple(found_in(each, seed=known) for each in as_list(images) or (images,))
            return Reading(found, model_revision=revision if isinstance(revision, str) else None)
        if body.get("job_state") == "done" or not body.get("job_id"):
            # What came in place of a picture is judged where pictures are.
            return Reading(() if body else (found_in(reply.body),))
        return replace(_progress(as_object(body.get("progress"))), ticket=str(body["job_id"]), pending=True)

    def poll(self, ticket: str, model: Declared) -> Call:
        """How far the job is, and at last its result."""
        return Call("GET", f"{model.route}/progress", query={"job_id": ticket}, repeatable=True)

    def cancel(self, ticket: str, model: Declared) -> Call | None:
        """Clients have no such route."""
        return None


def _asked(order: Order, model: Declared, index: int, seed: int) -> Asked:
    fields = dict(_fields(order, model, seed))
    call = Call("POST", model.route, json={**fields, "wait_for_result": False})
    asked = Asked(call, (index,), (seed,), {"path": call.path, **told(fields, "text", "image")})
    if model.facts.get("sign_in") != "login":
        return asked
    login = Call("GET", f"{model.route}/login", query={"version": "platemark"}, repeatable=True)
    return replace(asked, before=(login,), fill=partial(_in_session, call))


def _in_session(call: Call, replies: Sequence[Reply]) -> Call:
    return replace(call, json={**call.json, _SESSION: str(as_object(replies[0].json).get(_SESSION) or "")})


def _fields(order: Order, model: Declared, seed: int) -> Iterator[tuple[str, Any]]:
    """Our words that this endpoint has a name for, with their values."""
    for word, value in (*_drawn(order, model, seed), *_from_source(order, model)):
        if value is not None and word in model.facts:
            yield model.facts[word], value


def _drawn(order: Order, model: Declared, seed: int) -> Iterator[tuple[str, Any]]:
    wanted = order.parameters
    yield from (("prompt", order.prompt), ("negative_prompt", order.negative_prompt or None), ("seed", seed))
    yield from sides_of(order, model).items()
    yield from (("steps", wanted.steps), ("guidance", wanted.cfg_scale))
    yield "scheduler", SAMPLERS[wanted.scheduler] if wanted.scheduler else None
    yield "previews", "decoded" if order.previews else None


def _from_source(order: Order, model: Declared) -> Iterator[tuple[str, Any]]:
    if order.image is not None:
        ours = strength_of(order, model)
        yield "image", data_uri(order.image)
        yield "strength", ours if model.strength_ignores_source else 1 - ours


def _progress(said: Mapping[str, Any]) -> Reading:
    """Percent become a share. Who waits in the queue has not begun, whatever the number says."""
    percent, position = said.get("progress"), said.get("queue_position")
    done = percent / 100 if isinstance(percent, int | float) else None
    waits = isinstance(position, int) and position > 0
    pictures = as_list(as_object(said.get("progress_data")).get("progress_images"))
    last = pictures[-1] if pictures else None
    preview = decode_payload(last) if isinstance(last, str) else None
    return Reading(progress=0.0 if waits else done, preview=preview)
