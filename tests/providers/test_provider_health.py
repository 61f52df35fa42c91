"""The circuit breaker and the pacer, by a clock on which waiting takes no time."""

import pytest

from platemark.core.errors import ProviderUnavailable
from platemark.core.updates import Charged, Picture
from platemark.providers.breaker import FIRST_PAUSE, LONGEST_PAUSE, THRESHOLD, Breaker
from platemark.providers.catalogue import Rate
from platemark.providers.http import Keys, open_transport
from platemark.providers.pacer import Pacer
from platemark.providers.remote import Remote
from platemark.providers.stability import Stability
from platemark.simulate.contract import KEY, FastClock, ask, order_for
from platemark.simulate.server import serve
from platemark.simulate.stability import FakeStability

pytestmark = pytest.mark.anyio


def failed(clock: FastClock, times: int = THRESHOLD) -> Breaker:
    breaker = Breaker(clock)
    for _ in range(times):
        breaker.note("overloaded")
    return breaker


def test_failures_in_a_row_open_it_and_one_success_closes_it() -> None:
    clock = FastClock()
    breaker = failed(clock, THRESHOLD - 1)
    breaker.enter("acme")
    breaker.note("unknown")
    assert breaker.health.circuit == "open"
    with pytest.raises(ProviderUnavailable) as refusal:
        breaker.enter("acme")
    assert refusal.value.retry_after == FIRST_PAUSE
    clock.slept += FIRST_PAUSE
    assert breaker.health.circuit == "half_open"
    breaker.enter("acme")
    with pytest.raises(ProviderUnavailable):
        breaker.enter("acme")
    breaker.note("ok")
    breaker.enter("acme")
    assert (breaker.health.circuit, breaker.health.failures) == ("closed", 0)


def test_pauses_double_while_probes_fail_up_to_a_limit() -> None:
    clock, pauses = FastClock(), list[float]()
    breaker = failed(clock)
    for _ in range(8):
        with pytest.raises(ProviderUnavailable) as refusal:
            breaker.enter("acme")
        pauses.append(refusal.value.retry_after or 0.0)
        clock.slept += pauses[-1]
        breaker.enter("acme")
        breaker.note("overloaded")
    assert pauses[:3] == [FIRST_PAUSE, FIRST_PAUSE * 2, FIRST_PAUSE * 4]
    assert pauses[-1] == LONGEST_PAUSE


@pytest.mark.parametrize("outcome", ["prompt_blocked", "bad_request", "rate_limited", "auth", "unusable"])
def test_a_vendor_that_answers_is_alive(outcome: str) -> None:
    breaker = failed(FastClock(), THRESHOLD - 1)
    breaker.note(outcome)  # pyright: ignore[reportArgumentType]
    breaker.note("overloaded")
    breaker.enter("acme")
    assert breaker.health.failures == 1


def test_refusals_are_nobodys_error_and_the_last_error_has_no_words() -> None:
    breaker = Breaker(FastClock())
    breaker.note("prompt_blocked")
    assert breaker.health.last_error is None
    breaker.note("out_of_credit")
    assert (breaker.health.last_error, breaker.health.circuit) == ("out_of_credit", "closed")


async def test_an_open_circuit_sends_nothing_and_costs_nothing() -> None:
    clock, fake = FastClock(), FakeStability()

    async def never(url: str) -> bytes:
        raise AssertionError(url)

    async with serve(fake) as url, open_transport("stability", url) as transport:
        provider = Remote(Stability(), transport, Keys((KEY,)), clock, never)
        order = order_for(provider.models["stability/core"], "text_to_image")
        fake.board.from_now_on("error_503")
        for _ in range(THRESHOLD):
            await ask(provider, order)
        updates, error = await ask(provider, order)
        assert isinstance(error, ProviderUnavailable)
        assert error.retry_after == pytest.approx(FIRST_PAUSE)
        assert [each.cost.micro_usd for each in updates if isinstance(each, Charged)] == [0]
        assert fake.board.submissions() == THRESHOLD
        assert provider.health.last_error == "overloaded"
        fake.board.from_now_on(None)
        clock.slept += FIRST_PAUSE
        updates, error = await ask(provider, order)
    assert error is None
    assert any(isinstance(each, Picture) for each in updates)
    assert provider.health.circuit == "closed"


@pytest.mark.parametrize(("rate", "workers"), [(Rate(150, 10.0), 1), (Rate(150, 10.0), 4), (Rate(6, 60.0), 1)])
async def test_calls_keep_under_the_contract_in_every_window(rate: Rate, workers: int) -> None:
    clock = FastClock()
    pacer, moments = Pacer(rate, clock, workers), list[float]()
    for _ in range(rate.calls * 3):
        await pacer.turn()
        moments.append(clock.slept)
    most = max(sum(start <= moment < start + rate.seconds for moment in moments) for start in moments)
    assert most <= max(1, rate.calls / workers)
    # And it is used: not far below what is allowed.
    assert len(moments) / max(moments) >= 0.8 * rate.calls / rate.seconds / workers


async def test_an_idle_provider_is_asked_at_once() -> None:
    clock = FastClock()
    await Pacer(Rate(1, 10.0), clock).turn()
    assert clock.slept == 0
