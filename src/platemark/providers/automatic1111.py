"""AUTOMATIC1111's web UI and Forge by `/sdapi/v1`: Stable Diffusion 1.5 and XL checkpoints, inpainting, ControlNet.

Lenient where nothing is published: LoRAs by `<lora:name:weight>` in the prompt, grids and ControlNet maps among the
pictures (`index_of_first_image` says where ours begin), the names of ControlNet models, and what differs between the
two programs. There is no id for work: cancelling interrupts whatever the server draws at that moment. A LoRA that the
server does not have is left out without a word, and words like `<lora:name:1>` in a prompt do what they say.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from platemark.core.generation import ControlUse
from platemark.core.updates import Order
from platemark.providers.catalogue import Declared, Rate, sides_of, strength_of
from platemark.providers.http import Call, Reply, as_base64, as_list, as_object
from platemark.providers.outcomes import Row
from platemark.providers.selfhosted import (
    SD15,
    SDXL,
    Family,
    checkpoint,
    checkpoint_of,
    is_shared,
    runs,
    upscaler,
    with_login,
)
from platemark.providers.vendor import About, Asked, Found, Reading, found_in, told

NAME = "automatic1111"
ROOT = "/sdapi/v1"
# One lock lets one generation through; the rest is for asking how far it is.
RATE = Rate(calls=100, seconds=1.0, concurrency=1)
TABLE = (
    Row("unusable", (200,), body={"error": "."}),
    Row("bad_request", (400, 404), body={"detail": "(sampler|init image|script).*not found"}),
    Row("bad_request", (500,), body={"detail": "invalid (encoded image|image)|request.* not allowed"}),
)
# Sampler and schedule in one name, which old and new versions understand; new ones are told the schedule too.
SAMPLERS = {
    "ddim": "DDIM",
    "dpm2": "DPM2",
    "dpm2_a": "DPM2 a",
    "dpm2_a_karras": "DPM2 a Karras",
    "dpm2_karras": "DPM2 Karras",
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2m_karras": "DPM++ 2M Karras",
    "dpmpp_2m_sde": "DPM++ 2M SDE",
    "dpmpp_2m_sde_karras": "DPM++ 2M SDE Karras",
    "dpmpp_2s_a": "DPM++ 2S a",
    "dpmpp_2s_a_karras": "DPM++ 2S a Karras",
    "dpmpp_sde": "DPM++ SDE",
    "dpmpp_sde_karras": "DPM++ SDE Karras",
    "euler": "Euler",
    "euler_a": "Euler a",
    "heun": "Heun",
    "lms": "LMS",
    "lms_karras": "LMS Karras",
    "unipc": "UniPC",
}
# These have steps of their own.
_UNSCHEDULED = ("DDIM", "UniPC")
# The blur of a mask's edge that the web UI has by itself.
MASK_BLUR = 4
ABOUT = About(
    delivers="base64 inside JSON, PNG unless the server's settings say otherwise",
    not_verified=("LoRAs by `<lora:name:weight>`", "grids and ControlNet maps among the pictures"),
)
_SD15_CONTROLS = {
    "canny": ("control_v11p_sd15_canny", "canny"),
    "depth": ("control_v11f1p_sd15_depth", "depth_midas"),
    "lineart": ("control_v11p_sd15_lineart", "lineart_realistic"),
    "openpose": ("control_v11p_sd15_openpose", "openpose_full"),
    "scribble": ("control_v11p_sd15_scribble", "scribble_pidinet"),
    "softedge": ("control_v11p_sd15_softedge", "softedge_pidinet"),
}
_SDXL_CONTROLS = {
    "canny": ("diffusers_xl_canny_full", "canny"),
    "depth": ("diffusers_xl_depth_full", "depth_midas"),
}


def _checkpoint(family: Family, controls: Mapping[str, tuple[str, str]]) -> Declared:
    facts = {f"control:{kind}": model for kind, (model, _) in controls.items()}
    facts |= {f"guide:{kind}": module for kind, (_, module) in controls.items()}
    can = {"max_size": 2048, "schedulers": tuple(SAMPLERS), "max_count": 4, "max_controls": 3}
    return checkpoint(
        *(NAME, family, {**can, "controls": tuple(controls)}),
        cfg=(1.0, 30.0),
        mask_grow=(0, 0),
        max_mask_feather=64,
        lora_id=r"[^<>:]+",
        poll_seconds=1.0,
        facts=facts,
    )


_ALL = (
    _checkpoint(SD15, _SD15_CONTROLS),
    _checkpoint(SDXL, _SDXL_CONTROLS),
    upscaler(NAME, "R-ESRGAN 4x+", poll_seconds=1.0),
)
MODELS = {declared.model: declared for declared in _ALL}


@dataclass(frozen=True)
class Automatic1111:
    """The vendor. `base_url` is the operator's; the server runs with `--api`, and a key is its `user:password`.

    A model's route is the checkpoint (or the upscaler) as the server lists it. Of `facts`, `control:KIND` is the
    ControlNet model for a kind, `guide:KIND` the module that makes its guides, and `shared: yes` is
    for servers that others draw with too: no progress is shown, which may be theirs, and nothing is interrupted.
    """

    models: Mapping[str, Declared] = field(default_factory=lambda: MODELS)
    name: str = NAME
    table: Sequence[Row] = TABLE
    rate: Rate = RATE
    request_id_headers: Sequence[str] = ()
    free_repeat: bool = True
    replays_keys: bool = False
    needs_key: bool = False
    about: About = ABOUT

    def authorise(self, call: Call, key: str) -> Call:
        """HTTP Basic."""
        return with_login(call, key)

    def ask(self, order: Order, model: Declared) -> Sequence[Asked]:
        """One call for all seeds that count up by one: so does the server."""
        if order.operation == "upscale":
            return [_asked("extra-single-image", _upscale(order, model), (0,), order.seeds[:1], model)]
        path = "txt2img" if order.operation == "text_to_image" else "img2img"
        found = list[Asked]()
        for indices in runs(order.seeds):
            seeds = tuple(order.seeds[index] for index in indices)
            found.append(_asked(path, dict(_body(order, model, seeds)), indices, seeds, model))
        return found

    def read(self, reply: Reply, model: Declared) -> Reading:
        """Pictures, or how far the present one is."""
        body = as_object(reply.json)
        if "progress" in body:
            return Reading(progress=_fraction(body["progress"]), preview=found_in(body.get("current_image")).data)
        if "image" in body:
            return Reading((found_in(body["image"]),))
        return _drawn(as_list(body.get("images")), _info(body.get("info")), model)

    def poll(self, ticket: str, model: Declared) -> Call:
        """There are no tickets; asked all the same, the server says what it does now."""
        return Call("GET", f"{ROOT}/progress", query={"skip_current_image": "true"}, repeatable=True)

    def cancel(self, ticket: str, model: Declared) -> Call | None:
        """There are no tickets: what is cancelled while it is drawn is interrupted by `Asked.stop`."""
        return None


def _asked(path: str, body: dict[str, Any], indices: tuple[int, ...], seeds: tuple[int, ...], model: Declared) -> Asked:
    chosen = told(body, "init_images", "mask", "image", "alwayson_scripts")
    call = Call("POST", f"{ROOT}/{path}", json=body)
    if is_shared(model):
        # Both are about whatever the server draws, which may be somebody else's.
        return Asked(call, indices, seeds, chosen)
    beside, stop = (
        Call(*each, repeatable=True) for each in (("GET", f"{ROOT}/progress"), ("POST", f"{ROOT}/interrupt"))
    )
    return Asked(call, indices, seeds, chosen, beside=beside, stop=stop)


def _body(order: Order, model: Declared, seeds: tuple[int, ...]) -> Iterator[tuple[str, Any]]:
    wanted = order.parameters
    yield "prompt", " ".join([order.prompt, *(f"<lora:{_stem(each.id)}:{each.scale:g}>" for each in wanted.loras)])
    yield "negative_prompt", order.negative_prompt or ""
    yield from {"seed": seeds[0], "batch_size": len(seeds), "n_iter": 1}.items()
    yield from {"steps": wanted.steps, "cfg_scale": wanted.cfg_scale}.items()
    yield from sides_of(order, model).items()
    if wanted.scheduler:
        yield from _sampler(SAMPLERS[wanted.scheduler])
    settings: dict[str, Any] = {"sd_model_checkpoint": checkpoint_of(model)}
    if wanted.clip_skip is not None:
        # Theirs counts from the last layer, which is 1.
        settings["CLIP_stop_at_last_layers"] = wanted.clip_skip + 1
    yield from {"override_settings": settings, "save_images": False, "send_images": True}.items()
    if wanted.controls:
        units = [_unit(*each, model) for each in zip(wanted.controls, order.guides, strict=True)]
        yield "alwayson_scripts", {"controlnet": {"args": units}}
    if order.image is not None:
        yield from _source(order, order.image, model)


def _sampler(name: str) -> Iterator[tuple[str, str]]:
    yield "sampler_name", name
    if name not in _UNSCHEDULED:
        yield "scheduler", "Karras" if name.endswith(" Karras") else "Uniform"


def _source(order: Order, image: bytes, model: Declared) -> Iterator[tuple[str, Any]]:
    yield from {"init_images": [as_base64(image)], "resize_mode": 0}.items()
    yield "denoising_strength", strength_of(order, model)
    if order.mask is None:
        return
    feather = order.parameters.mask_feather
    yield from {"mask": as_base64(order.mask), "mask_blur": MASK_BLUR if feather is None else feather}.items()
    # White is drawn anew, what was there is where it starts, and the whole picture is looked at.
    yield from {"inpainting_mask_invert": 0, "inpainting_fill": 1, "inpaint_full_res": False}.items()


def _unit(control: ControlUse, guide: bytes, model: Declared) -> dict[str, Any]:
    return {
        "enabled": True,
        "model": model.facts[f"control:{control.type}"],
        "module": model.facts[f"guide:{control.type}"] if control.preprocess else "none",
        "image": as_base64(guide),
        "weight": control.strength,
        "guidance_start": control.start,
        "guidance_end": control.end,
        "pixel_perfect": True,
    }


def _upscale(order: Order, model: Declared) -> dict[str, Any]:
    size = {"upscaling_resize_w": order.parameters.width, "upscaling_resize_h": order.parameters.height}
    upscaler = model.facts.get("upscaler", model.route)
    return {"image": as_base64(order.image or b""), "resize_mode": 1, "upscaler_1": upscaler, **size}


def _drawn(images: Sequence[Any], info: Mapping[str, Any], model: Declared) -> Reading:
    """Ours among the pictures: without the grid before them; who asked takes no more than it asked for."""
    first = info.get("index_of_first_image")
    mine = images[first if isinstance(first, int) and 0 <= first < len(images) else 0 :]
    seeds = as_list(info.get("all_seeds"))
    if not _is_of(info, checkpoint_of(model)):
        words = f"the server drew with {info.get('sd_model_name')}, as it does not know {checkpoint_of(model)}"
        return Reading(tuple(Found(outcome="not_found", words=(words,)) for _ in mine), model_revision=_revision(info))
    found = (found_in(each, seed=_seed(seeds, number)) for number, each in enumerate(mine))
    return Reading(tuple(found), model_revision=_revision(info))


def _is_of(info: Mapping[str, Any], checkpoint: str) -> bool:
    """False where another checkpoint drew: one that is not there is replaced without a word."""
    drew, known = info.get("sd_model_name"), str(info.get("sd_model_hash") or "")
    if not isinstance(drew, str) or not drew or re.fullmatch(r"[0-9a-f]{8,64}", checkpoint):
        return True
    return _stem(checkpoint) == _stem(drew) or (known != "" and known in checkpoint)


def _stem(name: str) -> str:
    """A name of weights without folder, hash and ending."""
    name = re.split(r"[\\/]", re.sub(r"\s*\[[0-9a-f]+\]$", "", name))[-1]
    return re.sub(r"\.(safetensors|ckpt|pt|pth|bin)$", "", name)


def _revision(info: Mapping[str, Any]) -> str | None:
    name, known = info.get("sd_model_name"), info.get("sd_model_hash")
    return " ".join(part for part in (name, f"[{known}]" if known else None) if part) or None


def _info(said: Any) -> Mapping[str, Any]:
    """What the server says about its work: JSON inside JSON."""
    try:
        return as_object(json.loads(said) if isinstance(said, str) else said)
    except (ValueError, RecursionError):
        return {}


def _seed(seeds: Sequence[Any], number: int) -> int | None:
    said = seeds[number] if number < len(seeds) else None
    return said if isinstance(said, int) and not isinstance(said, bool) else None


def _fraction(said: Any) -> float | None:
    return float(said) if isinstance(said, int | float) else None
