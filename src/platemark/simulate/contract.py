"""The contract suite of hosted providers: each adapter against its fake, through everything that can go wrong.

A new adapter adds one `Subject`; `cases(subject)` and `CHECKS` give its tests.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import anyio
import anyio.lowlevel

from platemark.core.errors import (
    BlockedByProvider,
    ModelUnavailable,
    OutcomeUnknown,
    PlatemarkError,
    ProviderAuthFailed,
    ProviderError,
    ProviderOutOfCredit,
    ProviderRateLimited,
    ProviderRejected,
    ProviderUnavailable,
    Unsupported,
)
from platemark.core.generation import ControlUse, Parameters
from platemark.core.model import Model, Operation
from platemark.core.updates import Accepted, Answered, Charged, Order, Picture, Update
from platemark.providers.http import Deadlines
from platemark.providers.outcomes import Outcome
from platemark.providers.remote import Remote
from platemark.simulate.pictures import striped
from platemark.simulate.server import ASKED_TO_WAIT, Fake

KEY = "sk-simulated"
PATIENT = Deadlines(connect=10, read=30, total=60)
HASTY = Deadlines(connect=10, read=0.4, total=0.5)
Open = Callable[[Deadlines], AbstractAsyncContextManager[tuple[Remote, Fake]]]


@dataclass(frozen=True, slots=True)
class Case:
    """One trouble and what must come of it. `cost`: None where it depends on the vendor."""

    trouble: str
    outcome: Outcome
    error: type[PlatemarkError]
    cost: str | None = None
    retry_after: float | None = None
    later: bool = False
    method: str | None = "POST"
    deadlines: Deadlines = PATIENT


_FREE, _OPEN = "settled", "unknown"
ALL = (
    Case("rate_limited", "rate_limited", ProviderRateLimited, _FREE),
    Case("rate_limited_seconds", "rate_limited", ProviderRateLimited, _FREE, ASKED_TO_WAIT),
    Case("rate_limited_date", "rate_limited", ProviderRateLimited, _FREE, ASKED_TO_WAIT),
    Case("rate_limited_body", "rate_limited", ProviderRateLimited, _FREE, ASKED_TO_WAIT),
    Case("error_500", "overloaded", ProviderUnavailable),
    Case("error_502", "overloaded", ProviderUnavailable),
    Case("error_503", "overloaded", ProviderUnavailable),
    Case("timeout", "unknown", OutcomeUnknown, _OPEN, deadlines=HASTY),
    Case("slow_drip", "unknown", OutcomeUnknown, _OPEN, deadlines=HASTY),
    Case("reset", "unknown", OutcomeUnknown, _OPEN),
    Case("truncated", "unknown", OutcomeUnknown, _OPEN),
    Case("wrong_type", "unusable", ProviderError, _OPEN),
    Case("huge_body", "unusable", ProviderError, _OPEN),
    Case("error_in_200", "unusable", ProviderError),
    Case("corrupt_base64", "unusable", ProviderError, _OPEN),
    Case("corrupt_picture", "unusable", ProviderError, _OPEN),
    Case("fewer_pictures", "unusable", ProviderError, _OPEN),
    Case("expired_url", "unusable", ProviderError, _OPEN),
    Case("private_redirect", "unusable", ProviderError, _OPEN),
    Case("bad_request", "bad_request", ProviderRejected, _FREE),
    Case("auth", "auth", ProviderAuthFailed, _FREE),
    Case("out_of_credit", "out_of_credit", ProviderOutOfCredit, _FREE),
    Case("not_found", "not_found", ModelUnavailable, _FREE),
    Case("prompt_blocked", "prompt_blocked", BlockedByProvider, _FREE),
    Case("output_blocked", "output_blocked", BlockedByProvider),
    Case("never_ending", "unknown", OutcomeUnknown, _OPEN, later=True, method="GET"),
    Case("failed_later", "unusable", ProviderError, later=True, method="GET"),
)


@dataclass(frozen=True)
class Subject:
    """One adapter under test. `open` gives it connected to a fresh fake, with a `FastClock`.

    `model` draws from text at once; `later` is one that gives tickets, None where there is none, and `polls` is the
    method by which it is asked after them. `expects` replaces what a trouble comes to at this vendor.
    """

    name: str
    open: Open
    troubles: frozenset[str]
    model: str
    later: tuple[str, Operation] | None = None
    polls: str = "GET"
    controls: Mapping[str, str] = field(default_factory=dict[str, str])
    expects: Mapping[str, Case] = field(default_factory=dict[str, Case])

    def order(self, provider: Remote, operation: Operation = "text_to_image", *, n: int = 1, model: str = "") -> Order:
        """An order that the model can honour."""
        name = model or self.model
        return order_for(provider.models[name], operation, n=n, control=self.controls.get(name))


class FastClock:
    """A clock on which waiting takes no time."""

    def __init__(self) -> None:
        self.slept = 0.0

    def now(self) -> datetime:
        """A fixed day, later by what was slept."""
        return datetime(2026, 1, 2, tzinfo=UTC) + timedelta(seconds=self.slept)

    def monotonic(self) -> float:
        """Seconds slept so far."""
        return self.slept

    async def sleep(self, seconds: float) -> None:
        """Let others run, and put the hands forward."""
        self.slept += seconds
        await anyio.lowlevel.checkpoint()


def cases(subject: Subject) -> list[Case]:
    """What this subject must survive."""
    known = [case for case in ALL if case.trouble in subject.troubles and (subject.later or not case.later)]
    asked = [replace(case, method=subject.polls) if case.later else case for case in known]
    return [subject.expects.get(case.trouble, case) for case in asked]


async def survives(subject: Subject, case: Case) -> None:
    """The trouble comes to its outcome, once, said in words, without a secret; after it the adapter works again."""
    async with subject.open(case.deadlines) as (provider, fake):
        order = subject.order(provider)
        if case.later and subject.later:
            order = subject.order(provider, subject.later[1], model=subject.later[0])
        if case.trouble == "never_ending":
            fake.board.from_now_on(case.trouble, method=case.method)
        else:
            fake.board.next(case.trouble, method=case.method)
        updates, error = await ask(provider, order)
        _expect(type(error) is case.error, f"{case.trouble}: {error!r} instead of {case.error.__name__}")
        _expect(error is not None and provider.name in error.detail, f"{case.trouble}: does not say who: {error}")
        _expect(not any(isinstance(each, Picture) for each in updates), f"{case.trouble}: a picture came all the same")
        _expect(_response(updates)["outcome"] == case.outcome, f"{case.trouble}: {_response(updates)}")
        if case.retry_after is not None:
            _expect(error is not None and error.retry_after == case.retry_after, f"{case.trouble}: {error!r}")
        if case.cost is not None:
            _expect(_charged(updates).cost.status == case.cost, f"{case.trouble}: {_charged(updates)}")
        _expect(fake.board.submissions() == 1, f"{case.trouble}: submitted {fake.board.submissions()} times")
        _expect(KEY not in f"{updates} {error} {error.errors if error else ()}", f"{case.trouble}: tells the key")
        fake.board.from_now_on(None)
        if case.deadlines is PATIENT:
            _, error = await ask(provider, order)
            _expect(error is None, f"{case.trouble}: does not recover: {error!r}")


async def draws_what_it_declares(subject: Subject) -> None:
    """Each operation of each model gives a picture of the kind that it says, with its seed, at an estimated price."""
    async with subject.open(PATIENT) as (provider, _):
        for model in provider.models.values():
            for operation in sorted(model.capabilities.operations):
                order = subject.order(provider, operation, model=model.id)  # pyright: ignore[reportArgumentType]
                about = f"{model.id} {operation}"
                estimate = provider.estimate(order)
                updates, error = await ask(provider, order)
                _expect(error is None, f"{about}: {error!r} {error.errors if error else ()}")
                pictures = [each for each in updates if isinstance(each, Picture)]
                _expect([each.index for each in pictures] == [0], f"{about}: {len(pictures)} pictures")
                as_asked = pictures[0].seed == order.seeds[0] or not model.capabilities.seed
                _expect(as_asked, f"{about}: seed {pictures[0].seed}")
                _expect(_charged(updates).cost.micro_usd == estimate.micro_usd, f"{about}: {_charged(updates)}")
                _expect((estimate.micro_usd is None) == (estimate.status == "unknown"), f"{about}: {estimate}")


async def fans_out_with_distinct_seeds(subject: Subject) -> None:
    """Of three pictures each has its own seed, and all are paid."""
    async with subject.open(PATIENT) as (provider, _):
        order = subject.order(provider, n=3)
        updates, error = await ask(provider, order)
        pictures = sorted((each for each in updates if isinstance(each, Picture)), key=lambda each: each.index)
        _expect(error is None, f"{error!r}")
        # Where there are no seeds, none is made up.
        wanted = order.seeds if provider.models[order.model].capabilities.seed else (None,) * 3
        _expect(tuple(each.seed for each in pictures) == wanted, f"seeds {[each.seed for each in pictures]}")
        _expect(len({each.data for each in pictures}) == 3, "pictures are alike")
        _expect(_charged(updates).cost.micro_usd == provider.estimate(order).micro_usd, f"{_charged(updates)}")


async def keeps_what_came_when_a_part_fails(subject: Subject) -> None:
    """One of three calls fails: the other pictures are kept, the outcome is partial, and nothing is asked again."""
    async with subject.open(PATIENT) as (provider, fake):
        fake.board.next("error_500")
        updates, error = await ask(provider, subject.order(provider, n=3))
        made = sum(isinstance(each, Picture) for each in updates)
        calls = fake.board.submissions()
        _expect(calls == 1 or (error is None and made == calls - 1), f"{made} pictures of {calls} calls, {error!r}")
        _expect(calls == 1 or _response(updates)["outcome"] == "partial", f"{_response(updates)}")


async def resumes_by_its_ticket(subject: Subject) -> None:
    """Stopped after it was accepted, work is waited for and not bought again, also when polls fail for a while."""
    if subject.later is None:
        return
    model, operation = subject.later
    async with subject.open(PATIENT) as (provider, fake):
        order = subject.order(provider, operation, model=model)
        ticket = None
        async with aclosing(provider.generate(order)) as updates:
            async for update in updates:
                if isinstance(update, Accepted):
                    ticket = update.ticket
                    break
        _expect(bool(ticket), "no ticket before the wait")
        for trouble in ("error_503", "rate_limited_seconds", "reset"):
            fake.board.next(trouble, method=subject.polls)
        found, error = await ask(provider, order, ticket=ticket)
        _expect(error is None, f"{error!r}")
        _expect(sum(isinstance(each, Picture) for each in found) == 1, f"{found}")
        _expect(fake.board.submissions() == 1, f"submitted {fake.board.submissions()} times")


async def uses_the_next_key_when_one_is_refused(subject: Subject) -> None:
    """A key that is refused costs no picture while there is another."""
    async with subject.open(PATIENT) as (provider, fake):
        if not provider.vendor.needs_key:
            return
        keys = replace(provider.keys, values=("sk-withdrawn", KEY))
        updates, error = await ask(replace_keys(provider, keys.values), subject.order(provider))
        _expect(error is None and any(isinstance(each, Picture) for each in updates), f"{error!r}")
        _expect(fake.board.submissions() == 2, f"asked {fake.board.submissions()} times")


async def refuses_before_sending(subject: Subject) -> None:
    """What the declaration rules out is Unsupported by `estimate`, so before anything is accepted, and never sent."""
    async with subject.open(PATIENT) as (provider, fake):
        order = subject.order(provider)
        too_much = replace(order, prompt="x" * 100_000)
        try:
            provider.estimate(too_much)
        except Unsupported as error:
            _expect(error.errors[0].pointer == "/prompt", f"{error.errors}")
        else:
            raise AssertionError("an endless prompt was accepted")
        _, error = await ask(provider, too_much)
        _expect(isinstance(error, Unsupported), f"{error!r}")
        _expect(fake.board.submissions() == 0, "it was sent")


CHECKS: Sequence[Callable[[Subject], Awaitable[None]]] = (
    draws_what_it_declares,
    fans_out_with_distinct_seeds,
    keeps_what_came_when_a_part_fails,
    resumes_by_its_ticket,
    uses_the_next_key_when_one_is_refused,
    refuses_before_sending,
)


async def ask(
    provider: Remote, order: Order, *, ticket: str | None = None
) -> tuple[list[Update], PlatemarkError | None]:
    """Everything that came, and the error that ended it."""
    found = list[Update]()
    try:
        async with aclosing(provider.generate(order, ticket=ticket)) as updates:
            async for update in updates:
                found.append(update)
    except PlatemarkError as error:
        return found, error
    return found, None


def replace_keys(provider: Remote, values: tuple[str, ...]) -> Remote:
    """The same provider with other keys."""
    keys = type(provider.keys)(values)
    return Remote(provider.vendor, provider.transport, keys, provider.clock, provider.fetch)


def order_for(model: Model, operation: Operation, *, n: int = 1, control: str | None = None) -> Order:
    """An order of the default size, with sources of 256 × 256 where the operation needs them."""
    can, side = model.capabilities, 256
    from_source = operation != "text_to_image"
    added = 64 if operation == "outpaint" else None
    width, height = (side, side) if from_source else (can.default_width, can.default_height)
    parameters = Parameters(
        width=width + 2 * (added or 0),
        height=height,
        steps=can.default_steps,
        cfg_scale=can.default_cfg_scale,
        seed=1234,
        n=n,
        left=added,
        right=added,
        controls=(ControlUse(type=control),) if control else (),
    )
    return Order(
        model=model.id,
        operation=operation,
        prompt="a red house in a green meadow",
        negative_prompt="people" if can.negative_prompt else None,
        parameters=parameters,
        seeds=tuple(1234 + index for index in range(n)),
        idempotency_key="att_contract",
        image=striped(side, side, "source") if from_source else None,
        mask=striped(side, side, "mask") if operation == "inpaint" else None,
        guides=(striped(side, side, "guide"),) if control else (),
    )


def _response(updates: list[Update]) -> Mapping[str, object]:
    answers = [each for each in updates if isinstance(each, Answered)]
    _expect(len(answers) == 1, f"{len(answers)} answers are kept")
    return answers[0].response


def _charged(updates: list[Update]) -> Charged:
    charged = [each for each in updates if isinstance(each, Charged)]
    _expect(len(charged) == 1, f"charged {len(charged)} times")
    return charged[0]


def _expect(true: bool, otherwise: str) -> None:
    if not true:
        raise AssertionError(otherwise)
