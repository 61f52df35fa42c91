"""One real request to a provider, the smallest there is, bounded in what it may cost: what came of it, and as what."""

import json
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, cast

from platemark.core.base import JsonObject
from platemark.core.errors import InvalidRequest, PlatemarkError
from platemark.core.money import Cost
from platemark.core.readiness import Trial
from platemark.core.updates import Answered, Charged, Order, Picture, Update
from platemark.providers.catalogue import Declared, header_of
from platemark.providers.http import Reply
from platemark.providers.readiness import smallest_order
from platemark.providers.remote import Remote
from platemark.providers.vendor import Reading, Vendor


@dataclass(frozen=True, slots=True)
class Tried:
    """A trial with what came: the answer as it is kept, and the picture."""

    trial: Trial
    response: JsonObject
    picture: Picture | None = field(repr=False)


class _Watched:
    """A vendor that remembers what its answers were read as: a seed that was not echoed shows only there."""

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor
        self.readings: list[Reading] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._vendor, name)

    def read(self, reply: Reply, model: Declared) -> Reading:
        reading = self._vendor.read(reply, model)
        self.readings.append(reading)
        return reading


def choose(provider: Remote, max_micro_usd: int, model: str | None = None) -> Order:
    """The cheapest of the smallest requests, or that to `model`, whose price is known and not above the limit.

    Raises InvalidRequest where there is none; nothing is sent.
    """
    known = provider.vendor.models
    if model is not None and model not in known:
        raise InvalidRequest(f"{provider.name} has no model {model}. There are: {', '.join(sorted(known))}.")
    orders = [order for name in sorted(known) if model in (None, name) and (order := smallest_order(known[name]))]
    if not orders:
        who = model or provider.name
        raise InvalidRequest(f"{who} draws nothing from a text alone, so there is no smallest request to send.")
    priced = [(cost, order) for order in orders if (cost := price_of(provider, order)) is not None]
    if not priced:
        names = ", ".join(order.model for order in orders)
        raise InvalidRequest(f"Nothing was sent: the price is unknown of {names}, so no limit can be kept.")
    cost, order = min(priced, key=lambda pair: pair[0])
    if cost > max_micro_usd:
        raise InvalidRequest(
            f"Nothing was sent: the cheapest request, to {order.model}, costs {_usd(cost)} USD, and the limit is "
            f"{_usd(max_micro_usd)} USD. Raise --max-cost."
        )
    return order


def price_of(provider: Remote, order: Order) -> int | None:
    """Micro-USD by the declaration; 0 where a repeat is free; None where no price is known."""
    return 0 if provider.free_repeat else provider.estimate(order).micro_usd


async def attempt(provider: Remote, order: Order) -> Tried:
    """Send the order once, and tell what came. An error of the provider is an outcome here, and is not raised.

    Raises Misconfigured when there is no key.
    """
    await provider.check()
    watched = _Watched(provider.vendor)
    watching = replace(provider, vendor=cast(Vendor, watched))
    start = provider.clock.monotonic()
    updates, words = await _asked(watching, order)
    seconds = provider.clock.monotonic() - start
    answered = next((each for each in updates if isinstance(each, Answered)), Answered({}))
    picture = next((each for each in updates if isinstance(each, Picture)), None)
    cost = next((each.cost for each in updates if isinstance(each, Charged)), _UNTOLD)
    header = header_of(picture.data, picture.media_type) if picture else None
    trial = Trial(
        model=order.model,
        outcome=str(answered.response.get("outcome", "unknown")),
        words=words,
        status=answered.response.get("status"),
        seconds=round(seconds, 3),
        media_type=picture.media_type if picture else None,
        width=header.width if header else None,
        height=header.height if header else None,
        bytes=len(picture.data) if picture else None,
        seed_sent=order.seeds[0],
        seed_echoed=_echoed(watched.readings),
        request_id=answered.request_id,
        model_revision=answered.model_revision,
        flags=picture.flags if picture else {},
        cost=cost,
    )
    return Tried(trial, answered.response, picture)


def response_bytes(tried: Tried) -> bytes:
    """The kept answer as a JSON document."""
    return (json.dumps(tried.response, indent=2, ensure_ascii=False, default=str) + "\n").encode()


_UNTOLD = Cost(status="unknown", micro_usd=None, basis="nothing was said of it")


async def _asked(provider: Remote, order: Order) -> tuple[list[Update], tuple[str, ...]]:
    found = list[Update]()
    try:
        async with aclosing(provider.generate(order)) as updates:
            async for update in updates:
                found.append(update)
    except PlatemarkError as error:
        return found, (error.detail,)
    return found, ()


def _echoed(readings: Sequence[Reading]) -> int | None:
    return next((found.seed for each in readings for found in each.found if found.seed is not None), None)


def _usd(micro: int) -> str:
    return f"{micro / 1_000_000:.6f}".rstrip("0").rstrip(".")
