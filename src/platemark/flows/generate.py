"""Generate: the story of one accepted request.

`call` asks the provider; `finish` makes what came into accountable images. Both are idempotent: run again after a crash
they go on where the rows say. Whatever leads back here is bounded by `Limits`; `jobs` only orders, waits and repeats.
"""

from contextlib import aclosing, suppress

import anyio

from platemark.core.attempt import Attempt, Output
from platemark.core.errors import (
    GenerationCanceled,
    GenerationExpired,
    InvalidImage,
    ModelUnavailable,
    OutcomeUnknown,
    PlatemarkError,
    ProviderError,
    ProviderTimedOut,
    TooLarge,
    Unsupported,
)
from platemark.core.generation import Generation, Warning
from platemark.core.ports import Platform, Provider
from platemark.core.request import MAX_PROMPT
from platemark.core.updates import Accepted, Answered, Charged, Order, Picture, Preview, Progress, Update, Withheld
from platemark.flows import originals
from platemark.flows.attempt import (
    Gathered,
    Made,
    Outcome,
    Superseded,
    after_failure,
    close,
    latest,
    new_attempt,
    open_attempt,
    outstanding,
    sent,
    total_cost,
)
from platemark.flows.develop import Developed, develop
from platemark.flows.end import end, ended
from platemark.flows.live import Live
from platemark.flows.note import tell
from platemark.flows.order import order_of
from platemark.flows.resolve import provider_of
from platemark.flows.routing import flagged
from platemark.telemetry import QUEUE_SECONDS, RUNNING, logger, span

log = logger(__name__)
_CANCEL_POLL_SECONDS = 0.5
_CANCEL_SECONDS = 10.0


async def call(platform: Platform, generation_id: str) -> Outcome:
    """Ask the provider once, or resume what was asked before. What went wrong is in the outcome, not raised."""
    gathered = Gathered()
    try:
        generation, attempt = await begin(platform, generation_id)
        if generation.done:
            return Outcome("ended")
        provider = await _provider(platform, generation)
        attempt = attempt or await open_attempt(platform, generation, provider)
        if attempt.state in ("succeeded", "partial"):
            return Outcome("made")
        with span("provider.generate", generation=generation.id, provider=provider.name):
            await _draw(platform, generation, attempt, provider, gathered)
    except Superseded:
        # This worker was taken for dead; whoever adopted the work has the say.
        return Outcome("ended")
    except Exception as error:
        return await after_failure(platform, generation_id, _as_ours(error, generation_id), gathered)
    outputs = sorted(gathered.outputs, key=lambda output: output.index)
    return Outcome("made", made=Made(generation, tuple(outputs), gathered.pictures))


async def finish(platform: Platform, generation_id: str, made: Made | None = None) -> Outcome:
    """Develop every output, then write images, signals, verdicts, cost and event in one transaction.

    `made`: what `call` brought just now; without it everything is read.
    """
    generation = made.generation if made else await _as_it_is(platform, generation_id)
    if generation.done:
        await originals.clear(platform, generation)
        return Outcome("ended")
    outputs, pictures = (made.outputs, made.pictures) if made else ((), dict[str, bytes]())
    try:
        outputs = outputs or await _outputs(platform, await latest(platform, generation))
        with span("develop", generation=generation.id, images=len(outputs)):
            developed = [await develop(platform, generation, each, pictures.get(each.id)) for each in outputs]
        generation = await _conclude(platform, generation, developed)
    except Exception as error:
        unusable = isinstance(error, InvalidImage | TooLarge) and not flagged(outputs)
        ours = _as_ours(error, generation_id)
        return await after_failure(platform, generation_id, ours, Gathered(), unusable=unusable)
    ended(platform, generation)
    await originals.clear(platform, generation)
    return Outcome("ended")


async def _as_it_is(platform: Platform, generation_id: str) -> Generation:
    async with platform.store.reading() as read:
        return await read.get(Generation, generation_id)


async def _provider(platform: Platform, generation: Generation) -> Provider:
    """The provider of its model, which could do this when it was accepted: nothing is sent that it does not take."""
    try:
        provider = _able(platform, generation)
    except (ModelUnavailable, Unsupported) as error:
        if outstanding(await latest(platform, generation), generation):
            raise OutcomeUnknown(f"It was asked of {generation.model} already. {error.detail}") from error
        raise
    return provider


def _able(platform: Platform, generation: Generation) -> Provider:
    """Raises ModelUnavailable, Unsupported."""
    provider, model = provider_of(platform, generation.model)
    if generation.operation not in model.capabilities.operations:
        raise Unsupported(f"{model.id} does no {generation.operation} any more. Send the request to another model.")
    return provider


async def begin(platform: Platform, generation_id: str) -> tuple[Generation, Attempt | None]:
    """queued → running, at the first time with the first attempt in the same breath.

    A generation that was canceled meanwhile, or comes too late, ends here.
    """
    attempt = None
    async with platform.store.transaction() as tx:
        generation = await tx.get(Generation, generation_id)
        if generation.done or generation.status == "running":
            return generation, None
        now = platform.clock.now()
        if generation.cancel_requested_at is not None:
            raise GenerationCanceled("The caller canceled this generation.")
        if now > generation.start_by:
            raise GenerationExpired(
                f"It was not started by {generation.start_by:%Y-%m-%d %H:%M} UTC. Send it again if it is still wanted."
            )
        first = generation.started_at is None
        generation = await tx.change(
            generation, status="running", started_at=generation.started_at or now, retry_at=None
        )
        await tell(platform, tx, "generation.started", generation, status="running", model=generation.model)
        if first:
            # What stands in the way is for those who come next: this transaction is to last.
            with suppress(ModelUnavailable, Unsupported):
                attempt = await new_attempt(platform, tx, generation, _able(platform, generation).name, 1)
    if first:
        QUEUE_SECONDS.labels(generation.lane).observe((now - generation.created_at).total_seconds())
    platform.notices.tell(generation.id)
    return generation, attempt


async def _draw(
    platform: Platform, generation: Generation, attempt: Attempt, provider: Provider, gathered: Gathered
) -> None:
    """One call, watched for cancellation and bounded in time; closes its attempt when it went well."""
    order = await order_of(platform, generation, attempt)
    if attempt.state == "prepared":
        # Once more with the sources in hand, and as the model is declared now.
        await anyio.to_thread.run_sync(provider.estimate, order)
    attempt = await sent(platform, attempt)
    failure: Exception | None = None
    canceled = False

    async def watch() -> None:
        nonlocal canceled
        canceled = await _cancel_requested(platform, generation.id)
        group.cancel_scope.cancel()

    with RUNNING.labels(provider.name).track_inprogress():
        async with anyio.create_task_group() as group:
            group.start_soon(watch)
            try:
                await _follow(platform, generation, attempt, provider, order, gathered)
            except Exception as error:
                failure = error
            group.cancel_scope.cancel()
    if canceled:
        await _tell_provider(platform, generation, attempt, provider)
        raise GenerationCanceled("The caller canceled this generation.")
    if isinstance(failure, TimeoutError):
        # It may have worked all that time: this is only repeated where a repeat cannot cost twice.
        kind = ProviderTimedOut if provider.repeats_unknown else OutcomeUnknown
        raise kind(f"{provider.name} gave no answer within {platform.limits.attempt_timeout}.") from failure
    if failure is not None:
        raise failure
    if not gathered.outputs:
        raise ProviderError(f"{provider.name} answered without a picture. Its answer is kept with the attempt.")
    state = "succeeded" if len(gathered.outputs) == generation.parameters.n else "partial"
    await close(platform, attempt, state, gathered=gathered)


async def _tell_provider(platform: Platform, generation: Generation, attempt: Attempt, provider: Provider) -> None:
    """Cancel at the provider too, as far as it has a ticket and answers soon."""
    async with platform.store.reading() as read:
        ticket = (await read.get(Attempt, attempt.id)).ticket
    if ticket is not None:
        with anyio.move_on_after(_CANCEL_SECONDS):
            await provider.cancel(generation.model, ticket)


async def _follow(
    platform: Platform, generation: Generation, attempt: Attempt, provider: Provider, order: Order, gathered: Gathered
) -> None:
    """Take what comes, within `attempt_timeout` of the moment when the work last stood behind that of others."""
    live, seconds = Live(platform, generation), platform.limits.attempt_timeout.total_seconds()
    try:
        with anyio.fail_after(seconds) as bound:
            async with aclosing(provider.generate(order, ticket=attempt.ticket)) as updates:
                async for update in updates:
                    if isinstance(update, Progress) and update.done == 0:
                        bound.deadline = anyio.current_time() + seconds
                    else:
                        await _take(platform, generation, attempt, update, gathered, live)
    finally:
        with anyio.CancelScope(shield=True):
            await live.close()


async def _take(
    platform: Platform, generation: Generation, attempt: Attempt, update: Update, gathered: Gathered, live: Live
) -> None:
    match update:
        case Accepted():
            # Stored before waiting: a crash resumes this work instead of paying for it twice.
            async with platform.store.transaction() as tx:
                await tx.change(await tx.get(Attempt, attempt.id), state="accepted", ticket=update.ticket)
                await tell(platform, tx, "attempt.accepted", generation, attempt=attempt.id)
        case Progress():
            await live.progress(update)
        case Preview():
            await live.preview(update)
        case Picture():
            output = await originals.keep(platform, attempt, update)
            gathered.outputs.append(output)
            gathered.pictures[output.id] = update.data
            if update.revised_prompt:
                gathered.revised[str(update.index)] = update.revised_prompt[:MAX_PROMPT]
        case Withheld():
            gathered.withheld.append(update)
        case Charged():
            gathered.cost = update.cost
        case Answered():
            gathered.answer = update


async def _cancel_requested(platform: Platform, generation_id: str) -> bool:
    """Return True once the generation is to be canceled; never returns otherwise."""
    while True:
        await platform.notices.wait(f"cancel {generation_id}", _CANCEL_POLL_SECONDS)
        async with platform.store.reading() as read:
            generation = await read.get(Generation, generation_id)
        if generation.cancel_requested_at is not None:
            return True


async def _outputs(platform: Platform, attempt: Attempt | None) -> list[Output]:
    if attempt is None:
        raise ProviderError("There is no attempt to develop. Retry the generation.")
    async with platform.store.reading() as read:
        return await read.all(Output, attempt=attempt.id, order_by="index")


async def _conclude(platform: Platform, generation: Generation, developed: list[Developed]) -> Generation:
    async with platform.store.transaction() as tx:
        generation = await tx.get(Generation, generation.id)
        attempts = await tx.all(Attempt, generation=generation.id, order_by="number")
        for made in developed:
            await made.write(platform, tx, generation)
        found = (warning for made in developed for warning in made.warnings)
        warnings = dict.fromkeys((*generation.warnings, *found, *_fewer(generation, len(developed))))
        cost = total_cost(attempts)
        return await end(
            platform,
            tx,
            generation,
            "succeeded",
            warnings=tuple(warnings),
            cost_status=cost.status,
            cost_micro_usd=cost.micro_usd,
            cost_basis=cost.basis,
        )


def _fewer(generation: Generation, made: int) -> tuple[Warning, ...]:
    asked = generation.parameters.n
    if made >= asked:
        return ()
    return (Warning(code="fewer_images", field="n", message=f"The provider gave {made} of {asked} pictures."),)


def _as_ours(error: Exception, generation_id: str) -> PlatemarkError:
    if isinstance(error, PlatemarkError):
        return error
    log.exception("generation.bug", generation=generation_id, exc_info=error)
    return PlatemarkError("An unexpected error ended this generation; the server's log has the details under its id.")
