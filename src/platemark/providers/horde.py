"""AI Horde: pictures by volunteers' machines. Asked for, then `check` until they are done, then `status` once.

By memory, not by a source: the negative prompt after ` ### `, white as what a mask changes, PNG where the document says
WebP, results for 20 minutes, the names of models (each machine offers its own). Lenient: results as URLs or as base64.
Prompts are never rewritten by the horde's filter (`replacement_filter`): what it would rewrite, it refuses.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from platemark.core.model import Capabilities
from platemark.core.updates import Order
from platemark.providers.catalogue import Declared, Price, Rate, SourceLimits, sides_of, strength_of
from platemark.providers.http import Call, Reply, as_base64, as_list, as_object
from platemark.providers.licences import RAIL_M, RAIL_PP_M
from platemark.providers.outcomes import Row
from platemark.providers.vendor import About, Asked, Found, Reading, found_in, seed_of, told

NAME = "horde"
BASE_URL = "https://aihorde.net"
# For everybody; served last.
ANONYMOUS = "0000000000"
_ROOT = "/api/v2/generate"
RATE = Rate(calls=60, seconds=60.0, concurrency=4)
TABLE = (
    Row("unusable", (200,), body={"faulted": "true"}),
    Row("ok", (200,), body={"done": "true"}),
    # No machine of the horde can do this; it would wait until it ends.
    Row("unusable", (200,), body={"is_possible": "false"}),
    # An error inside a 200, by the shape that errors have.
    Row("unusable", (200,), body={"rc": "."}),
    Row("prompt_blocked", (400,), body={"rc": "^(CorruptPrompt|Profanity)$"}),
    Row("not_found", (400,), body={"rc": "^UnsupportedModel$"}),
    Row("out_of_credit", (403,), body={"rc": "Kudos"}),
    # Whoever asked for what is forbidden is left out for a while.
    Row("rate_limited", (403,), body={"rc": "^TimeoutIP$"}, retry_after=600.0),
    Row("overloaded", body={"rc": "^NoValidWorkers$"}, retry_after=600.0),
    Row("overloaded", body={"rc": "^MaintenanceMode$"}, retry_after=60.0),
)
ABOUT = About(
    delivers="WebP behind a URL (`r2`), or as base64",
    not_verified=(
        "the negative prompt after ###",
        "white is what a mask changes",
        "PNG where the document says WebP",
        "results stay for 20 minutes",
        "the names of models",
        "how long somebody is left out (TimeoutIP)",
    ),
)
_PLAIN = {
    "ddim": "DDIM",
    "dpm_2": "k_dpm_2",
    "dpm_2_a": "k_dpm_2_a",
    "dpmpp_2m": "k_dpmpp_2m",
    "dpmpp_2s_a": "k_dpmpp_2s_a",
    "dpmpp_sde": "k_dpmpp_sde",
    "euler": "k_euler",
    "euler_a": "k_euler_a",
    "heun": "k_heun",
    "lcm": "lcm",
    "lms": "k_lms",
}
_WITH_KARRAS = ("dpm_2", "dpm_2_a", "dpmpp_2m", "dpmpp_2s_a", "dpmpp_sde", "euler", "heun", "lms")
# Ours to theirs, and whether Karras spaces the steps.
SAMPLERS = {
    **{ours: (theirs, False) for ours, theirs in _PLAIN.items()},
    **{f"{ours}_karras": (_PLAIN[ours], True) for ours in _WITH_KARRAS},
}
CONTROLS = ("canny", "hed", "depth", "normal", "openpose", "seg", "scribble", "fakescribbles", "hough")
# What the horde is told unless `facts` say otherwise; `shared` would give the picture to a public collection.
_FLAGS = {"r2": True, "shared": False, "replacement_filter": False, "allow_downgrade": False}
_MORE_FLAGS = ("nsfw", "censor_nsfw", "trusted_workers", "slow_workers")
# Version ids of LoRAs as we write them.
_VERSION = "version:"


def _can(side: int, *operations: str, **more: Any) -> Capabilities:
    limits = {"min_size": 64, "max_size": 3072, "size_multiple": 64, "default_width": side, "default_height": side}
    drawn = {"max_steps": 500, "default_steps": 30, "max_cfg_scale": 100.0, "default_cfg_scale": 7.5, "max_count": 10}
    extras = {"any_lora": True, "max_loras": 5, "clip_skip": True, "schedulers": tuple(SAMPLERS)}
    given = {"operations": frozenset(operations), **limits, **drawn, **extras, **more}
    return Capabilities.model_validate(given)


def _model(name: str, route: str, licence: str | None, description: str, can: Capabilities, **more: Any) -> Declared:
    declared = Declared(
        model=f"{NAME}/{name}",
        route=route,
        capabilities=can,
        price=Price("0", "image", "kudos are no money", "2026-08"),
        licence=licence,
        licence_note="Made by volunteers, who see prompts and pictures.",
        description=description,
        steps=(1, 500),
        cfg=(0.0, 100.0),
        strength=(0.01, 1.0) if "image_to_image" in can.operations else None,
        default_strength=0.75,
        lora_id=r"(version:\d+|(?!version:).{1,255})",
        source=SourceLimits(min_side=64, max_side=3_072, max_bytes=10 * 1024 * 1024),
        formats=("webp",),
        max_wait_seconds=1_200.0,
        result_seconds=1_200.0,
    )
    return replace(declared, **more)


_EDITS = ("text_to_image", "image_to_image", "inpaint")
_ALL = (
    _model("any", "", None, "Whatever a machine of the horde has loaded.", _can(512, "text_to_image")),
    _model("stable-diffusion-1.5", "stable_diffusion", RAIL_M, "Stable Diffusion 1.5.", _can(512, *_EDITS)),
    _model(
        *("stable-diffusion-1.5-control", "stable_diffusion", RAIL_M, "Stable Diffusion 1.5 along a guide."),
        _can(512, "text_to_image", controls=CONTROLS, max_controls=1),
        min_controls=1,
        scaled_controls=False,
    ),
    _model("deliberate", "Deliberate", RAIL_M, "Deliberate, a Stable Diffusion 1.5.", _can(512, *_EDITS)),
    _model("sdxl-1.0", "SDXL 1.0", RAIL_PP_M, "Stable Diffusion XL 1.0.", _can(1024, *_EDITS)),
    _model(
        *("albedobase-xl", "AlbedoBase XL (SDXL)", RAIL_PP_M, "AlbedoBase XL, an SDXL."),
        _can(1024, *_EDITS),
    ),
)
MODELS = {declared.model: declared for declared in _ALL}


@dataclass(frozen=True)
class Horde:
    """The vendor. It costs kudos, which is no money; without a key everything is asked for anonymously.

    A LoRA's id is its exact name, the id of its page, or `version:` and the id of its version. Of `facts`, `nsfw`,
    `censor_nsfw`, `trusted_workers`, `slow_workers`, `shared`, `r2`, `replacement_filter` and `allow_downgrade`
    (`true` or `false`) go as they are.
    """

    models: Mapping[str, Declared] = field(default_factory=lambda: MODELS)
    agent: str = "platemark:1:https://platemark.example"
    name: str = NAME
    table: Sequence[Row] = TABLE
    rate: Rate = RATE
    request_id_headers: Sequence[str] = ("x-request-id",)
    free_repeat: bool = False
    replays_keys: bool = False
    needs_key: bool = False
    about: About = ABOUT

    def authorise(self, call: Call, key: str) -> Call:
        """The key in a header of its own."""
        return replace(call, headers={**call.headers, "apikey": key})

    def ask(self, order: Order, model: Declared) -> Sequence[Asked]:
        """One call a seed: seeds of pictures that are made together are not told apart."""
        return [self._asked(order, model, index, seed) for index, seed in enumerate(order.seeds)]

    def read(self, reply: Reply, model: Declared) -> Reading:
        """The id of the work, how far it is, what to ask once it is done, or the pictures."""
        body = as_object(reply.json)
        if "generations" in body:
            return Reading(tuple(_found(as_object(each)) for each in as_list(body["generations"])))
        ticket = body.get("id")
        if "done" not in body:
            return Reading(ticket=str(ticket), pending=True) if ticket else Reading()
        if body["done"] is not True:
            return Reading(pending=True, progress=0.0 if body.get("waiting") else None)
        return Reading(follow=self._status)

    def poll(self, ticket: str, model: Declared) -> Call:
        """How far it is: asking for the whole status is allowed a few times only."""
        return Call("GET", f"{_ROOT}/check/{ticket}", headers=self._headers, repeatable=True)

    def cancel(self, ticket: str, model: Declared) -> Call | None:
        """Ends the work; what is made already stays made."""
        return Call("DELETE", f"{_ROOT}/status/{ticket}", headers=self._headers, repeatable=True)

    def _status(self, ticket: str) -> Call:
        return Call("GET", f"{_ROOT}/status/{ticket}", headers=self._headers, repeatable=True)

    @property
    def _headers(self) -> dict[str, str]:
        return {"apikey": ANONYMOUS, "client-agent": self.agent}

    def _asked(self, order: Order, model: Declared, index: int, seed: int) -> Asked:
        parameters = dict(_parameters(order, model, seed))
        body = {**dict(_body(order, model)), "params": parameters}
        chosen = {**told(body, "source_image", "source_mask", "params"), **parameters}
        return Asked(Call("POST", f"{_ROOT}/async", headers=self._headers, json=body), (index,), (seed,), chosen)


def _body(order: Order, model: Declared) -> Iterator[tuple[str, Any]]:
    negative = f" ### {order.negative_prompt}" if order.negative_prompt else ""
    yield "prompt", f"{order.prompt}{negative}"
    if model.route:
        yield "models", [model.route]
    yield from _FLAGS.items()
    yield from ((name, model.facts[name] == "true") for name in (*_FLAGS, *_MORE_FLAGS) if name in model.facts)
    picture = order.guides[0] if order.guides else order.image
    if picture is not None:
        yield "source_image", as_base64(picture)
        yield "source_processing", "img2img" if order.mask is None else "inpainting"
    if order.mask is not None:
        yield "source_mask", as_base64(order.mask)


def _parameters(order: Order, model: Declared, seed: int) -> Iterator[tuple[str, Any]]:
    wanted = order.parameters
    yield from {"seed": str(seed), "n": 1, "steps": wanted.steps, "cfg_scale": wanted.cfg_scale}.items()
    yield from sides_of(order, model).items()
    if wanted.scheduler:
        yield from zip(("sampler_name", "karras"), SAMPLERS[wanted.scheduler], strict=True)
    if wanted.clip_skip:
        yield "clip_skip", wanted.clip_skip
    if order.image is not None:
        yield "denoising_strength", strength_of(order, model)
    for control in wanted.controls:
        yield from {"control_type": control.type, "image_is_control": not control.preprocess}.items()
    if wanted.loras:
        yield "loras", [_lora(lora.id, lora.scale) for lora in wanted.loras]


def _lora(id: str, scale: float) -> dict[str, Any]:
    version = {"is_version": True} if id.startswith(_VERSION) else {}
    return {"name": id.removeprefix(_VERSION), "model": scale, "clip": scale, **version}


def _found(each: Mapping[str, Any]) -> Found:
    said = [as_object(one) for one in as_list(each.get("gen_metadata"))]
    flags = {"model": each.get("model"), "gen_metadata": said}
    found = replace(found_in(each.get("img"), seed=seed_of(each.get("seed"))), flags=flags)
    why = [str(one.get("value")) for one in said if one.get("type") == "censorship"]
    if each.get("censored") is True or each.get("state") == "censored" or why:
        return replace(found, outcome="output_blocked", words=tuple(f"censored: {word}" for word in why))
    return found
