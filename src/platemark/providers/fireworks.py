"""Fireworks AI: the SDXL routes (text, picture, ControlNet), the FLUX workflows, and FLUX Kontext by tickets.

Lenient where nothing is published: error bodies, fractions of `cfg_scale`, the limits of sizes, which form results have
(bytes, base64, data URIs and URLs are read on every route). Turned around by memory, not by a source: `image_strength`,
whose 1 keeps the input. Their seed 0 means a random one, so ours begin at 1.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from platemark.core.model import Capabilities
from platemark.core.updates import Order
from platemark.providers.catalogue import Declared, Price, Rate, SourceLimits, ratio_of, sides_of, strength_of
from platemark.providers.http import Call, Part, Reply, as_list, as_object, data_uri, png_part, with_bearer
from platemark.providers.licences import RAIL_PP_M, TERMS_AND_LICENCE
from platemark.providers.outcomes import Row
from platemark.providers.vendor import About, Asked, Found, Reading, found_in, is_picture, seed_of, told

NAME = "fireworks"
BASE_URL = "https://api.fireworks.ai"
# Nothing is published for pictures: a pace that no plan refuses.
RATE = Rate(calls=60, seconds=60.0, concurrency=4)
_FILTERED = "CONTENT_FILTERED"
TABLE = (
    Row("output_blocked", (200,), header={"finish-reason": _FILTERED}),
    Row("output_blocked", (200,), body={"0.finishReason": _FILTERED}),
    Row("output_blocked", (200,), body={"finishReason": _FILTERED}),
    # The states of a ticket.
    Row("pending", (200,), body={"status": "^Pending$"}),
    Row("prompt_blocked", (200,), body={"status": "^Request Moderated$"}),
    Row("output_blocked", (200,), body={"status": "^Content Moderated$"}),
    Row("not_found", (200,), body={"status": "^Task not found$"}),
    Row("unusable", (200,), body={"status": "^Error$"}),
    # An error inside a 200, by the shape that errors have.
    Row("overloaded", (200,), body={"error.type": "internal_server_error|overloaded"}),
    Row("unusable", (200,), body={"error": "."}),
    Row("prompt_blocked", (400, 422), body={"error.message": "moderat|nsfw|safety|content.polic"}),
)
RATIOS = ("1:1", "21:9", "16:9", "3:2", "5:4", "4:5", "2:3", "9:16", "9:21", "4:3", "3:4")
ABOUT = About(
    delivers="raw bytes by Accept (image/png); Kontext by URL",
    not_verified=(
        "whether the SDXL routes are still served",
        "image_strength: 1 keeps the input",
        "error bodies",
        "fractions of cfg_scale",
        "the limits of sizes",
        "how long results of Kontext stay",
    ),
)
_PRICED = ("a third party's guide", "2025-05")
_ROOT = "/inference/v1"
_LORA_FILE = "pytorch_lora_weights.safetensors"


def _can(*operations: str, **more: Any) -> Capabilities:
    limits = {"min_size": 512, "max_size": 1536, "size_multiple": 8, "default_width": 1024, "default_height": 1024}
    drawn = {"max_steps": 50, "default_steps": 30, "max_cfg_scale": 35.0, "default_cfg_scale": 7.0, "max_count": 10}
    return Capabilities.model_validate({"operations": frozenset(operations), **limits, **drawn, **more})


def _model(
    name: str, route: str, calls: str, licence: str, description: str, can: Capabilities, **more: Any
) -> Declared:
    declared = Declared(
        model=f"{NAME}/{name}",
        route=route,
        capabilities=can,
        licence=licence,
        licence_note=TERMS_AND_LICENCE,
        description=description,
        seeds=(1, 2**32 - 1),
        steps=(1, can.max_steps) if can.max_steps else None,
        cfg=(0.0, can.max_cfg_scale) if can.max_cfg_scale else None,
        formats=("png", "jpeg"),
        source=SourceLimits(min_side=64, max_side=8_192, max_bytes=16 * 1024 * 1024),
        facts={"calls": calls},
    )
    return replace(declared, **more)


_XL_CAN = {"any_lora": True, "max_loras": 1}


def _xl(name: str, id: str, licence: str, description: str, *operations: str, **more: Any) -> Declared:
    can = _can(*(operations or ("text_to_image", "image_to_image")), **_XL_CAN, **more.pop("can", {}))
    declared = _model(
        *(
            name,
            f"{_ROOT}/image_generation/accounts/fireworks/models/{id}",
            "image_generation",
            licence,
            description,
            can,
        ),
        price=Price("0.00013", "step", *_PRICED, verified=False),
        lora_id=r"[\w.-]+/[\w.-]+(/[\w./-]+\.safetensors)?",
        lora_scales=(1.0, 1.0),
    )
    if "image_to_image" in can.operations:
        turned = {"strength": (0.0, 1.0), "default_strength": 0.65, "strength_ignores_source": False}
        declared = replace(declared, **turned)
    return replace(declared, **more)


def _flux(kind: str, licence: str, price: str, **can: Any) -> Declared:
    return _model(
        *(f"flux.1-{kind}", f"{_ROOT}/workflows/accounts/fireworks/models/flux-1-{kind}-fp8", "workflow", licence),
        f"FLUX.1 [{kind}] in FP8.",
        _can("text_to_image", negative_prompt=False, max_cfg_scale=20.0, default_cfg_scale=3.5, **can),
        aspect_ratios=RATIOS,
        price=Price(price, "step", *_PRICED, verified=False),
    )


def _kontext(kind: str) -> Declared:
    none = {"max_steps": 0, "default_steps": 0, "max_cfg_scale": 0.0, "default_cfg_scale": 0.0}
    return _model(
        *(f"flux.1-kontext-{kind}", f"{_ROOT}/workflows/accounts/fireworks/models/flux-kontext-{kind}", "kontext"),
        *("FLUX, Black Forest Labs", f"FLUX.1 Kontext [{kind}]: edits a picture by what the prompt says."),
        _can("text_to_image", "image_to_image", negative_prompt=False, **none),
        aspect_ratios=RATIOS,
    )


_SDXL = "stable-diffusion-xl-1024-v1-0"
_PLAYGROUND = "Playground v2.5 Community"
_ALL = (
    _xl("sdxl-1.0", _SDXL, RAIL_PP_M, "Stable Diffusion XL 1.0."),
    _xl(
        *("sdxl-1.0-control", _SDXL, RAIL_PP_M),
        *("Stable Diffusion XL 1.0 along the edges of a picture.", "text_to_image"),
        can={"controls": ("canny",), "max_controls": 1},
        min_controls=1,
        ranged_controls=True,
        max_control_strength=1.0,
        not_verified=("which ControlNets there are beside canny", "what finding the edges costs"),
    ),
    _xl("ssd-1b", "SSD-1B", "Apache-2.0", "SSD-1B: half as large as SDXL, faster."),
    _xl("playground-2.5", "playground-v2-5-1024px-aesthetic", _PLAYGROUND, "Playground v2.5."),
    _xl("playground-2", "playground-v2-1024px-aesthetic", "Playground v2 Community", "Playground v2."),
    _xl("japanese-sdxl", "japanese-stable-diffusion-xl", "Stability AI Japan", "SDXL that reads Japanese."),
    _flux("dev", "FLUX.1 [dev] non-commercial", "0.0005", default_steps=28),
    _flux("schnell", "Apache-2.0", "0.00035", max_steps=12, default_steps=4),
    _kontext("pro"),
    _kontext("max"),
)
MODELS = {declared.model: declared for declared in _ALL}


@dataclass(frozen=True)
class Fireworks:
    """The vendor. A LoRA's id is a repository of a model hub, or the path of a file in it; it works in full.

    Of `facts`, `calls` is the family of routes (`image_generation`, `workflow` or `kontext`); `safety_check: "true"`
    lets the vendor withhold what it finds unsafe, which it does on the SDXL routes only when it is told.
    """

    models: Mapping[str, Declared] = field(default_factory=lambda: MODELS)
    name: str = NAME
    table: Sequence[Row] = TABLE
    rate: Rate = RATE
    request_id_headers: Sequence[str] = ("x-request-id",)
    free_repeat: bool = False
    replays_keys: bool = False
    needs_key: bool = True
    about: About = ABOUT

    def authorise(self, call: Call, key: str) -> Call:
        """A bearer token."""
        return with_bearer(call, key)

    def ask(self, order: Order, model: Declared) -> Sequence[Asked]:
        """One call a seed: bytes are answered for one picture only."""
        make = _CALLS[model.facts["calls"]]
        return [replace(make(order, model, seed), indices=(index,)) for index, seed in enumerate(order.seeds)]

    def read(self, reply: Reply, model: Declared) -> Reading:
        """Bytes, base64 in one of two forms of JSON, the id of work that goes on, or what it came to."""
        return _read(reply)

    def poll(self, ticket: str, model: Declared) -> Call:
        """The state of the work, which is asked for by POST."""
        return Call("POST", f"{model.route}/get_result", json={"id": ticket}, repeatable=True)

    def cancel(self, ticket: str, model: Declared) -> Call | None:
        """There is no such route."""
        return None


def _read(reply: Reply) -> Reading:
    if is_picture(reply.body):
        return Reading((Found(reply.body, seed=seed_of(reply.headers.get("seed"))),))
    if listed := as_list(reply.json):
        return Reading(tuple(_artifact(as_object(each)) for each in listed))
    if reply.json is None:
        # What came in place of a picture is judged where pictures are.
        return Reading((Found(reply.body),))
    return _read_object(as_object(reply.json))


def _artifact(each: Mapping[str, Any]) -> Found:
    found = found_in(each, seed=seed_of(each.get("seed")))
    return replace(found, outcome="output_blocked") if each.get("finishReason") == _FILTERED else found


def _read_object(body: Mapping[str, Any]) -> Reading:
    if "base64" in body:
        given = body["base64"]
        pictures = as_list(given) or (given,)
        return Reading(tuple(found_in(each, seed=seed_of(body.get("seed"))) for each in pictures))
    if ticket := body.get("request_id"):
        return Reading(ticket=str(ticket), pending=True)
    result, progress = as_object(body.get("result")), body.get("progress")
    found = (found_in(result["sample"], seed=seed_of(result.get("seed"))),) if result.get("sample") else ()
    return Reading(found, progress=float(progress) if isinstance(progress, int | float) else None)


def _asked(call: Call, seed: int, **more: Any) -> Asked:
    given: Mapping[str, Any] = call.form or call.json or {}
    return Asked(call, (0,), (seed,), {"path": call.path, **told(given, "input_image")}, **more)


_ACCEPT = {"accept": "image/png"}


def _image_generation(order: Order, model: Declared, seed: int) -> Asked:
    body = dict(_drawn(order, model, seed))
    if order.parameters.controls:
        return _controlled(order, model, seed, body)
    if order.image is None:
        return _asked(Call("POST", model.route, headers=_ACCEPT, json=body), seed)
    # Theirs says how much of the source stays, ours how much goes.
    keeps = 1 - strength_of(order, model)
    form = {**_as_form(body), "init_image_mode": "IMAGE_STRENGTH", "image_strength": f"{keeps:g}"}
    files = {"init_image": png_part("init_image", order.image)}
    return _asked(Call("POST", f"{model.route}/image_to_image", headers=_ACCEPT, form=form, files=files), seed)


def _controlled(order: Order, model: Declared, seed: int, body: Mapping[str, Any]) -> Asked:
    """Along a guide. The route takes ready ones only; where ours is a picture, the vendor finds its edges first."""
    control, guide = order.parameters.controls[0], order.guides[0]
    form = {
        **_as_form(body),
        "control_net_name": control.type,
        "conditioning_scale": f"{control.strength:g}",
        "step_schedule_start": f"{control.start:g}",
        "step_schedule_end": f"{control.end:g}",
    }
    call = Call("POST", f"{model.route}/control_net", headers=_ACCEPT, form=form, files=_guide(guide))
    if not control.preprocess:
        return _asked(call, seed)
    edges = Call(
        *("POST", f"{model.route}/canny_edge_detection"),
        headers=_ACCEPT,
        form={"min_val": "100", "max_val": "200"},
        files={"image": png_part("image", guide)},
        repeatable=True,
    )
    return _asked(call, seed, before=(edges,), fill=partial(_with_edges, call))


def _with_edges(call: Call, replies: Sequence[Reply]) -> Call:
    found = _read(replies[0]).found
    return replace(call, files=_guide(found[0].data or b"" if found else b""))


def _guide(data: bytes) -> dict[str, Part]:
    return {"control_image": png_part("control_image", data)}


def _drawn(order: Order, model: Declared, seed: int) -> Iterator[tuple[str, Any]]:
    wanted = order.parameters
    yield from {"prompt": order.prompt, "seed": seed, "samples": 1, "steps": wanted.steps}.items()
    yield from sides_of(order, model).items()
    whole = wanted.cfg_scale == int(wanted.cfg_scale)
    yield "cfg_scale", int(wanted.cfg_scale) if whole else wanted.cfg_scale
    if order.negative_prompt:
        yield "negative_prompt", order.negative_prompt
    if model.facts.get("safety_check") == "true":
        yield "safety_check", True
    if wanted.loras:
        owner, name, *path = wanted.loras[0].id.split("/")
        yield from {
            "lora_adapter_name": f"{owner}/{name}",
            "lora_weight_filename": "/".join(path) or _LORA_FILE,
        }.items()


def _workflow(order: Order, model: Declared, seed: int) -> Asked:
    wanted = order.parameters
    body = {
        "prompt": order.prompt,
        "aspect_ratio": ratio_of(order, model),
        "guidance_scale": wanted.cfg_scale,
        "num_inference_steps": wanted.steps,
        "seed": seed,
    }
    return _asked(Call("POST", f"{model.route}/text_to_image", headers=_ACCEPT, json=body), seed)


def _kontext_call(order: Order, model: Declared, seed: int) -> Asked:
    body: dict[str, Any] = {"prompt": order.prompt, "seed": seed, "output_format": "png"}
    if order.image is None:
        body["aspect_ratio"] = ratio_of(order, model)
    else:
        body["input_image"] = data_uri(order.image)
    return _asked(Call("POST", model.route, json=body), seed)


_CALLS = {"image_generation": _image_generation, "workflow": _workflow, "kontext": _kontext_call}


def _as_form(body: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in body.items()}
