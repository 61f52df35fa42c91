"""Hotpot.ai: Stable Diffusion by its public API, three tiers, and its art generator.

The least certain of all adapters: only a README of the vendor, the head of its reference (statuses, authentication) and
calls in other people's programs are known. So nearly everything is lenient: pictures come as bytes, base64, a data URI
or the URL of one; errors as JSON, text or a page. Not known: sizes and proportions, the range of the guidance, limits
of rate and prompt, prices, how a block shows, and whether tickets, seeds, negative prompts or sources are taken. None
of these is sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from platemark.core.model import Capabilities
from platemark.core.updates import Order
from platemark.providers.catalogue import Declared, Rate
from platemark.providers.http import Call, Reply, as_list, as_object
from platemark.providers.licences import TERMS
from platemark.providers.outcomes import Row
from platemark.providers.vendor import About, Asked, Found, Reading, found_in, is_picture

NAME = "hotpot"
BASE_URL = "https://api.hotpot.ai"
# Nothing is published but that there is a limit.
RATE = Rate(calls=30, seconds=60.0, concurrency=2)
_BLOCKED = r"nsfw|inappropriate|explicit (content|text|image)|moderat|content.polic|(banned|prohibited) (word|content)"
TABLE = (
    # An error inside a 200, by the shape that theirs have.
    Row("prompt_blocked", (200,), body={"message": _BLOCKED}),
    Row("unusable", (200,), body={"code": r"^[45]\d\d$"}),
    Row("unusable", (200,), body={"error": r"\w"}),
    # Their 403 is a key that is not valid, unless it speaks of something else.
    Row("prompt_blocked", (400, 403, 422), body={"": _BLOCKED}),
    # One status for too many calls and for no credit left: a header, or words that name nothing else, tell.
    Row("out_of_credit", (429,), header={"x-api-credits-left": r"^\s*0+(\.0+)?\s*$"}),
    Row("out_of_credit", (429,), body={"": r"^(?!.*\brate\b).*\b(credits?|quota)\b"}),
    # They ask for waits that double, and name no first one.
    Row("rate_limited", (429,), retry_after=10.0),
)
ABOUT = About(
    delivers="raw bytes, JPEG by the vendor's examples; there is no choice",
    not_verified=(
        "sizes and proportions of the results",
        "the range of guidanceScale",
        "limits of rate, of prompts and of what runs at once",
        "prices",
        "how a block shows, and bodies of errors",
    ),
)


def _model(name: str, route: str, description: str, *, guided: bool = True, **more: Any) -> Declared:
    given = {
        **{"min_size": 1024, "max_size": 1024, "default_width": 1024, "default_height": 1024, "size_multiple": 1},
        **{"max_steps": 0, "default_steps": 0, "max_count": 4, "negative_prompt": False, "seed": False},
        **{"max_cfg_scale": 20.0 if guided else 0.0, "default_cfg_scale": 7.0 if guided else 0.0},
    }
    return Declared(
        model=f"{NAME}/{name}",
        route=route,
        capabilities=Capabilities.model_validate({"operations": frozenset({"text_to_image"}), **given}),
        licence="Hotpot.ai terms of service",
        licence_note=TERMS,
        description=description,
        # The vendor chooses the pixels; a square is what its model was trained for.
        aspect_ratios=("1:1",),
        cfg=(1.0, 20.0) if guided else None,
        max_prompt=2_000,
        formats=("jpeg",),
        facts=more.pop("facts", {}),
        not_verified=("size", "price", "limits of the prompt", *more.pop("not_verified", ())),
    )


_ALL = (
    _model("stable-diffusion", "/stable-diffusion-normal", "Stable Diffusion, based on SDXL."),
    _model(
        *("stable-diffusion-premium", "/stable-diffusion-premium", "Stable Diffusion, the better tier."),
        not_verified=("its route: only its name is published",),
    ),
    _model(
        *("stable-diffusion-budget", "/stable-diffusion-budget", "Stable Diffusion, the cheaper tier."),
        not_verified=("its route: seen in other people's programs",),
    ),
    _model(
        *("art", "/make-art", "The art generator, in one of its styles by number."),
        guided=False,
        facts={"styleId": "23"},
        not_verified=("which styles there are",),
    ),
)
MODELS = {declared.model: declared for declared in _ALL}


@dataclass(frozen=True)
class Hotpot:
    """The vendor. Results have the size that it chooses; a warning says so. Kept headers say how many credits are left.

    Each of a model's `facts` is a form field that goes with every request, such as `styleId`. A route is a path.
    """

    models: Mapping[str, Declared] = field(default_factory=lambda: MODELS)
    name: str = NAME
    table: Sequence[Row] = TABLE
    rate: Rate = RATE
    request_id_headers: Sequence[str] = ("x-request-id", "x-amzn-requestid")
    free_repeat: bool = False
    replays_keys: bool = False
    needs_key: bool = True
    about: About = ABOUT

    def authorise(self, call: Call, key: str) -> Call:
        """The key alone: they know no scheme."""
        return replace(call, headers={**call.headers, "authorization": key})

    def ask(self, order: Order, model: Declared) -> Sequence[Asked]:
        """One call a picture."""
        form = dict(model.facts)
        if model.cfg:
            form["guidanceScale"] = f"{order.parameters.cfg_scale:g}"
        call = Call("POST", model.route, form={"inputText": order.prompt, **form})
        told = {"path": call.path, **form}
        return [Asked(call, (index,), (seed,), told) for index, seed in enumerate(order.seeds)]

    def read(self, reply: Reply, model: Declared) -> Reading:
        """Bytes, or a text or JSON that holds a picture."""
        if is_picture(reply.body):
            return Reading((Found(reply.body),))
        body: Any = reply.json
        if body is None:
            text = found_in(reply.body.decode("ascii", "replace"))
            # What came in place of a picture is judged where pictures are.
            return Reading((text if text.data or text.url else Found(reply.body),))
        listed = as_list(body) or as_list(as_object(body).get("images")) or [body]
        return Reading(tuple(found_in(each) for each in listed))

    def poll(self, ticket: str, model: Declared) -> Call:
        """There are no tickets; asked all the same, the vendor says so."""
        return Call("GET", f"{model.route}/{ticket}", repeatable=True)

    def cancel(self, ticket: str, model: Declared) -> Call | None:
        """There is no such route."""
        return None
