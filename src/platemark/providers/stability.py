"""Stability AI: v2beta (ultra, core, sd3, inpaint, outpaint, control, upscale) and the v1 engine of SDXL 1.0.

Not reached by our operations: erase, search-and-replace, search-and-recolor, remove-background, replace-background,
style-transfer. Lenient where nothing is published: the bodies of 401 and 402, and JSON where bytes were asked for.
The vendor replays no idempotency keys, so a request with neither answer nor ticket is unknown.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from platemark.core.model import Capabilities
from platemark.core.sizes import SIDES
from platemark.core.updates import Order
from platemark.providers.catalogue import Declared, Price, Rate, SourceLimits, ratio_of, strength_of
from platemark.providers.http import Call, Reply, as_list, as_object, png_part, with_bearer
from platemark.providers.licences import TERMS
from platemark.providers.outcomes import Row
from platemark.providers.vendor import About, Asked, Found, Reading, found_in, is_picture, seed_of, told

NAME = "stability"
BASE_URL = "https://api.stability.ai"
RATE = Rate(calls=150, seconds=10.0, concurrency=8)
TABLE = (
    Row("output_blocked", (200,), header={"finish-reason": "CONTENT_FILTERED"}),
    Row("output_blocked", (200,), body={"finish_reason": "CONTENT_FILTERED"}),
    Row("output_blocked", (200,), body={"artifacts.0.finishReason": "CONTENT_FILTERED"}),
    Row("unusable", (200,), header={"finish-reason": "ERROR"}),
    Row("unusable", (200,), body={"artifacts.0.finishReason": "ERROR"}),
    # An error inside a 200, by the names that errors have.
    Row("overloaded", (200,), body={"name": "internal_error|server_error"}),
    Row("unusable", (200,), body={"name": ".", "errors": "."}),
    Row("pending", (202,)),
    Row("prompt_blocked", (403,), body={"name": "content_moderation"}),
    Row("prompt_blocked", (400,), body={"name": "invalid_prompts"}),
    Row("prompt_blocked", (422,), body={"name": "public_figure"}),
    Row("bad_request", (400, 413, 422)),
    # No Retry-After is documented: who calls too often is shut out for this long.
    Row("rate_limited", (429,), retry_after=60.0),
)
RATIOS = ("21:9", "16:9", "3:2", "5:4", "1:1", "4:5", "2:3", "9:16", "9:21")
# The sizes of SDXL 1.0 as published with its v1 engine.
SDXL_SIZES = (
    *((1024, 1024), (1152, 896), (896, 1152), (1216, 832), (832, 1216)),
    *((1344, 768), (768, 1344), (1536, 640), (640, 1536)),
)
SAMPLERS = {
    "ddim": "DDIM",
    "ddpm": "DDPM",
    "dpmpp_2m": "K_DPMPP_2M",
    "dpmpp_2s_a": "K_DPMPP_2S_ANCESTRAL",
    "dpm_2": "K_DPM_2",
    "dpm_2_a": "K_DPM_2_ANCESTRAL",
    "euler": "K_EULER",
    "euler_a": "K_EULER_ANCESTRAL",
    "heun": "K_HEUN",
    "lms": "K_LMS",
}
ABOUT = About(delivers="raw bytes, or base64 in JSON, by Accept; bytes are asked for")
_CREDIT = "1 credit = 0.01 USD is not confirmed by a source"
_PUBLISHED = "credits of the published v2beta document"
# 10 MiB a request, less what the other fields take.
_MAX_BYTES = 10 * 1024 * 1024 - 64 * 1024
_EDITED = SourceLimits(min_side=64, min_pixels=4_096, max_pixels=9_437_184, max_bytes=_MAX_BYTES)


def _can(*operations: str, **more: Any) -> Capabilities:
    """Without steps and guidance, which most of these do not take."""
    given: dict[str, Any] = {"max_steps": 0, "default_steps": 0, "max_cfg_scale": 0.0, "default_cfg_scale": 0.0, **more}
    sizes = {"min_size": 512, "max_size": 1600, "size_multiple": 1, "default_width": 1024, "default_height": 1024}
    return Capabilities.model_validate({"operations": frozenset(operations), "max_count": 10, **sizes, **given})


def _credits(number: str, *, said: bool = True) -> Price:
    usd = f"{float(number) / 100:.4f}".rstrip("0")
    source, date = (_PUBLISHED, "2026") if said else ("credits by hearsay", "undated")
    return Price(usd, "image", f"{number} {source}", date, verified=False)


def _v2(name: str, route: str, can: Capabilities, price: Price, description: str, **more: Any) -> Declared:
    declared = Declared(
        model=f"{NAME}/{name}",
        route=f"/v2beta/stable-image/{route}",
        capabilities=can,
        price=price,
        licence="Stability AI terms of service",
        licence_note=TERMS,
        description=description,
        seeds=(1, 4_294_967_294),
        formats=("png", "jpeg", "webp"),
        source=_EDITED,
        max_control_strength=1.0,
        result_seconds=24 * 3600.0,
        not_verified=(_CREDIT, *more.pop("not_verified", ())),
    )
    return replace(declared, **more)


def _sd3(name: str, credits: str, default_cfg: float, description: str) -> Declared:
    can = _can("text_to_image", "image_to_image", max_cfg_scale=10.0, default_cfg_scale=default_cfg)
    return _v2(
        name,
        "generate/sd3",
        can,
        _credits(credits),
        description,
        aspect_ratios=RATIOS,
        cfg=(1.0, 10.0),
        strength=(0.0, 1.0),
        default_strength=0.75,
        facts={"model": name},
        not_verified=("the size of the result of image_to_image",),
    )


_SDXL = Declared(
    model=f"{NAME}/sdxl-1.0",
    route="/v1/generation/stable-diffusion-xl-1024-v1-0",
    capabilities=_can(
        *("text_to_image", "image_to_image", "inpaint"),
        size_multiple=64,
        max_steps=50,
        default_steps=30,
        max_cfg_scale=35.0,
        default_cfg_scale=7.0,
        schedulers=tuple(SAMPLERS),
    ),
    licence="Stability AI terms of service",
    licence_note=TERMS,
    description="Stable Diffusion XL 1.0 by the v1 API.",
    sizes=SDXL_SIZES,
    seeds=(1, 4_294_967_295),
    cfg=(0.0, 35.0),
    steps=(10, 50),
    strength=(0.0, 1.0),
    default_strength=0.65,
    max_prompt=2_000,
    strength_ignores_source=False,
    source=SourceLimits(min_side=128, max_bytes=_MAX_BYTES),
    not_verified=("whether v1 engines still answer", "prices of the v1 engines", "sizes that sources may have"),
)
_UPSCALED = {"min_size": 64, "max_size": 16_384}
_ALL = (
    _v2(
        *("ultra", "generate/ultra", _can("text_to_image", "image_to_image"), _credits("8")),
        "Stable Image Ultra: the best prompt adherence, about 1 megapixel.",
        aspect_ratios=RATIOS,
        strength=(0.0, 1.0),
        default_strength=0.75,
        source=SourceLimits(min_side=64, max_bytes=_MAX_BYTES),
    ),
    _v2(
        *("core", "generate/core", _can("text_to_image"), _credits("3")),
        "Stable Image Core: fast, 1.5 megapixels.",
        aspect_ratios=RATIOS,
    ),
    _sd3("sd3.5-large", "6.5", 4.0, "Stable Diffusion 3.5 Large."),
    _sd3("sd3.5-large-turbo", "4", 1.0, "Stable Diffusion 3.5 Large Turbo."),
    _sd3("sd3.5-medium", "3.5", 4.0, "Stable Diffusion 3.5 Medium."),
    _sd3("sd3.5-flash", "2.5", 1.0, "Stable Diffusion 3.5 Flash."),
    _v2(
        *("inpaint", "edit/inpaint", _can("inpaint", mask_edges=True, min_size=64, max_size=16_384)),
        *(_credits("5", said=False), "Draws the white part of a mask anew."),
        mask_grow=(0, 100),
    ),
    _v2(
        *("outpaint", "edit/outpaint", _can("outpaint", negative_prompt=False, **_UPSCALED), _credits("4")),
        "Extends a picture beyond its sides.",
        max_side_added=2_000,
        source=replace(_EDITED, max_aspect=2.5),
    ),
    _v2(
        *("control", "control", _can("text_to_image", controls=("sketch", "structure", "style"), max_controls=1)),
        *(_credits("5", said=False), "Follows the lines, the structure or the style of a picture."),
        aspect_ratios=RATIOS,
        min_controls=1,
        always_preprocesses=True,
        not_verified=("sketch and structure choose the size by the guide",),
    ),
    _v2(
        *("upscale-fast", "upscale/fast", _can("upscale", negative_prompt=False, seed=False, **_UPSCALED)),
        *(_credits("2"), "Four times as wide and high, up to 16 megapixels; reads no prompt."),
        prompt_used=False,
        source=SourceLimits(min_side=32, min_pixels=1_024, max_pixels=1_048_576, max_bytes=_MAX_BYTES),
        not_verified=("limits of its source",),
    ),
    _v2(
        *("upscale-conservative", "upscale/conservative", _can("upscale", **_UPSCALED)),
        *(_credits("40", said=False), "To about 4 megapixels, close to the source."),
        strength=(0.2, 0.5),
    ),
    _v2(
        *("upscale-creative", "upscale/creative", _can("upscale", **_UPSCALED), _credits("60")),
        "To about 4 megapixels, with new detail; takes minutes.",
        strength=(0.1, 0.5),
        poll_seconds=10.0,
        source=SourceLimits(min_pixels=4_096, max_pixels=1_048_576, max_bytes=_MAX_BYTES),
    ),
    _SDXL,
)
MODELS = {declared.model: declared for declared in _ALL}


@dataclass(frozen=True)
class Stability:
    """The vendor. `headers` go with every call: `stability-client-id` and its kin."""

    models: Mapping[str, Declared] = field(default_factory=lambda: MODELS)
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
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
        return with_bearer(replace(call, headers={**self.headers, **call.headers}), key)

    def ask(self, order: Order, model: Declared) -> Sequence[Asked]:
        """One call a seed: no route that all models have makes more."""
        make = _v1_call if model.route.startswith("/v1/") else _v2_call
        wanted = order.seeds or (order.parameters.seed,)
        calls = ((index, seed, make(order, model, seed)) for index, seed in enumerate(wanted))
        return [Asked(call, (index,), (seed,), _chosen(call)) for index, seed, call in calls]

    def read(self, reply: Reply, model: Declared) -> Reading:
        """Bytes, base64 in JSON, `artifacts`, or the id of work that goes on."""
        if is_picture(reply.body):
            return Reading((Found(reply.body, seed=seed_of(reply.headers.get("seed"))),))
        body: Any = reply.json
        if not isinstance(body, dict):
            # What came in place of a picture is judged where pictures are.
            return Reading((Found(reply.body),))
        return _read_json(body)  # pyright: ignore[reportUnknownArgumentType]

    def poll(self, ticket: str, model: Declared) -> Call:
        """The result, as bytes."""
        return Call("GET", f"/v2beta/results/{ticket}", headers={"accept": "image/*"}, repeatable=True)

    def cancel(self, ticket: str, model: Declared) -> Call | None:
        """There is no such route."""
        return None


def _chosen(call: Call) -> dict[str, Any]:
    given: Mapping[str, Any] = call.form or call.json or {}
    return {"path": call.path, **told(given)}


def _read_json(body: Mapping[str, Any]) -> Reading:
    if "image" in body:
        return Reading((found_in(body["image"], seed=seed_of(body.get("seed"))),))
    if "artifacts" in body:
        artifacts = [as_object(each) for each in as_list(body["artifacts"])]
        return Reading(tuple(found_in(each, seed=seed_of(each.get("seed"))) for each in artifacts))
    ticket = body.get("id")
    return Reading(ticket=str(ticket), pending=True) if ticket else Reading()


def _v2_call(order: Order, model: Declared, seed: int) -> Call:
    form = {**_common(order, model, seed), **dict(_FORMS[model.route](order, model))}
    controls = order.parameters.controls
    path = f"{model.route}/{controls[0].type}" if controls else model.route
    picture = order.guides[0] if order.guides else order.image
    pictures = {"image": picture, "mask": order.mask}
    files = {name: png_part(name, data) for name, data in pictures.items() if data is not None}
    # The creative upscaler answers with an id, which is JSON.
    accept = "application/json" if "creative" in path else "image/*"
    return Call("POST", path, headers={"accept": accept}, form=form, files=files)


def _common(order: Order, model: Declared, seed: int) -> dict[str, str]:
    form = {"output_format": "png"}
    if model.prompt_used:
        form["prompt"] = order.prompt
    if order.negative_prompt and model.capabilities.negative_prompt:
        form["negative_prompt"] = order.negative_prompt
    if model.capabilities.seed:
        form["seed"] = str(seed)
    return form


def _generate(order: Order, model: Declared) -> Iterator[tuple[str, str]]:
    wanted = order.parameters
    if order.operation == "image_to_image":
        yield "strength", f"{strength_of(order, model):g}"
    else:
        yield "aspect_ratio", ratio_of(order, model)
    if "model" in model.facts:
        yield "model", model.facts["model"]
        yield "mode", order.operation.replace("_", "-")
        yield "cfg_scale", f"{wanted.cfg_scale:g}"


def _inpaint(order: Order, model: Declared) -> Iterator[tuple[str, str]]:
    if order.parameters.mask_grow is not None:
        yield "grow_mask", str(order.parameters.mask_grow)


def _outpaint(order: Order, model: Declared) -> Iterator[tuple[str, str]]:
    for side in SIDES:
        yield side, str(getattr(order.parameters, side) or 0)


def _control(order: Order, model: Declared) -> Iterator[tuple[str, str]]:
    control = order.parameters.controls[0]
    if control.type == "style":
        yield "fidelity", f"{control.strength:g}"
        yield "aspect_ratio", ratio_of(order, model)
    else:
        yield "control_strength", f"{control.strength:g}"


def _upscale(order: Order, model: Declared) -> Iterator[tuple[str, str]]:
    if order.parameters.strength is not None:
        yield "creativity", f"{order.parameters.strength:g}"


_ROOT = "/v2beta/stable-image"
_FORMS = {
    **dict.fromkeys((f"{_ROOT}/generate/ultra", f"{_ROOT}/generate/core", f"{_ROOT}/generate/sd3"), _generate),
    f"{_ROOT}/edit/inpaint": _inpaint,
    f"{_ROOT}/edit/outpaint": _outpaint,
    f"{_ROOT}/control": _control,
    **dict.fromkeys((f"{_ROOT}/upscale/{kind}" for kind in ("fast", "conservative", "creative")), _upscale),
}


def _v1_call(order: Order, model: Declared, seed: int) -> Call:
    wanted = order.parameters
    numbers: dict[str, Any] = {"cfg_scale": wanted.cfg_scale, "steps": wanted.steps, "seed": seed, "samples": 1}
    if wanted.scheduler:
        numbers["sampler"] = SAMPLERS[wanted.scheduler]
    prompts: list[tuple[str, float]] = [(order.prompt, 1.0)]
    if order.negative_prompt:
        # A negative weight is how v1 says what to avoid.
        prompts.append((order.negative_prompt, -1.0))
    headers = {"accept": "image/png"}
    if order.operation == "text_to_image":
        texts = [{"text": text, "weight": weight} for text, weight in prompts]
        body = {"text_prompts": texts, "width": wanted.width, "height": wanted.height, **numbers}
        return Call("POST", f"{model.route}/text-to-image", headers=headers, json=body)
    return _v1_form(order, model, numbers, prompts, headers)


def _v1_form(
    order: Order, model: Declared, numbers: dict[str, Any], prompts: list[tuple[str, float]], headers: dict[str, str]
) -> Call:
    form = {name: str(value) for name, value in numbers.items()}
    for index, (text, weight) in enumerate(prompts):
        form |= {f"text_prompts[{index}][text]": text, f"text_prompts[{index}][weight]": str(weight)}
    files = {"init_image": png_part("init_image", order.image or b"")}
    if order.operation == "inpaint":
        files["mask_image"] = png_part("mask_image", order.mask or b"")
        form["mask_source"] = "MASK_IMAGE_WHITE"
        return Call("POST", f"{model.route}/image-to-image/masking", headers=headers, form=form, files=files)
    # Theirs says how much of the source stays, ours how much goes.
    keeps = 1 - strength_of(order, model)
    form |= {"init_image_mode": "IMAGE_STRENGTH", "image_strength": f"{keeps:g}"}
    return Call("POST", f"{model.route}/image-to-image", headers=headers, form=form, files=files)
