"""The scripted provider keeps the contract of providers, and the contract's suite notices who does not."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

import pytest

from platemark.core.errors import TooLarge
from platemark.core.ports import Provider
from platemark.core.updates import Order, Picture, Update
from platemark.simulate.scripted import Scripted
from platemark.testing import exercise_provider


def opening(provider: Provider) -> Callable[[], AbstractAsyncContextManager[Provider]]:
    @asynccontextmanager
    async def opened() -> AsyncGenerator[Provider]:
        yield provider

    return opened


async def test_the_scripted_provider_keeps_the_contract() -> None:
    provider = Scripted()
    await exercise_provider(opening(provider))
    assert provider.calls.total() == 6


class Larger(Scripted):
    """Draws everything that starts from a picture a pixel too wide."""

    async def generate(self, order: Order, *, ticket: str | None = None) -> AsyncGenerator[Update]:
        wide = order.parameters.model_copy(update={"width": order.parameters.width + (order.image is not None)})
        async for update in super().generate(replace(order, parameters=wide), ticket=ticket):
            yield update


class Fewer(Scripted):
    """Keeps the second picture for itself."""

    async def generate(self, order: Order, *, ticket: str | None = None) -> AsyncGenerator[Update]:
        async for update in super().generate(order, ticket=ticket):
            if not (isinstance(update, Picture) and update.index):
                yield update


@pytest.mark.parametrize("provider", [Larger(), Fewer()], ids=lambda provider: type(provider).__name__)
async def test_one_that_does_not_is_noticed(provider: Scripted) -> None:
    with pytest.raises((AssertionError, TooLarge), match=r"instead of|expected|pixels"):
        await exercise_provider(opening(provider))
