"""aimlapi.com (AI/ML API): its Stable Diffusion models, whose fields differ from page to page of its documents.

Lenient where nothing is published: the words of a refused prompt, flags of withheld pictures, `Retry-After`, the type
of `statusCode`. 403 means that the credit is used up.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from platemark.core.model import Capabilities
from platemark.core.money import Cost
from platemark.core.updates import Order
from platemark.providers.catalogue import Declared, Price, Rate
from platemark.providers.http import Call, Reply, as_list, as_object, with_bearer
from platemark.providers.licences import TERMS
from platemark.providers.outcomes import Row
from platemark.providers.vendor import About, Asked, Found, Reading, found_in, told

NAME = "aimlapi"
BASE_URL = "https://api.aimlapi.com"
PATH = "/v1/images/generations"
SPENT = "x-aimlapi-usd-spent"
_REFUSED = "nsfw|moderation|content policy|safety"
TABLE = (
    # An error inside a 200, by the names that errors have.
    Row("unusable", (200, 201), body={"statusCode": "^[45]", "message": "."}),
    Row("prompt_blocked", (400, 403, 422), body={"message": _REFUSED}),
    Row("out_of_credit", (403,)),
)
ABOUT = About(
    delivers="a URL or base64 in JSON, as the vendor likes",
    not_verified=(
        "how a refused prompt and a withheld picture show; an all black picture counts as withheld",
        "limits of calls, and whether 429 says when to come back",
        "how long results stay",
    ),
)
# Not documented; low enough to do no harm.
RATE = Rate(calls=10, seconds=1.0, concurrency=4)
_PRICE = Price(
    "0.06",
    "image",
    "the 120,000 credits of the published sample, at 2,000,000 credits a dollar; the answer says what was spent",
    "2026-08",
    verified=False,
)
_FIELDS = "seed negative_prompt guidance_scale num_inference_steps"


def _declared(name: str, route: str, more_fields: str, description: str) -> Declared:
    return Declared(
        model=f"{NAME}/{name}",
        route=route,
        capabilities=Capabilities(
            operations=frozenset({"text_to_image"}),
            min_size=64,
            max_size=1536,
            size_multiple=32,
            default_width=1024,
            default_height=1024,
            max_steps=50,
            default_steps=50,
            max_cfg_scale=20.0,
            default_cfg_scale=4.5,
        ),
        price=_PRICE,
        licence="AI/ML API terms of service",
        licence_note=TERMS,
        description=description,
        seeds=(1, 2**32 - 1),
        cfg=(1.0, 20.0),
        steps=(1, 50),
        max_prompt=4_000,
        blank_means_blocked=True,
        facts={"fields": f"{_FIELDS} {more_fields}"},
        not_verified=("the price", "whether Stability's models are still served", "the greatest seed"),
    )


_ALL = (
    _declared("sd3.5-large", "stable-diffusion-v35-large", "output_format", "Stable Diffusion 3.5 Large."),
    _declared("sd3-medium", "stable-diffusion-v3-medium", "prompt_expansion", "Stable Diffusion 3 Medium."),
)
MODELS = {declared.model: declared for declared in _ALL}


@dataclass(frozen=True)
class Aimlapi:
    """The vendor. Each call carries an id of ours, and the answer says what it cost: that is the settled cost.

    A model of the operator's says in the fact `fields` which of the optional fields its page lists.
    """

    models: Mapping[str, Declared] = field(default_factory=lambda: MODELS)
    name: str = NAME
    table: Sequence[Row] = TABLE
    rate: Rate = RATE
    request_id_headers: Sequence[str] = ("x-inference-id",)
    free_repeat: bool = False
    replays_keys: bool = False
    needs_key: bool = True
    about: About = ABOUT

    def authorise(self, call: Call, key: str) -> Call:
        """A bearer token."""
        return with_bearer(call, key)

    def ask(self, order: Order, model: Declared) -> Sequence[Asked]:
        """One call a seed: nothing says how further pictures of one call are seeded."""
        seeds = order.seeds or (order.parameters.seed,)
        return [_asked(order, model, index, seed) for index, seed in enumerate(seeds)]

    def read(self, reply: Reply, model: Declared) -> Reading:
        """A URL or base64 for each picture, and the cost."""
        body = as_object(reply.json)
        flags = [*as_list(body.get("has_nsfw_concepts")), *[None] * 64]
        pictures = zip(as_list(body.get("data")), flags, strict=False)
        found = (Found(outcome="output_blocked") if flag is True else found_in(each) for each, flag in pictures)
        return Reading(tuple(found), cost=_spent(reply.headers.get(SPENT)))

    def poll(self, ticket: str, model: Declared) -> Call:
        """Never called: pictures come at once."""
        return Call("GET", f"{PATH}/{ticket}", repeatable=True)

    def cancel(self, ticket: str, model: Declared) -> Call | None:
        """There is no such route."""
        return None


def _asked(order: Order, model: Declared, index: int, seed: int) -> Asked:
    wanted = order.parameters
    optional: dict[str, Any] = {
        "seed": seed,
        "negative_prompt": order.negative_prompt or None,
        "guidance_scale": wanted.cfg_scale,
        "num_inference_steps": wanted.steps,
        "output_format": "png",
        # The prompt stays as it was written.
        "prompt_expansion": False,
    }
    known = model.facts.get("fields", _FIELDS).split()
    size = {"width": wanted.width, "height": wanted.height}
    chosen = {"model": model.route, "image_size": size, "num_images": 1}
    chosen |= {name: optional[name] for name in known if optional.get(name) is not None}
    # What is malformed the vendor would silently drop.
    id = re.sub(r"[^A-Za-z0-9._:-]", "_", f"{order.idempotency_key}.{index}")[:128]
    call = Call("POST", PATH, headers={"x-client-request-id": id}, json={**chosen, "prompt": order.prompt})
    return Asked(call, (index,), (seed,), {"path": PATH, **told(chosen)})


def _spent(said: str | None) -> Cost | None:
    """What the vendor says it took, in dollars."""
    try:
        micro = round(Decimal(said or "") * 1_000_000)
    except (InvalidOperation, ValueError, OverflowError):
        return None
    return Cost(status="settled", micro_usd=micro, basis=f"said by {NAME} in {SPENT}") if micro >= 0 else None
