"""The vendor's own client against the fake, so that fake and adapter are not wrong together."""

from base64 import b64decode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2
import pytest
from together import AsyncTogether, AuthenticationError, NotFoundError, RateLimitError, UnprocessableEntityError
from together.types.image_data_b64 import ImageDataB64
from together.types.image_data_url import ImageDataURL
from together.types.image_generate_params import ImageLora

from platemark.imaging.header import sniff
from platemark.providers.catalogue import header_of
from platemark.simulate.contract import KEY
from platemark.simulate.server import serve
from platemark.simulate.together import FakeTogether

pytestmark = pytest.mark.anyio
SCHNELL = "black-forest-labs/FLUX.1-schnell"


@asynccontextmanager
async def client(key: str = KEY) -> AsyncGenerator[tuple[AsyncTogether, FakeTogether]]:
    async with serve(fake := FakeTogether()) as url, AsyncTogether(api_key=key, base_url=url, max_retries=0) as client:
        yield client, fake


async def test_it_draws_as_base64() -> None:
    async with client() as (together, _):
        answer = await together.images.generate(
            model=SCHNELL,
            prompt="a house",
            steps=4,
            seed=5,
            n=2,
            width=128,
            height=64,
            response_format="base64",
            output_format="png",
        )
    assert (answer.object, answer.model, [each.index for each in answer.data]) == ("list", SCHNELL, [0, 1])
    pictures = [b64decode(each.b64_json) for each in answer.data if isinstance(each, ImageDataB64)]
    assert [(sniff(data), header_of(data, "image/png").width) for data in pictures] == [("image/png", 128)] * 2
    assert len(set(pictures)) == 2


async def test_it_draws_behind_urls_unless_it_is_told_otherwise() -> None:
    async with client() as (together, _), httpx2.AsyncClient() as browser:
        answer = await together.images.generate(model=SCHNELL, prompt="a house")
        (found,) = answer.data
        assert isinstance(found, ImageDataURL)
        picture = await browser.get(found.url)
    assert (picture.status_code, sniff(picture.content)) == (200, "image/jpeg")


async def test_loras_and_sources() -> None:
    async with client() as (together, fake):
        lora = ImageLora(path="https://hub.example/a/tarot", scale=0.8)
        await together.images.generate(model="black-forest-labs/FLUX.1-dev-lora", prompt="a house", image_loras=[lora])
        source = "data:image/png;base64,AAAA"
        await together.images.generate(model="black-forest-labs/FLUX.1-kontext-pro", prompt="x", image_url=source)
    assert fake.board.submissions() == 2


async def test_its_errors_are_those_that_it_knows() -> None:
    async with client() as (together, fake):
        with pytest.raises(NotFoundError):
            await together.images.generate(model="nobody/nothing", prompt="a house")
        fake.board.next("prompt_blocked")
        with pytest.raises(UnprocessableEntityError, match="NSFW"):
            await together.images.generate(model=SCHNELL, prompt="a house")
        fake.board.next("rate_limited_seconds")
        with pytest.raises(RateLimitError) as limited:
            await together.images.generate(model=SCHNELL, prompt="a house")
    assert limited.value.response.headers["retry-after"] == "7"
    async with client("sk-nobody") as (together, _):
        with pytest.raises(AuthenticationError):
            await together.images.generate(model=SCHNELL, prompt="a house")
