"""The readiness report of a vendor, from what its adapter declares: nothing is sent, and no key is needed."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

from platemark.core.errors import BlockedByProvider, Unsupported
from platemark.core.generation import Parameters
from platemark.core.ports import Provider
from platemark.core.readiness import (
    Range,
    ReadinessResource,
    ReadyAuthentication,
    ReadyLimits,
    ReadyMetadata,
    ReadyModel,
    ReadyRepeats,
    ReadyRequest,
    ReadyResponse,
    ReadySign,
)
from platemark.core.resource import PriceResource
from platemark.core.updates import Order
from platemark.providers.catalogue import Declared, check
from platemark.providers.http import Call
from platemark.providers.outcomes import Row
from platemark.providers.vendor import About, Asked, Vendor

PROMPT = "a red house in a green meadow"
SEED = 12345
_SIDE, _STEPS = 256, 4
_TAKEN = "raw bytes, base64, data URI, hex, or a URL that is fetched at once; sniffed and measured before it is used"
_KEPT = "status, headers, body with pictures by their hash, and what was sent for our words; never a key"
_ROTATION = "any number, by reference (env:, file:, exec:), tried in turn; one that is refused goes to the end"
_BLOCKS = ("prompt_blocked", "output_blocked")
# No key looks like this, so it is found wherever an adapter puts it.
_PROBE = "platemark-probe-key"


def report(vendor: Vendor, *, base_url: str | None = None) -> ReadinessResource:
    """What `vendor` declares. Models by name."""
    about = about_of(vendor)
    declared = sorted(vendor.models.values(), key=lambda each: each.model)
    return ReadinessResource(
        id=vendor.name,
        base_url=base_url or None,
        models=tuple(_model(each) for each in declared),
        request=next(filter(None, (_request(vendor, each) for each in declared)), None),
        response=_response(vendor, declared, about),
        safety=tuple(_signs(vendor, declared)),
        limits=_limits(vendor),
        metadata=_metadata(vendor, declared),
        authentication=_authentication(vendor, about),
        repeats=_repeats(vendor),
        not_verified=tuple(_not_verified(vendor, declared, about)),
    )


def own_report(provider: Provider) -> ReadinessResource:
    """That of a provider without a vendor, such as the engine of this machine: nothing leaves it, nothing is paid."""
    declared = [
        Declared(each.id, each.revision or each.id, each.capabilities, None, each.licence, description=each.description)
        for each in sorted(provider.models.values(), key=lambda each: each.id)
    ]
    return ReadinessResource(
        id=provider.name,
        base_url=None,
        models=tuple(_model(each) for each in declared),
        request=None,
        response=ReadyResponse(delivers="raw bytes", taken=_TAKEN, formats=("png",), cancels=True, result_seconds=None),
        safety=(),
        limits=ReadyLimits(calls=None, seconds=None, concurrency=provider.concurrency, retry_after=None),
        metadata=ReadyMetadata(seeded=_seeded(declared), request_id_headers=(), safety_flags=False, kept=_KEPT),
        authentication=ReadyAuthentication(
            needed=False, place=None, name=None, scheme=None, scopes=None, rotation="none is needed"
        ),
        repeats=ReadyRepeats(
            free=provider.free_repeat, replays_keys=False, on_unknown="retry" if provider.repeats_unknown else "fail"
        ),
        not_verified=(),
    )


def about_of(vendor: Vendor) -> About:
    """What the vendor says in words; nothing where it has no `about`."""
    found = getattr(vendor, "about", None)
    return found if isinstance(found, About) else About()


def smallest_order(model: Declared) -> Order | None:
    """A small request by a text alone: 256 pixels a side and 4 steps, or what of that is nearest to them and allowed.

    Less would say little: a picture of one step is noise. None where the model draws from sources only.
    """
    if "text_to_image" not in model.capabilities.operations or model.min_controls:
        return None
    sizes = [*_small_sizes(model), (model.capabilities.default_width, model.capabilities.default_height)]
    return next((order for order in (_order(model, size) for size in sizes) if _fits(order, model)), None)


def _small_sizes(model: Declared) -> Iterator[tuple[int, int]]:
    if model.sizes:
        yield min(model.sizes, key=lambda size: size[0] * size[1])
    elif not model.aspect_ratios:
        multiple = model.capabilities.size_multiple
        side = -(-max(model.capabilities.min_size, _SIDE) // multiple) * multiple
        yield side, side


def _order(model: Declared, size: tuple[int, int], n: int = 1) -> Order:
    can = model.capabilities
    least, most = model.seeds
    seed = min(max(SEED, least), most - n + 1)
    parameters = Parameters(
        width=size[0],
        height=size[1],
        steps=_few_steps(model),
        cfg_scale=can.default_cfg_scale,
        seed=seed,
        n=n,
    )
    seeds = tuple(seed + index for index in range(n))
    return Order(model.model, "text_to_image", PROMPT, None, parameters, seeds, "att_readiness")


def _few_steps(model: Declared) -> int:
    least = model.steps[0] if model.steps else 1
    return min(model.capabilities.default_steps, max(least, _STEPS))


def _fits(order: Order, model: Declared) -> bool:
    try:
        check(order, model)
    except Unsupported:
        return False
    return True


def _model(model: Declared) -> ReadyModel:
    can = model.capabilities
    same = ("model", "route", "description", "licence")
    id, route, description, licence = (getattr(model, name) for name in same)
    return ReadyModel(
        id=id,
        route=route,
        description=description,
        licence=licence,
        operations=tuple(sorted(can.operations)),
        sizes=model.sizes,
        aspect_ratios=model.aspect_ratios,
        min_size=can.min_size,
        max_size=can.max_size,
        size_multiple=can.size_multiple,
        default_size=(can.default_width, can.default_height),
        steps=_range(model.steps, 1, can.max_steps),
        cfg_scale=_range(model.cfg, 0, can.max_cfg_scale),
        strength=model.strength,
        seeds=model.seeds if can.seed else None,
        negative_prompt=can.negative_prompt,
        controls=can.controls,
        loras=can.loras,
        any_lora=can.any_lora,
        max_count=can.max_count,
        schedulers=can.schedulers,
        formats=model.formats,
        price=_price(model),
        result_seconds=model.result_seconds,
        not_verified=model.not_verified,
    )


def _range(declared: tuple[float, float] | None, least: float, most: float) -> Range | None:
    """What is declared, within what capabilities allow; null where they allow nothing."""
    if not most:
        return None
    low, high = declared or (least, most)
    return (low, min(high, most))


def _price(model: Declared) -> PriceResource | None:
    price = model.price
    if price is None:
        return None
    return PriceResource(usd=price.usd, per=price.per, source=price.source, as_of=price.as_of, verified=price.verified)


def _request(vendor: Vendor, model: Declared) -> ReadyRequest | None:
    order = smallest_order(model)
    if order is None:
        return None
    (asked, *_), two = vendor.ask(order, model), _asked_for_two(vendor, order, model)
    call = asked.call
    return ReadyRequest(
        model=model.model,
        method=call.method,
        path=call.path,
        body=_body(call),
        accept=call.headers.get("accept"),
        fields={name: value for name, value in asked.chosen.items() if value != call.path},
        calls_for_two=len(two),
    )


def _asked_for_two(vendor: Vendor, order: Order, model: Declared) -> Sequence[Asked]:
    size = (order.parameters.width, order.parameters.height)
    return vendor.ask(_order(model, size, min(2, model.capabilities.max_count)), model)


def _body(call: Call) -> str:
    if call.json is not None:
        return "JSON"
    if call.form is not None or call.files:
        return "multipart form"
    return "bytes" if call.content is not None else "none"


def _response(vendor: Vendor, models: Sequence[Declared], about: About) -> ReadyResponse:
    lifetimes = [each.result_seconds for each in models if each.result_seconds is not None]
    return ReadyResponse(
        delivers=about.delivers,
        taken=_TAKEN,
        formats=tuple(sorted({name for each in models for name in each.formats})),
        cancels=_cancels(vendor, models[0]) if models else None,
        result_seconds=min(lifetimes, default=None),
    )


def _cancels(vendor: Vendor, model: Declared) -> bool | None:
    """Whether there is such a call; None where tickets are of a kind that cannot be made up."""
    with suppress(Exception):
        return vendor.cancel("ticket", model) is not None
    return None


def _signs(vendor: Vendor, models: Sequence[Declared]) -> Iterator[ReadySign]:
    """The rows that say that something was blocked, and what is told from the picture itself."""
    for row in vendor.table:
        if row.outcome in _BLOCKS:
            yield ReadySign(outcome=row.outcome, shows=row_in_words(row), error=BlockedByProvider.code)
    if blank := [each.model for each in models if each.blank_means_blocked]:
        shows = "a black or single-coloured picture" + ("" if len(blank) == len(models) else f" ({', '.join(blank)})")
        yield ReadySign(outcome="output_blocked", shows=shows, error=BlockedByProvider.code)


def row_in_words(row: Row) -> str:
    """What an answer has when this row fits it."""
    parts = [f"HTTP {' or '.join(map(str, row.status))}"] if row.status else []
    parts += [f"header `{name}` has `{pattern}`" for name, pattern in (row.header or {}).items()]
    parts += [f"{f'`{path}`' if path else 'the body'} has `{pattern}`" for path, pattern in (row.body or {}).items()]
    return ", ".join(parts) or "every answer"


def _limits(vendor: Vendor) -> ReadyLimits:
    rate = vendor.rate
    waits = [row.retry_after for row in vendor.table if row.outcome == "rate_limited" and row.retry_after is not None]
    return ReadyLimits(
        calls=rate.calls, seconds=rate.seconds, concurrency=rate.concurrency, retry_after=max(waits, default=None)
    )


def _metadata(vendor: Vendor, models: Sequence[Declared]) -> ReadyMetadata:
    return ReadyMetadata(
        seeded=_seeded(models),
        request_id_headers=tuple(vendor.request_id_headers),
        safety_flags=any(row.outcome in _BLOCKS for row in vendor.table),
        kept=_KEPT,
    )


def _seeded(models: Sequence[Declared]) -> tuple[str, ...]:
    return tuple(each.model for each in models if each.capabilities.seed)


def _authentication(vendor: Vendor, about: About) -> ReadyAuthentication:
    place, name, scheme = next(_key_places(vendor), (None, None, None))
    return ReadyAuthentication(
        needed=vendor.needs_key, place=place, name=name, scheme=scheme, scopes=about.scopes, rotation=_ROTATION
    )


def _key_places(vendor: Vendor) -> Iterator[tuple[str, str | None, str | None]]:
    """Where a key turns up in each kind of call, found by putting one in."""
    for call in (Call("POST", "/", json={}), Call("POST", "/", form={}), Call("GET", "/")):
        # An adapter may want a body of its own kind.
        with suppress(Exception):
            yield from _found_key(vendor.authorise(call, _PROBE))


def _found_key(call: Call) -> Iterator[tuple[str, str | None, str | None]]:
    body: Mapping[str, Any] = call.json or call.form or {}
    for place, values in (("header", call.headers), ("query", call.query), ("body", body)):
        for name, value in values.items():
            if isinstance(value, str) and _PROBE in value:
                yield place, name, value.partition(_PROBE)[0].strip() or None
            elif place == "header" and str(value).startswith("Basic "):
                yield place, name, "Basic"
    if _PROBE in unquote(call.path):
        yield "path", None, None


def _repeats(vendor: Vendor) -> ReadyRepeats:
    again = vendor.free_repeat or vendor.replays_keys
    return ReadyRepeats(
        free=vendor.free_repeat, replays_keys=vendor.replays_keys, on_unknown="retry" if again else "fail"
    )


def _not_verified(vendor: Vendor, models: Sequence[Declared], about: About) -> Iterator[str]:
    """What no source confirms, and what nobody has said."""
    yield from about.not_verified
    yield from dict.fromkeys(text for each in models for text in each.not_verified)
    if not any(row.outcome in _BLOCKS for row in vendor.table) and not any(each.blank_means_blocked for each in models):
        yield "how a block shows: no answer is known that says so"
    if unknown := [each.model for each in models if each.price is None and not vendor.free_repeat]:
        yield f"the price of {', '.join(unknown)}"
    if vendor.needs_key and about.scopes is None:
        yield "what keys can be limited to"
