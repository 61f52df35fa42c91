"""Together AI: `images/generations` for FLUX, Stable Diffusion and other models by their hub ids.

Lenient where nothing is published: how its safety checker answers (400 or 422 that speak of NSFW), the range of seeds,
the limits of sizes, and whether a model answers base64 or URLs whatever was asked. No Retry-After is documented.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from platemark.core.model import Capabilities
from platemark.core.updates import Order
from platemark.providers.catalogue import Declared, Price, Rate, SourceLimits, sides_of
from platemark.providers.http import Call, Reply, as_list, as_object, data_uri, with_bearer
from platemark.providers.licences import RAIL_M, RAIL_PP_M, STABILITY_COMMUNITY, TERMS_AND_LICENCE
from platemark.providers.outcomes import Row
from platemark.providers.vendor import About, Asked, Reading, found_in, told

NAME = "together"
BASE_URL = "https://api.together.ai"
PATH = "/v1/images/generations"
# The least of the published ones that is not for free models: 57 pictures a minute.
RATE = Rate(calls=57, seconds=60.0, concurrency=4)
_BLOCKED = "nsfw|safety|moderat|content.polic|flagged"
TABLE = (
    # An error inside a 200, by the shape that errors have.
    Row("overloaded", (200,), body={"error.type": "server_error|overloaded|service_unavailable"}),
    Row("unusable", (200,), body={"error": "."}),
    # The picture is spoken of, so it was made.
    Row("output_blocked", (400, 422), body={"error.message": rf"(generated|output|result).*({_BLOCKED})"}),
    Row("prompt_blocked", (400, 422), body={"error.message": _BLOCKED}),
    Row("prompt_blocked", (400, 422), body={"error.code": _BLOCKED}),
    Row("not_found", (400,), body={"error.code": "model_not_(found|available|supported)"}),
    # The document's 403 is a prompt that is too long, not a key.
    Row("bad_request", (403,), body={"error.message": "context|token|too long|length"}),
)
ABOUT = About(
    delivers="base64 inside JSON (`response_format: base64`, `output_format: png`); URLs are taken too",
    not_verified=("how its safety checker answers", "the range of seeds", "the limits of sizes", "most prices"),
)


def _can(*operations: str, **more: Any) -> Capabilities:
    limits = {"min_size": 256, "max_size": 1792, "size_multiple": 16, "default_width": 1024, "default_height": 1024}
    drawn = {"max_steps": 50, "default_steps": 28, "max_cfg_scale": 20.0, "default_cfg_scale": 3.5, "max_count": 10}
    given = {"negative_prompt": False, **limits, **drawn, **more}
    return Capabilities.model_validate({"operations": frozenset(operations), **given})


def _model(name: str, route: str, licence: str, description: str, can: Capabilities, **more: Any) -> Declared:
    declared = Declared(
        model=f"{NAME}/{name}",
        route=route,
        capabilities=can,
        licence=licence,
        licence_note=TERMS_AND_LICENCE,
        description=description,
        steps=(1, can.max_steps) if can.max_steps else None,
        cfg=(1.0, can.max_cfg_scale) if can.max_cfg_scale else None,
        formats=("png", "jpeg"),
        source=SourceLimits(min_side=64, max_side=8_192, max_bytes=16 * 1024 * 1024),
    )
    return replace(declared, **more)


_NO_STEPS = {"max_steps": 0, "default_steps": 0, "max_cfg_scale": 0.0, "default_cfg_scale": 0.0}
_FAST = {**_NO_STEPS, "max_steps": 12, "default_steps": 4}
_STABLE = {
    "max_size": 1536,
    "size_multiple": 64,
    "default_steps": 20,
    "default_cfg_scale": 7.0,
    "negative_prompt": True,
}
_FLUX, _DEV = "FLUX, Black Forest Labs", "FLUX.1 [dev] non-commercial"


def _kontext(kind: str, licence: str, **can: Any) -> Declared:
    return _model(
        *(f"flux.1-kontext-{kind}", f"black-forest-labs/FLUX.1-kontext-{kind}", licence),
        f"FLUX.1 Kontext [{kind}]: edits a picture by what the prompt says.",
        _can("text_to_image", "image_to_image", **can),
        facts={"source": "image_url"},
        not_verified=("a data URI as source",),
    )


_ALL = (
    _model(
        *("flux.1-schnell", "black-forest-labs/FLUX.1-schnell", "Apache-2.0", "FLUX.1 [schnell]: fast, few steps."),
        _can("text_to_image", **_FAST),
    ),
    _model(*("flux.1-dev", "black-forest-labs/FLUX.1-dev", _DEV, "FLUX.1 [dev]."), _can("text_to_image")),
    _model(
        *("flux.1-dev-lora", "black-forest-labs/FLUX.1-dev-lora", _DEV, "FLUX.1 [dev] with LoRAs by their URLs."),
        # Up to here the price of a megapixel is the same; more steps cost in proportion.
        _can("text_to_image", any_lora=True, max_loras=2, max_steps=28),
        price=Price("0.035", "megapixel", "docs.together.ai, FLUX LoRA", "2025-11", verified=False),
        lora_id=r"https?://\S+",
        not_verified=("called deprecated in 2025-11",),
    ),
    _model(
        *("flux.1-krea-dev", "black-forest-labs/FLUX.1-krea-dev", _DEV, "FLUX.1 Krea [dev]: less of the usual look."),
        _can("text_to_image"),
    ),
    _model(
        *("flux.1.1-pro", "black-forest-labs/FLUX.1.1-pro", _FLUX, "FLUX 1.1 [pro]."),
        _can("text_to_image", **_NO_STEPS),
    ),
    _kontext("dev", _DEV),
    _kontext("pro", _FLUX, **_NO_STEPS),
    _kontext("max", _FLUX, **_NO_STEPS),
    _model(
        *("qwen-image", "Qwen/Qwen-Image", "Apache-2.0", "Qwen-Image: long texts inside pictures."),
        _can("text_to_image", negative_prompt=True),
    ),
    _model(
        *("sdxl-1.0", "stabilityai/stable-diffusion-xl-base-1.0", RAIL_PP_M),
        *("Stable Diffusion XL 1.0.", _can("text_to_image", **_STABLE)),
        not_verified=("whether it is still served: listed as deprecated from 2025-04-14",),
    ),
    _model(
        *("sd3-medium", "stabilityai/stable-diffusion-3-medium", STABILITY_COMMUNITY),
        *("Stable Diffusion 3 Medium.", _can("text_to_image", **_STABLE)),
    ),
    _model(
        *("dreamshaper", "Lykon/DreamShaper", RAIL_M, "DreamShaper, a Stable Diffusion 1.5."),
        _can("text_to_image", **{**_STABLE, "max_size": 1024, "default_width": 512, "default_height": 512}),
    ),
)
MODELS = {declared.model: declared for declared in _ALL}


@dataclass(frozen=True)
class Together:
    """The vendor. A LoRA's id is the URL where it lies, such as that of its page on a model hub.

    Of `facts`, `source` is the field that takes a source picture: `image_url`, or `reference_images`.
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
        """One call a seed: which seeds the further pictures of one call have is not documented."""
        return [_asked(order, model, index, seed) for index, seed in enumerate(order.seeds)]

    def read(self, reply: Reply, model: Declared) -> Reading:
        """The pictures of `data`, as base64 or as URLs."""
        return Reading(tuple(found_in(each) for each in as_list(as_object(reply.json).get("data"))))

    def poll(self, ticket: str, model: Declared) -> Call:
        """There are no tickets; asked all the same, the vendor says so."""
        return Call("GET", f"{PATH}/{ticket}", repeatable=True)

    def cancel(self, ticket: str, model: Declared) -> Call | None:
        """There is no such route."""
        return None


def _asked(order: Order, model: Declared, index: int, seed: int) -> Asked:
    body = dict(_body(order, model, seed))
    # A picture inside a URI is kept elsewhere.
    return Asked(Call("POST", PATH, json=body), (index,), (seed,), told(body, model.facts.get("source", "")))


def _body(order: Order, model: Declared, seed: int) -> Iterator[tuple[str, Any]]:
    wanted = order.parameters
    yield from {"model": model.route, "prompt": order.prompt, "seed": seed, "n": 1}.items()
    yield from sides_of(order, model).items()
    yield from {"response_format": "base64", "output_format": "png"}.items()
    if model.steps:
        yield "steps", wanted.steps
    if model.cfg:
        yield "guidance_scale", wanted.cfg_scale
    if order.negative_prompt and model.capabilities.negative_prompt:
        yield "negative_prompt", order.negative_prompt
    if wanted.loras:
        yield "image_loras", [{"path": lora.id, "scale": lora.scale} for lora in wanted.loras]
    if order.image is not None:
        uri = data_uri(order.image)
        source = model.facts["source"]
        yield source, [uri] if source == "reference_images" else uri
