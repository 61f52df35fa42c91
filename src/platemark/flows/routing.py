"""Routes: which models of an ordered list can honour a request, and which is next when one of them fails.

Only technical failures lead on. A refusal, a request that was rejected and an outcome that nobody knows end the
generation where they happen (promises P2 and P4), and no model is asked for what it cannot do (promise P3).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from platemark.core.attempt import Output
from platemark.core.capability import Checked, check
from platemark.core.errors import (
    EngineCrashed,
    InvalidRequest,
    Misconfigured,
    ModelUnavailable,
    OutcomeUnknown,
    PlatemarkError,
    ProviderError,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnavailable,
    Unsupported,
)
from platemark.core.generation import Generation, Hop, Parameters, Warning
from platemark.core.limits import Limits
from platemark.core.money import Cost
from platemark.core.ports import Platform
from platemark.core.request import GenerationRequest
from platemark.core.updates import Order
from platemark.flows.resolve import model_of, models, named, unknown

_MAX_REASON = 1000
# The model's or its provider's fault, whatever was asked for.
_TECHNICAL = (ProviderError, ModelUnavailable, Misconfigured, Unsupported)
# Another provider would be asked to do what this one refused, or may have done already.
_FINAL = (ProviderRejected, OutcomeUnknown)


@dataclass(frozen=True, slots=True)
class Skipped:
    """A model that cannot honour the request, and why."""

    model: str
    error: InvalidRequest


@dataclass(frozen=True, slots=True)
class Plan:
    """A model that can honour the request, with what it runs with and what that should cost."""

    checked: Checked
    parameters: Parameters
    cost: Cost


@dataclass(frozen=True, slots=True)
class Route:
    """A requested name, checked against everything that it stands for, in order. At least one model can."""

    request: GenerationRequest
    stops: tuple[Checked | Skipped, ...]

    @property
    def wanted(self) -> GenerationRequest:
        """The request without what all of them would drop: what has to be found, screened and kept for any."""
        dropped = set[str].intersection(*(set(stop.dropped) for stop in self.stops if isinstance(stop, Checked)))
        fields = GenerationRequest.model_fields
        return self.request.model_copy(update={name: fields[name].default for name in dropped})


@dataclass(frozen=True, slots=True)
class Planned:
    """A route whose sources are known. The first plan is what runs first; `hops` is empty for a single model."""

    request: GenerationRequest
    stops: tuple[Plan | Skipped, ...]

    @property
    def first(self) -> Plan:
        """The first that can."""
        return next(stop for stop in self.stops if isinstance(stop, Plan))

    @property
    def dearest(self) -> Cost:
        """What has to be reserved so that any of them may run; a cost that is not known counts as most."""
        costs = [stop.cost for stop in self.stops if isinstance(stop, Plan)]
        return max(costs, key=lambda cost: (cost.micro_usd is None, cost.micro_usd or 0))

    @property
    def hops(self) -> tuple[Hop, ...]:
        """The route as it is kept with the generation."""
        return tuple(_hop(stop, self.first) for stop in self.stops) if len(self.stops) > 1 else ()


def find_route(platform: Platform, request: GenerationRequest) -> Route:
    """Check a request against every model that its name stands for.

    Raises InvalidRequest for what no model could mend, and Unsupported when no model of the route can honour it.
    """
    stops = tuple(_stop(platform, request, id) for id in named(platform, request.model))
    _require_one(stops, request)
    return Route(request, stops)


def plan(platform: Platform, route: Route, seed: int, source: tuple[int, int] | None) -> Planned:
    """What each model runs with, and what it costs, once the size of the source is known.

    Raises InvalidRequest when a given size contradicts the source, and Unsupported when no model can.
    """
    stops = tuple(_plan(platform, stop, seed, source) if isinstance(stop, Checked) else stop for stop in route.stops)
    _require_one(stops, route.request)
    return Planned(route.request, stops)


def warnings_of(
    requested: str | None, model: str, own: Iterable[Warning], hops: tuple[Hop, ...]
) -> tuple[Warning, ...]:
    """Everything that is to be said about the choice of a model, then what the model itself cannot do."""
    found = list[Warning]()
    if requested is not None and requested != model:
        kind = "a route" if hops else "an alias"
        found.append(_about_model("model_alias", f"{requested} is {kind}; {model} draws the picture."))
    for hop in hops:
        if hop.state == "skipped":
            found.append(_about_model("model_skipped", f"{hop.model} was not asked ({hop.code}): {hop.reason}"))
        if hop.state == "left":
            found.append(_about_model("model_left", f"{hop.model} was left ({hop.code}): {hop.reason}"))
    return (*found, *own)


def leads_on(generation: Generation, error: PlatemarkError, limits: Limits, *, unusable: bool = False) -> bool:
    """True when an error sends the generation to the next model of its route at once.

    `unusable`: the error is about pictures that came.
    """
    if not any(hop.state == "waiting" for hop in generation.route):
        return False
    if unusable:
        return True
    if not isinstance(error, _TECHNICAL) or isinstance(error, _FINAL):
        return False
    failures = generation.failures + 1
    if isinstance(error, EngineCrashed):
        # A machine of ours: it is started again, and drawing again costs nothing.
        return failures >= limits.max_attempts or generation.crashes + 1 >= limits.max_engine_crashes
    if isinstance(error, ProviderUnavailable) and not isinstance(error, ProviderRateLimited):
        return failures >= min(limits.attempts_before_reroute, limits.max_attempts)
    return True


def flagged(outputs: Iterable[Output]) -> bool:
    """True when the provider refused one of its own pictures: whatever else went wrong, nobody else is asked then."""
    return any(output.flags.get("reason_codes") for output in outputs)


def leave(generation: Generation, error: PlatemarkError, now: datetime) -> dict[str, Any]:
    """The changes of a generation that goes from its chosen model to the next one that waits."""
    left = {"state": "left", "code": error.code, "reason": error.detail[:_MAX_REASON], "left_at": now}
    hops = [hop.model_copy(update=left) if hop.state == "chosen" else hop for hop in generation.route]
    return _choose_first(generation, hops)


def start_again(generation: Generation) -> dict[str, Any]:
    """The changes of a generation that goes back to the first model of its route that can honour the request."""
    fresh = {"state": "waiting", "code": None, "reason": None, "left_at": None}
    hops = [hop if hop.state == "skipped" else hop.model_copy(update=fresh) for hop in generation.route]
    return _choose_first(generation, hops) if generation.route else {}


def _choose_first(generation: Generation, hops: list[Hop]) -> dict[str, Any]:
    number = next(number for number, hop in enumerate(hops) if hop.state == "waiting")
    hop = hops[number] = hops[number].model_copy(update={"state": "chosen"})
    route = tuple(hops)
    return {
        "route": route,
        "model": hop.model,
        "model_revision": hop.revision,
        "parameters": hop.parameters,
        "dropped": hop.dropped,
        "warnings": warnings_of(generation.requested_model, hop.model, hop.warnings, route),
    }


def _stop(platform: Platform, request: GenerationRequest, id: str) -> Checked | Skipped:
    model = model_of(platform, id)
    if model is None:
        return Skipped(id, unknown(platform, id))
    try:
        return check(request, model, models(platform))
    except Unsupported as error:
        return Skipped(id, error)


def _plan(platform: Platform, checked: Checked, seed: int, source: tuple[int, int] | None) -> Plan | Skipped:
    try:
        parameters = checked.parameters(seed, source)
        return Plan(checked, parameters, _estimate(platform, checked, parameters))
    except Unsupported as error:
        return Skipped(checked.model.id, error)


def _estimate(platform: Platform, checked: Checked, parameters: Parameters) -> Cost:
    order = Order(
        model=checked.model.id,
        operation=checked.request.operation,
        prompt=checked.request.prompt,
        negative_prompt=checked.kept.negative_prompt,
        parameters=parameters,
        seeds=(),
        idempotency_key="",
    )
    return platform.providers[checked.model.provider].estimate(order)


def _require_one(stops: tuple[Checked | Plan | Skipped, ...], request: GenerationRequest) -> None:
    """Raise why none of them can: the error of the only one, or those of all together."""
    skipped = [stop for stop in stops if isinstance(stop, Skipped)]
    if len(skipped) < len(stops):
        return
    # A model that is not configured says nothing about the request.
    telling = [stop for stop in skipped if isinstance(stop.error, Unsupported)] or skipped[:1]
    if len(telling) == 1:
        raise telling[0].error
    errors = [error for stop in telling for error in stop.error.errors]
    raise Unsupported(f"No model of {request.model or 'the default'} can honour this request.", errors=errors)


def _hop(stop: Plan | Skipped, first: Plan) -> Hop:
    if isinstance(stop, Skipped):
        if not isinstance(stop.error, Unsupported):
            reason = f"{stop.model} is not configured here."
            return Hop(model=stop.model, state="skipped", code="unknown_model", reason=reason)
        said = " ".join(error.message for error in stop.error.errors) or stop.error.detail
        return Hop(model=stop.model, state="skipped", code=stop.error.code, reason=said[:_MAX_REASON])
    return Hop(
        model=stop.checked.model.id,
        state="chosen" if stop is first else "waiting",
        revision=stop.checked.model.revision,
        parameters=stop.parameters,
        dropped=stop.checked.dropped,
        warnings=stop.checked.warnings,
        estimate=stop.cost,
    )


def _about_model(code: str, message: str) -> Warning:
    return Warning(code=code, field="model", message=message)
