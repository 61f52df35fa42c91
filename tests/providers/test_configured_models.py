"""Models and servers that only the operator knows: named in the settings, made from what an adapter declares."""

import pytest
from attached import never

from platemark.core.errors import Misconfigured
from platemark.providers.hosted import Hosted, open_hosted
from platemark.providers.remote import Remote
from platemark.settings import HostedModel
from platemark.simulate.contract import KEY, FastClock, ask, order_for
from platemark.simulate.server import serve
from platemark.simulate.stability import FakeStability

pytestmark = pytest.mark.anyio


async def opened(hosted: Hosted, name: str = "stability") -> Remote:
    async with open_hosted(name, hosted, clock=FastClock(), fetch=never) as provider:
        return provider


async def test_a_model_works_like_a_declared_one_and_has_its_own_name_route_and_price() -> None:
    mine = HostedModel(like="core", route="/v2beta/mine", usd_per_image="0.25", licence="ours")
    provider = await opened(Hosted(models={"mine": mine}))
    model = provider.models["stability/mine"]
    assert model.capabilities == provider.models["stability/core"].capabilities
    assert (model.licence, model.price and model.price.usd) == ("ours", "0.25")
    assert provider.vendor.models["stability/mine"].route == "/v2beta/mine"
    assert provider.estimate(order_for(model, "text_to_image", n=2)).micro_usd == 500_000


async def test_another_route_has_no_price_until_somebody_says_one() -> None:
    provider = await opened(Hosted(models={"mine": HostedModel(like="core", route="/v2beta/mine")}))
    cost = provider.estimate(order_for(provider.models["stability/mine"], "text_to_image"))
    assert (cost.status, cost.micro_usd) == ("unknown", None)


async def test_two_servers_of_one_kind_have_names_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_KEY", KEY)
    async with serve(FakeStability()) as url:
        hosted = Hosted(keys=("env:ACME_KEY",), base_url=url, kind="stability")
        async with open_hosted("second", hosted, clock=FastClock(), fetch=never) as provider:
            assert provider.name == "second"
            assert {model.provider for model in provider.models.values()} == {"second"}
            _, error = await ask(provider, order_for(provider.models["second/core"], "text_to_image"))
    assert error is None


async def test_a_model_like_nothing_is_told_with_what_there_is() -> None:
    with pytest.raises(Misconfigured, match=r"mine is to work like sdxl, .* It has: control"):
        await opened(Hosted(models={"mine": HostedModel(like="sdxl")}))
