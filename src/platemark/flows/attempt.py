"""Attempts: written before they are sent, settled after a crash, closed with what came of them (promise P2)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from platemark.core.attempt import ATTEMPT_OPEN, Attempt, AttemptState, Output
from platemark.core.errors import (
    Blocked,
    EngineCrashed,
    GenerationCanceled,
    GenerationExpired,
    OutcomeUnknown,
    PlatemarkError,
    ProviderRateLimited,
)
from platemark.core.generation import REVISED, Generation, PromptText
from platemark.core.money import Cost, Usage
from platemark.core.ports import Platform, Provider, Transaction
from platemark.core.problem import document
from platemark.core.updates import Answered, Withheld
from platemark.flows.end import End, end, ended
from platemark.flows.note import tell
from platemark.flows.refusals import refusals
from platemark.flows.routing import flagged, leads_on, leave
from platemark.telemetry import ATTEMPTS, REROUTES, logger

log = logger(__name__)
FREE = Cost(status="settled", micro_usd=0, basis="nothing was sent")


@dataclass(frozen=True, slots=True)
class Made:
    """What a call brought, still at hand: whoever goes on at once reads none of it again."""

    generation: Generation
    outputs: tuple[Output, ...]
    # By the output's id.
    pictures: Mapping[str, bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where a generation stands: pictures to develop, ended, or to be tried again after `delay` seconds."""

    kind: Literal["made", "ended", "retry"]
    delay: float = 0.0
    made: Made | None = None


class Superseded(Exception):
    """The attempt was settled by another worker while this one was still at it."""


@dataclass
class Gathered:
    """What came in during one call."""

    outputs: list[Output] = field(default_factory=list[Output])
    # By the output's id.
    pictures: dict[str, bytes] = field(default_factory=dict[str, bytes], repr=False)
    withheld: list[Withheld] = field(default_factory=list[Withheld])
    # By the picture's index.
    revised: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    cost: Cost | None = None
    answer: Answered | None = None


async def latest(platform: Platform, generation: Generation) -> Attempt | None:
    """The newest attempt of a generation."""
    async with platform.store.reading() as read:
        attempts = await read.all(Attempt, generation=generation.id, order_by="number")
    return attempts[-1] if attempts else None


async def open_attempt(platform: Platform, generation: Generation, provider: Provider) -> Attempt:
    """The attempt to go on with: one that already succeeded, one that is resumed by its ticket, or a new one.

    Raises OutcomeUnknown when a call was interrupted that may have cost money and cannot be asked about.
    """
    async with platform.store.reading() as read:
        attempts = await read.all(Attempt, generation=generation.id, order_by="number")
    last = attempts[-1] if attempts else None
    if last is not None and _may_go_on(last, generation):
        return last
    if last is not None and last.state in ATTEMPT_OPEN:
        await _settle_interrupted(platform, last, provider)
    # Calls that were cut off, not those that were answered: a limit may be waited for more often than that.
    cut_off = sum(each.state in ATTEMPT_OPEN or _was_unknown(each) for each in attempts)
    if cut_off >= platform.limits.max_interruptions:
        raise OutcomeUnknown(f"The work was interrupted {cut_off} times. Look at the server's log before retrying.")
    async with platform.store.transaction() as tx:
        return await new_attempt(platform, tx, generation, provider.name, last.number + 1 if last else 1)


async def new_attempt(
    platform: Platform, tx: Transaction, generation: Generation, provider: str, number: int
) -> Attempt:
    """Write down that it will be asked."""
    attempt = Attempt(
        id=platform.ids.new("att"),
        project=generation.project,
        generation=generation.id,
        number=number,
        provider=provider,
        model=generation.model,
        state="prepared",
        created_at=platform.clock.now(),
    )
    await tx.add(attempt)
    await tell(
        platform,
        tx,
        "attempt.opened",
        generation,
        attempt=attempt.id,
        number=number,
        provider=provider,
        model=attempt.model,
    )
    return attempt


def _may_go_on(attempt: Attempt, generation: Generation) -> bool:
    """True when pictures came or can be asked after; those of another model of the route were left with it."""
    made = attempt.state in ("succeeded", "partial")
    return (made or _has_ticket(attempt)) and not _of_another(attempt, generation)


def _of_another(attempt: Attempt, generation: Generation) -> bool:
    """True when it asked a model that the generation has left."""
    return attempt.model not in (None, generation.model)


def outstanding(attempt: Attempt | None, generation: Generation) -> bool:
    """True while the generation's model may still be at work on it, or may have been paid for it."""
    if attempt is None or _of_another(attempt, generation):
        return False
    return attempt.state == "sent" or _has_ticket(attempt)


def _has_ticket(attempt: Attempt) -> bool:
    """True when the provider can still be asked what became of it; also of one that was given up as unknown."""
    return attempt.ticket is not None and attempt.state in ("accepted", "unknown")


def _was_unknown(attempt: Attempt) -> bool:
    return attempt.error is not None and attempt.error.get("code") == OutcomeUnknown.code


async def _settle_interrupted(platform: Platform, attempt: Attempt, provider: Provider) -> None:
    """A crash left this attempt open without a ticket: say so, and let it be repeated only where a repeat is free."""
    never_sent = attempt.state == "prepared"
    error = OutcomeUnknown(
        "The server stopped before this call was sent."
        if never_sent
        else "The server stopped during this call, and the provider gave no ticket to ask about it."
    )
    cost = FREE if never_sent or provider.free_repeat else None
    await close(platform, attempt, "failed" if never_sent else "unknown", error=error, gathered=Gathered(cost=cost))
    if not never_sent and not provider.repeats_unknown:
        raise error


async def sent(platform: Platform, attempt: Attempt) -> Attempt:
    """Mark it as sent, before it is."""
    if attempt.state != "prepared":
        return attempt
    async with platform.store.transaction() as tx:
        return await tx.change(attempt, state="sent", sent_at=platform.clock.now())


async def close(
    platform: Platform,
    attempt: Attempt,
    state: AttemptState,
    *,
    gathered: Gathered,
    error: PlatemarkError | None = None,
) -> Attempt:
    """Close in its own transaction. Raises Superseded when another worker has closed it."""
    async with platform.store.transaction() as tx:
        current = await tx.get(Attempt, attempt.id)
        if current.state not in ATTEMPT_OPEN and not _has_ticket(current):
            raise Superseded(attempt.id)
        return await _close(platform, tx, current, state, gathered, error)


async def _close(
    platform: Platform,
    tx: Transaction,
    attempt: Attempt,
    state: AttemptState,
    gathered: Gathered,
    error: PlatemarkError | None,
) -> Attempt:
    now, answer, cost = platform.clock.now(), gathered.answer, gathered.cost
    unsaid = Cost(status="unknown", micro_usd=None, basis="the provider did not say")
    cost = cost or (FREE if attempt.state == "prepared" else unsaid)
    generation = await tx.get(Generation, attempt.generation)
    # First, because they say in our words why a provider refused; the error that is kept says the same.
    refused = tuple(refusals(platform, generation, attempt, error, gathered.withheld))
    changes: dict[str, Any] = {
        "state": state,
        "finished_at": now,
        "error": None if error is None else document(error),
        "cost_status": cost.status,
        "cost_micro_usd": cost.micro_usd,
        "cost_basis": cost.basis,
    }
    if answer is not None:
        changes |= {"response": answer.response, "provider_request_id": answer.request_id}
    attempt = await tx.change(attempt, **changes)
    await tx.add(
        Usage(
            id=platform.ids.new("use"),
            project=attempt.project,
            generation=attempt.generation,
            attempt=attempt.id,
            cost_status=cost.status,
            micro_usd=cost.micro_usd,
            basis=cost.basis,
            created_at=now,
        ),
        *gathered.outputs,
    )
    if answer is not None and answer.model_revision not in (None, generation.model_revision):
        generation = await tx.change(generation, model_revision=answer.model_revision)
    if gathered.revised:
        await _keep_revised(tx, generation, gathered.revised)
    await tx.add(*refused)
    await tell(
        platform,
        tx,
        "attempt.ended",
        generation,
        attempt=attempt.id,
        state=state,
        code=None if error is None else error.code,
        cost_status=cost.status,
        micro_usd=cost.micro_usd,
    )
    ATTEMPTS.labels(attempt.provider, state).inc()
    return attempt


async def _keep_revised(tx: Transaction, generation: Generation, revised: dict[str, str]) -> None:
    """Beside the prompt, so that it is erased with it."""
    text = await tx.get(PromptText, generation.text)
    if text.body is not None:
        await tx.change(text, body={**text.body, REVISED: revised})


async def after_failure(
    platform: Platform, generation_id: str, error: PlatemarkError, gathered: Gathered, *, unusable: bool = False
) -> Outcome:
    """Close the attempt and decide: the next model of the route, try again later, or end. One transaction.

    `unusable`: the error is about the pictures that came, of which none was refused.
    """
    async with platform.store.transaction() as tx:
        generation = await tx.get(Generation, generation_id)
        attempts = await tx.all(Attempt, generation=generation.id, order_by="number")
        last, state = (attempts[-1] if attempts else None), _attempt_state(error)
        if last is not None and (last.state in ATTEMPT_OPEN or (_has_ticket(last) and state != "unknown")):
            attempts[-1] = await _close(platform, tx, last, state, gathered, error)
            generation = await tx.get(Generation, generation_id)
        if generation.done:
            return Outcome("ended")
        leads = leads_on(generation, error, platform.limits, unusable=unusable)
        leaving = leads and not flagged(gathered.outputs)
        delay = 0.0 if leaving else _delay(platform, generation, error)
        if delay is not None and generation.cancel_requested_at is not None:
            error = GenerationCanceled("The caller canceled this generation.")
        elif leaving:
            return await _elsewhere(platform, tx, generation, error, attempts)
        elif delay is not None:
            return await _again(platform, tx, generation, error, delay)
        spent = _costs(total_cost(attempts))
        generation = await end(
            platform, tx, generation, _end_of(error), error=error, needs_attention=error.retryable, **spent
        )
    ended(platform, generation)
    return Outcome("ended")


def _attempt_state(error: PlatemarkError) -> AttemptState:
    match error:
        case Blocked():
            return "refused"
        case GenerationCanceled():
            return "canceled"
        case OutcomeUnknown():
            return "unknown"
        case _:
            return "failed"


def _end_of(error: PlatemarkError) -> End:
    match error:
        case Blocked():
            return "blocked"
        case GenerationCanceled():
            return "canceled"
        case GenerationExpired():
            return "expired"
        case _:
            return "failed"


def _delay(platform: Platform, generation: Generation, error: PlatemarkError) -> float | None:
    """Seconds until the next try: full jitter under a doubling cap, above what the provider asked. None: give up."""
    limits = platform.limits
    if not error.retryable or isinstance(error, OutcomeUnknown | GenerationExpired):
        return None
    if isinstance(error, EngineCrashed) and generation.crashes + 1 >= limits.max_engine_crashes:
        return None
    if not isinstance(error, ProviderRateLimited) and generation.failures + 1 >= limits.max_attempts:
        return None
    ceiling = min(limits.retry_cap_seconds, limits.retry_base_seconds * 2 ** min(generation.runs, 16))
    delay = (error.retry_after or 0.0) + platform.ids.fraction() * ceiling
    left = (generation.start_by - platform.clock.now()).total_seconds()
    return delay if delay < left else None


async def _again(
    platform: Platform, tx: Transaction, generation: Generation, error: PlatemarkError, delay: float
) -> Outcome:
    limited = isinstance(error, ProviderRateLimited)
    await tx.change(
        generation,
        status="queued",
        runs=generation.runs + 1,
        retry_at=platform.clock.now() + timedelta(seconds=delay),
        failures=generation.failures + (not limited),
        crashes=generation.crashes + isinstance(error, EngineCrashed),
    )
    await tell(
        platform, tx, "generation.delayed", generation, status="queued", code=error.code, seconds=round(delay, 3)
    )
    return Outcome("retry", delay)


async def _elsewhere(
    platform: Platform, tx: Transaction, generation: Generation, error: PlatemarkError, attempts: list[Attempt]
) -> Outcome:
    """On to the next model of the route, at once, with counts of its own."""
    changes = leave(generation, error, platform.clock.now())
    hop = next(hop for hop in changes["route"] if hop.state == "chosen")
    costs = _costs(_with_estimate(total_cost(attempts), hop.estimate))
    moved = await tx.change(
        generation,
        status="queued",
        runs=generation.runs + 1,
        failures=0,
        crashes=0,
        retry_at=None,
        **changes,
        **costs,
    )
    await tell(
        platform,
        tx,
        "generation.rerouted",
        moved,
        status="queued",
        left=generation.model,
        model=moved.model,
        code=error.code,
    )
    REROUTES.labels(generation.model, error.code).inc()
    return Outcome("retry")


def _with_estimate(spent: Cost, estimate: Cost | None) -> Cost:
    """What it will have cost, as far as that can be told now."""
    if estimate is None or spent.micro_usd is None or estimate.micro_usd is None:
        unknown = spent if spent.micro_usd is None else estimate
        return Cost(status="unknown", micro_usd=None, basis=unknown.basis if unknown else "no estimate")
    basis = "; ".join(dict.fromkeys((spent.basis, estimate.basis)))
    return Cost(status="estimated", micro_usd=spent.micro_usd + estimate.micro_usd, basis=basis)


def _costs(cost: Cost) -> dict[str, Any]:
    return {"cost_status": cost.status, "cost_micro_usd": cost.micro_usd, "cost_basis": cost.basis}


def total_cost(attempts: list[Attempt]) -> Cost:
    """What all attempts cost together. One unknown makes the sum unknown: it is never a silent zero (promise P7)."""
    if not attempts:
        return FREE
    unknown = [attempt for attempt in attempts if attempt.cost_status == "unknown"]
    if unknown:
        return Cost(
            status="unknown", micro_usd=None, basis=f"{len(unknown)} of {len(attempts)} attempts have an unknown cost"
        )
    basis = "; ".join(dict.fromkeys(attempt.cost_basis for attempt in attempts))
    # A price list is no bill: one estimate makes the sum an estimate.
    status = "estimated" if any(attempt.cost_status == "estimated" for attempt in attempts) else "settled"
    return Cost(status=status, micro_usd=sum(attempt.cost_micro_usd or 0 for attempt in attempts), basis=basis)
