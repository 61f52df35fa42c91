"""fal.ai by its queue: submit, then the addresses that the answer names for status, result and cancelling.

Lenient where nothing is published: how a blocked prompt shows (422 `content_policy_violation`), black pictures, limits
of calls at once, ranges of numbers, and which models take a format. Failure is a status COMPLETED with an error; its
kind is told by the result's own status code. The vendor replays no idempotency keys.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from platemark.core.model import Capabilities
from platemark.core.updates import Order
from platemark.providers.catalogue import Declared, Rate, SourceLimits, sides_of, strength_of
from platemark.providers.http import Call, Reply, as_list, as_object, data_uri
from platemark.providers.licences import RAIL_PP_M, STABILITY_COMMUNITY, TERMS_AND_LICENCE
from platemark.providers.outcomes import Row
from platemark.providers.vendor import About, Asked, Found, Reading, found_in
from platemark.providers.webhooks import body_of, check_ed25519

NAME = "fal"
BASE_URL = "https://queue.fal.run"
RATE = Rate(calls=10, seconds=1.0, concurrency=4)
_ENDED = "^COMPLETED$"
TABLE = (
    Row("pending", (200, 202), body={"status": "^(IN_QUEUE|IN_PROGRESS)$"}),
    Row("prompt_blocked", (200,), body={"status": _ENDED, "error_type": "content_policy"}),
    Row("overloaded", (200,), body={"status": _ENDED, "error_type": "^(runner_|startup_|internal_)"}),
    Row("timed_out", (200,), body={"status": _ENDED, "error_type": "timeout"}),
    # The model broke. What it says of its input stands in the result, which is asked for.
    Row("unusable", (200,), body={"status": _ENDED, "error": "status code: 5"}),
    Row("unusable", (200,), body={"status": "^(FAILED|CANCELED|CANCELLED)$"}),
    Row("prompt_blocked", (400, 422), body={"detail.0.type": "content_policy"}),
    Row("prompt_blocked", (400, 422), header={"x-fal-error-type": "content_policy"}),
    # Asked for its result too early.
    Row("pending", (400,), body={"detail": "still in progress"}),
    Row("out_of_credit", (403,), body={"detail": "balance|is locked"}),
)
ABOUT = About(delivers="URLs; a data URI in JSON with sync_mode, which is not asked for")
_NOT_VERIFIED = ("how a blocked prompt shows", "black pictures in place of blocked ones", "calls at once", "prices")


def _can(*operations: str, steps: tuple[int, int], cfg: float) -> Capabilities:
    sizes = {"min_size": 256, "max_size": 1536, "size_multiple": 8, "default_width": 1024, "default_height": 1024}
    numbers = {"max_steps": steps[1], "default_steps": steps[0], "max_cfg_scale": 20.0, "default_cfg_scale": cfg}
    return Capabilities.model_validate({"operations": frozenset(operations), "max_count": 8, **sizes, **numbers})


def _model(name: str, route: str, can: Capabilities, licence: str, text: str, **more: Any) -> Declared:
    declared = Declared(
        model=f"{NAME}/{name}",
        route=f"fal-ai/{route}",
        capabilities=can,
        licence=licence,
        licence_note=TERMS_AND_LICENCE,
        description=text,
        steps=(1, can.max_steps),
        cfg=(0.0, 20.0),
        source=SourceLimits(min_side=64, max_side=4_096, max_bytes=8 * 1024 * 1024),
        formats=("png", "jpeg"),
        poll_seconds=1.0,
        blank_means_blocked=True,
        not_verified=(*_NOT_VERIFIED, *more.pop("not_verified", ())),
    )
    return replace(declared, **more)


_ALL = (
    _model(
        *("fast-sdxl", "fast-sdxl", _can("text_to_image", "image_to_image", "inpaint", steps=(25, 65), cfg=7.5)),
        *(RAIL_PP_M, "Stable Diffusion XL 1.0, made fast."),
        strength=(0.05, 1.0),
        default_strength=0.95,
        facts={"format": "format", "image_to_image": "/image-to-image", "inpaint": "/inpainting"},
        not_verified=("the size of the result of image_to_image and inpaint",),
    ),
    _model(
        *("sd3-medium", "stable-diffusion-v3-medium", _can("text_to_image", "image_to_image", steps=(28, 50), cfg=5.0)),
        *(STABILITY_COMMUNITY, "Stable Diffusion 3 Medium. The vendor chooses the format."),
        strength=(0.01, 1.0),
        default_strength=0.9,
        facts={"image_to_image": "/image-to-image"},
        not_verified=("the size of the result of image_to_image",),
    ),
    _model(
        *("sd3.5-large", "stable-diffusion-v35-large", _can("text_to_image", steps=(28, 50), cfg=3.5)),
        *(STABILITY_COMMUNITY, "Stable Diffusion 3.5 Large."),
        facts={"format": "output_format"},
    ),
    _model(
        *("sd3.5-medium", "stable-diffusion-v35-medium", _can("text_to_image", steps=(40, 50), cfg=4.5)),
        *(STABILITY_COMMUNITY, "Stable Diffusion 3.5 Medium."),
        facts={"format": "output_format"},
    ),
)
MODELS = {declared.model: declared for declared in _ALL}


@dataclass(frozen=True)
class Fal:
    """The vendor. A model's `facts`: the path after its route for each operation, and what its format is called.

    `webhook_url`: named in each call where it is set; what comes there is only a hint to ask at once.
    """

    models: Mapping[str, Declared] = field(default_factory=lambda: MODELS)
    webhook_url: str | None = None
    jwks_url: str | None = "https://rest.alpha.fal.ai/.well-known/jwks.json"
    platform_url: str = "https://api.fal.ai"
    name: str = NAME
    table: Sequence[Row] = TABLE
    rate: Rate = RATE
    request_id_headers: Sequence[str] = ("x-fal-request-id",)
    free_repeat: bool = False
    replays_keys: bool = False
    needs_key: bool = True
    about: About = ABOUT

    def authorise(self, call: Call, key: str) -> Call:
        """A key under the scheme `Key`."""
        return replace(call, headers={**call.headers, "authorization": f"Key {key}"})

    def ask(self, order: Order, model: Declared) -> Sequence[Asked]:
        """One call a seed: one answer with several pictures has one seed for all of them."""
        path = f"/{model.route}{model.facts.get(order.operation, '')}"
        query = {"fal_webhook": self.webhook_url} if self.webhook_url else {}
        made = list[Asked]()
        for index, seed in enumerate(order.seeds):
            numbers = {**dict(_numbers(order, model)), "seed": seed}
            body = {**numbers, **dict(_texts(order)), **dict(_sources(order))}
            call = Call("POST", path, query=query, json=body)
            made.append(Asked(call, (index,), (seed,), {"path": path, **numbers}))
        return made

    def read(self, reply: Reply, model: Declared) -> Reading:
        """What was submitted, its status, or its result."""
        body = as_object(reply.json)
        if "images" in body or "image" in body:
            return _result(body)
        urls = {name: body.get(f"{name}_url") for name in ("status", "response", "cancel")}
        if body.get("status") == "COMPLETED":
            url = urls["response"]
            return Reading(follow=Call("GET", url, repeatable=True) if isinstance(url, str) else None)
        if not body.get("request_id") or not (urls["status"] and urls["response"]):
            return Reading(pending="status" in body)
        return Reading(ticket=json.dumps({"id": body["request_id"], **urls}), pending=True)

    def poll(self, ticket: str, model: Declared) -> Call:
        """The status, at the address that the vendor named."""
        return Call("GET", json.loads(ticket)["status"], repeatable=True)

    def cancel(self, ticket: str, model: Declared) -> Call | None:
        """Takes it out of the queue, or stops it where it runs."""
        url = json.loads(ticket).get("cancel")
        return Call("PUT", url, repeatable=True) if url else None

    def forget(self, ticket: str) -> Call:
        """Deletes what went in, what came out and the files behind its URLs; needs a key with admin rights."""
        id = json.loads(ticket)["id"]
        return Call("DELETE", f"{self.platform_url}/v1/models/requests/{id}/payloads", repeatable=True)

    def forgotten(self, reply: Reply) -> bool:
        """Whether every file went."""
        results = as_list(as_object(reply.json).get("cdn_delete_results"))
        return all(as_object(each).get("exception") is None for each in results)

    def hint(self, headers: Mapping[str, str], body: bytes, secret: str, now: datetime) -> str:
        """The id of the request, which stands in its ticket."""
        check_ed25519(headers, body, secret, now, prefix="x-fal-webhook")
        return str(body_of(body).get("request_id", ""))


def _texts(order: Order) -> Iterator[tuple[str, Any]]:
    yield "prompt", order.prompt
    if order.negative_prompt:
        yield "negative_prompt", order.negative_prompt


def _numbers(order: Order, model: Declared) -> Iterator[tuple[str, Any]]:
    wanted = order.parameters
    yield from {"num_inference_steps": wanted.steps, "guidance_scale": wanted.cfg_scale, "num_images": 1}.items()
    if "format" in model.facts:
        yield model.facts["format"], "png"
    if order.image is not None:
        # The size follows from the source.
        yield "strength", strength_of(order, model)
    else:
        yield "image_size", sides_of(order, model)


def _sources(order: Order) -> Iterator[tuple[str, str]]:
    for name, data in (("image_url", order.image), ("mask_url", order.mask)):
        if data is not None:
            yield name, data_uri(data)


def _result(body: Mapping[str, Any]) -> Reading:
    images = as_list(body.get("images")) or [body.get("image")]
    flagged = as_list(body.get("has_nsfw_concepts")) or as_list(body.get("nsfw_content_detected"))
    seed = body.get("seed")
    seed = seed if isinstance(seed, int) and not isinstance(seed, bool) else None
    marks = [*flagged, *[False] * len(images)]
    return Reading(tuple(_found(as_object(each), seed, marks[index] is True) for index, each in enumerate(images)))


def _found(image: Mapping[str, Any], seed: int | None, flagged: bool) -> Found:
    found = found_in(image, seed=seed)
    return replace(found, outcome="output_blocked" if flagged else "ok", flags={"has_nsfw_concepts": flagged})
