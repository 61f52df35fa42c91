"""OpenAI Images and the self-hosted servers that speak it: vLLM-Omni, SGLang diffusion, LocalAI, Xinference.

What differs between them is data in `openai_servers`. Lenient where nothing is published: the codes of refusals,
`Retry-After`, and URLs where base64 was asked for.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from platemark.core.updates import Order
from platemark.imaging.decode import open_picture
from platemark.imaging.masks import as_hole
from platemark.imaging.pixels import encode
from platemark.providers.catalogue import Declared, Rate, sides_of, strength_of
from platemark.providers.http import Call, Reply, as_list, as_object, png_part
from platemark.providers.openai_servers import OPENAI, SELF_HOSTED
from platemark.providers.outcomes import Row
from platemark.providers.selfhosted import authorised
from platemark.providers.vendor import About, Asked, Found, Reading, found_in, is_picture, told

NAME = "openai"
BASE_URL = "https://api.openai.com"
_BLOCKED = "moderation_blocked|content_policy_violation"
TABLE = (
    # An error inside a 200, by the shape that errors have.
    Row("unusable", (200,), body={"error": "."}),
    Row("output_blocked", (400,), body={"error.code": _BLOCKED, "": r'"moderation_stage"\s*:\s*"output"'}),
    Row("prompt_blocked", (400,), body={"error.code": _BLOCKED}),
    Row("prompt_blocked", (400,), body={"error.message": "safety system|content policy"}),
    Row("out_of_credit", (400, 403, 429), body={"error.code": "insufficient_quota|billing"}),
    Row("not_found", (400, 403), body={"error.code": "model_not_found"}),
    # vLLM-Omni and Xinference, which have no codes.
    Row("not_found", (400,), body={"detail": "model mismatch|model not found"}),
)
# By hearsay: it depends on what was spent so far.
RATE = Rate(calls=50, seconds=60.0, concurrency=4)
# One device draws one picture after the other; it queues by itself.
SELF_HOSTED_RATE = Rate(calls=100, seconds=1.0, concurrency=2)
_PATHS = {"text_to_image": "generate", "image_to_image": "edit", "inpaint": "inpaint"}
ABOUT = About(
    delivers="base64 in JSON; URLs are taken too",
    not_verified=(
        "the codes of refusals, and how a withheld result shows",
        "limits of calls, which depend on the account, and whether 429 says when to come back",
    ),
)
SELF_HOSTED_ABOUT = About(
    delivers="base64 in JSON, by `response_format`", not_verified=("errors beyond those of FastAPI and OpenAI",)
)


def _by_name(models: Sequence[Declared]) -> Mapping[str, Declared]:
    return {declared.model: declared for declared in models}


@dataclass(frozen=True)
class OpenAIImages:
    """The vendor, and servers of the same dialect. OpenAI takes no seeds: what it draws cannot be drawn again.

    On servers with one model leave the route of a configured model empty: they serve what they were started with.
    """

    models: Mapping[str, Declared] = field(default_factory=lambda: _by_name(OPENAI))
    name: str = NAME
    table: Sequence[Row] = TABLE
    rate: Rate = RATE
    request_id_headers: Sequence[str] = ("x-request-id",)
    free_repeat: bool = False
    replays_keys: bool = False
    needs_key: bool = True
    about: About = ABOUT

    def authorise(self, call: Call, key: str) -> Call:
        """A bearer token; HTTP Basic for `user:password`, as proxies before self-hosted servers want it."""
        return authorised(call, key)

    def ask(self, order: Order, model: Declared) -> Sequence[Asked]:
        """One call a seed; all pictures in one call where there are no seeds."""
        seeds = order.seeds or (order.parameters.seed,)
        indices = range(len(seeds))
        calls = [(index,) for index in indices] if model.capabilities.seed else [tuple(indices)]
        return [_asked(order, model, each, tuple(seeds[index] for index in each)) for each in calls]

    def read(self, reply: Reply, model: Declared) -> Reading:
        """Base64 or URLs in JSON; the bytes themselves where a result was asked for."""
        if is_picture(reply.body):
            return Reading((Found(reply.body),))
        entries = [as_object(each) for each in as_list(as_object(reply.json).get("data"))]
        if "own_urls" in model.facts and entries and isinstance(url := entries[0].get("url"), str):
            # On a host of the operator's own, where strangers' URLs may not lead: asked for as a call of ours.
            return Reading(ticket=urlsplit(url).path, pending=True)
        return Reading(tuple(found_in(each) for each in entries))

    def poll(self, ticket: str, model: Declared) -> Call:
        """A result that lies on the server itself."""
        return Call("GET", ticket, repeatable=True)

    def cancel(self, ticket: str, model: Declared) -> Call | None:
        """There is no such route."""
        return None


SERVERS: Mapping[str, Callable[[], OpenAIImages]] = {
    name: partial(
        OpenAIImages,
        _by_name(models),
        name,
        rate=SELF_HOSTED_RATE,
        free_repeat=True,
        needs_key=False,
        about=SELF_HOSTED_ABOUT,
    )
    for name, models in SELF_HOSTED.items()
}


def _asked(order: Order, model: Declared, indices: tuple[int, ...], seeds: tuple[int, ...]) -> Asked:
    form = order.operation != "text_to_image"
    fields = dict(_fields(order, model, form))
    if len(indices) > 1:
        fields["n"] = len(indices)
    options = dict(_options(order, model, seeds[0], form))
    fields |= {name: value for name, value in options.items() if not name.startswith("kwargs.")}
    inside = {name.removeprefix("kwargs."): value for name, value in options.items() if name.startswith("kwargs.")}
    chosen = told({**fields, **inside})
    if inside:
        fields["kwargs"] = json.dumps(inside)
    path = model.facts[_PATHS[order.operation]]
    call = _form(path, order, model, fields) if form else Call("POST", path, json=fields)
    return Asked(call, indices, seeds, {"path": path, **chosen})


def _fields(order: Order, model: Declared, form: bool) -> Iterator[tuple[str, Any]]:
    facts = model.facts
    yield "prompt", _prompt(order, facts)
    if model.route:
        yield "model", model.route
    size = facts.get("times", "x").join(map(str, sides_of(order, model).values()))
    if not form or "form_size" in facts:
        said = facts["form_size"] if form else "same"
        yield "size", size if said == "same" else said
    for name, value in facts.items():
        if name.startswith("send_") and value:
            yield name.removeprefix("send_"), value


def _prompt(order: Order, facts: Mapping[str, str]) -> str:
    if facts.get("negative") != "|":
        return order.prompt
    # The bar begins what is to be avoided, so it may not stand in the prompt itself.
    texts = (text.replace("|", ",") for text in (order.prompt, order.negative_prompt) if text)
    return "|".join(texts)


def _options(order: Order, model: Declared, seed: int, form: bool) -> Iterator[tuple[str, Any]]:
    """What the server has a name for, under that name."""
    wanted, from_source = order.parameters, order.image is not None
    values: dict[str, Any] = {
        "seed": seed if model.capabilities.seed else None,
        "steps": wanted.steps or None,
        "cfg": wanted.cfg_scale if model.cfg else None,
        "strength": strength_of(order, model) if from_source else None,
        "negative": order.negative_prompt or None,
    }
    for word, value in values.items():
        name = (model.facts.get(f"form_{word}") if form else None) or model.facts.get(word, "")
        if value is not None and name not in ("", "|"):
            yield name, value


def _form(path: str, order: Order, model: Declared, fields: Mapping[str, Any]) -> Call:
    files = {model.facts.get("image", "image"): png_part("image", order.image or b"")}
    if order.mask is not None:
        mask = order.mask if model.mask_white_changes else _with_hole(order.mask)
        files[model.facts.get("mask", "mask")] = png_part("mask", mask)
    return Call("POST", path, form={name: str(value) for name, value in fields.items()}, files=files)


def _with_hole(mask: bytes) -> bytes:
    picture = open_picture(mask, max_bytes=len(mask), max_pixels=2**28)
    return encode(as_hole(picture), "png", 1)
