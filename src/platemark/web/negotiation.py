"""What a client asks for in headers: how long to wait, in which form to answer, and under which idempotency key."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from fastapi import Request

from platemark.core.errors import FieldError, InvalidRequest, NotAcceptable
from platemark.core.image import FORMATS, MEDIA_TYPES
from platemark.core.request import GenerationRequest

LONGEST_WAIT_SECONDS = 600
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_WAIT = re.compile(r'wait\s*=\s*"?(\d{1,6})"?')
_QUALITY = re.compile(r"q\s*=\s*([01](?:\.\d{0,3})?)")
_JSON, _HTML = "application/json", "text/html"


def idempotency_key(request: Request) -> str | None:
    """The `Idempotency-Key` header. Raises InvalidRequest unless it is 1 to 255 visible ASCII characters."""
    given = request.headers.getlist("idempotency-key")
    if not given:
        return None
    if len(given) == 1 and _KEY.fullmatch(given[0]):
        return given[0]
    message = "must be one value of 1 to 255 visible ASCII characters, such as a UUID"
    raise InvalidRequest(
        f"Idempotency-Key {message}.",
        errors=[FieldError(pointer="/header/Idempotency-Key", code="wrong_form", message=message)],
    )


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds to hold the call, and what to say about the preference that was followed."""

    seconds: float
    applied: str | None


def patience(request: Request, default: float) -> Patience:
    """From `Prefer: wait=n` and `Prefer: respond-async`; what is not understood is ignored, as RFC 7240 asks."""
    wishes = [wish.strip().lower() for value in request.headers.getlist("prefer") for wish in value.split(",")]
    wait = next((match for wish in wishes if (match := _WAIT.fullmatch(wish))), None)
    if wait is not None:
        seconds = min(int(wait[1]), LONGEST_WAIT_SECONDS)
        return Patience(float(seconds), f"wait={seconds}")
    if "respond-async" in wishes:
        return Patience(0.0, "respond-async")
    return Patience(default, None)


def image_formats(request: Request) -> tuple[str, ...] | None:
    """Output formats that `Accept` allows, best first, when it prefers bytes; None for JSON. Raises NotAcceptable."""
    ranges = _ranges(request.headers.getlist("accept"))
    if not ranges:
        return None
    json, *images = [(_quality(ranges, offer), offer) for offer in (_JSON, *MEDIA_TYPES.values())]
    best = max(quality for quality, _ in images)
    if json[0] > 0 and json[0] >= best:
        return None
    if best == 0:
        raise NotAcceptable(f"Accept allows none of {_JSON}, {', '.join(MEDIA_TYPES.values())}. Ask for one of them.")
    ranked = sorted((offer for offer in images if offer[0] > 0), key=lambda offer: -offer[0])
    return tuple(FORMATS[media_type] for _, media_type in ranked)


def wants_page(request: Request) -> bool:
    """Whether `Accept` prefers a page for people to JSON; what takes anything gets JSON."""
    ranges = _ranges(request.headers.getlist("accept"))
    return _quality(ranges, _HTML) > _quality(ranges, _JSON)


def _ranges(values: Iterable[str]) -> dict[str, float]:
    found = dict[str, float]()
    for entry in ",".join(values).split(","):
        name, *parameters = (part.strip().lower() for part in entry.split(";"))
        qualities = [match[1] for part in parameters if (match := _QUALITY.fullmatch(part))]
        if name:
            found[name] = min(1.0, float(qualities[0])) if qualities else 1.0
    return found


def _quality(ranges: dict[str, float], offer: str) -> float:
    family = offer.partition("/")[0]
    return next((ranges[name] for name in (offer, f"{family}/*", "*/*") if name in ranges), 0.0)


def for_bytes(order: GenerationRequest, formats: tuple[str, ...]) -> GenerationRequest:
    """The request, changed so that its answer can be the bytes of one image. Raises NotAcceptable."""
    if order.n != 1:
        raise NotAcceptable("Accept asks for the bytes of an image, but n is not 1. Ask for application/json.")
    if "output_format" not in order.model_fields_set:
        return order.model_copy(update={"output_format": formats[0]})
    if order.output_format not in formats:
        raise NotAcceptable(
            f"output_format is {order.output_format}, which Accept does not allow. Change one of the two."
        )
    return order
