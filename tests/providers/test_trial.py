"""The one real request of `providers check --live`: bounded in its price, and told as it was."""

from contextlib import AbstractAsyncContextManager
from dataclasses import replace

import pytest
from attached import attached

from platemark.core.errors import InvalidRequest, Misconfigured
from platemark.providers.http import Keys
from platemark.providers.remote import Remote
from platemark.providers.stability import MODELS, Stability
from platemark.providers.trial import attempt, choose, response_bytes
from platemark.simulate.contract import KEY
from platemark.simulate.stability import FakeStability

pytestmark = pytest.mark.anyio
TEN_CENTS = 100_000


def opened(
    vendor: Stability | None = None, key: str = KEY
) -> AbstractAsyncContextManager[tuple[Remote, FakeStability]]:
    return attached(vendor or Stability(), FakeStability(), keys=(key,))


async def test_the_cheapest_model_is_asked_once_and_told_as_it_answered() -> None:
    async with opened() as (provider, fake):
        order = choose(provider, TEN_CENTS)
        assert order.model == "stability/sd3.5-flash"
        tried = await attempt(provider, order)
        found = tried.trial
        assert (found.outcome, found.status, found.words) == ("ok", 200, ())
        assert (found.seed_sent, found.seed_echoed) == (12345, 12345)
        assert (found.media_type, found.width, found.height) == ("image/png", 1024, 1024)
        assert found.request_id
        assert found.cost.micro_usd == 25_000
        assert tried.picture is not None
        assert found.bytes == len(tried.picture.data)
        assert fake.board.submissions() == 1
        assert KEY.encode() not in response_bytes(tried)


@pytest.mark.parametrize(
    ("trouble", "outcome", "status"),
    [("output_blocked", "output_blocked", 200), ("rate_limited", "rate_limited", 429), ("reset", "unknown", None)],
)
async def test_what_goes_wrong_is_an_outcome(trouble: str, outcome: str, status: int | None) -> None:
    async with opened() as (provider, fake):
        fake.board.next(trouble)
        tried = await attempt(provider, choose(provider, TEN_CENTS))
        assert (tried.trial.outcome, tried.trial.status, tried.picture) == (outcome, status, None)
        assert tried.trial.words
        assert tried.trial.seed_echoed is None
        assert fake.board.submissions() == 1


async def test_without_a_key_nothing_is_sent() -> None:
    async with opened() as (provider, fake):
        keyless = replace(provider, keys=Keys(()))
        with pytest.raises(Misconfigured, match="no key"):
            await attempt(keyless, choose(keyless, TEN_CENTS))
        assert fake.board.submissions() == 0


@pytest.mark.parametrize(
    ("model", "limit", "words"),
    [
        (None, 24_999, "costs 0.025 USD, and the limit is 0.024999 USD"),
        ("stability/ultra", 79_000, "stability/ultra, costs 0.08 USD"),
        ("stability/sdxl-1.0", TEN_CENTS, "price is unknown of stability/sdxl-1.0"),
        ("stability/inpaint", TEN_CENTS, "draws nothing from a text alone"),
        ("stability/gone", TEN_CENTS, "has no model stability/gone"),
    ],
)
async def test_a_limit_that_cannot_be_kept_is_refused(model: str | None, limit: int, words: str) -> None:
    async with opened() as (provider, fake):
        with pytest.raises(InvalidRequest, match=words):
            choose(provider, limit, model)
        assert fake.board.calls == []


async def test_a_model_that_is_named_is_the_one_that_is_asked() -> None:
    async with opened() as (provider, _):
        assert choose(provider, TEN_CENTS, "stability/core").model == "stability/core"


async def test_what_is_free_needs_no_price() -> None:
    free = Stability(models={id: replace(model, price=None) for id, model in MODELS.items()}, free_repeat=True)
    async with opened(free) as (provider, _):
        tried = await attempt(provider, choose(provider, 0))
        assert tried.trial.outcome == "ok"
