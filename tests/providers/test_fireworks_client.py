"""The vendor's own client against the fake, so that fake and adapter are not wrong together."""

import importlib
import warnings
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any

import pytest

from platemark.simulate.contract import KEY
from platemark.simulate.fireworks import FakeFireworks
from platemark.simulate.pictures import striped
from platemark.simulate.server import serve

# It was written for a pydantic of before.
pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")]
PNG = striped(512, 512, "source")


@pytest.fixture(scope="module")
def library() -> ModuleType:
    # That is also said where its classes are made.
    with warnings.catch_warnings(action="ignore"):
        return importlib.import_module("fireworks.client.image")


@asynccontextmanager
async def client(library: ModuleType, key: str = KEY) -> AsyncGenerator[tuple[Any, FakeFireworks]]:
    async with serve(fake := FakeFireworks()) as url:
        made = library.ImageInference(api_key=key, base_url=f"{url}/inference/v1")
        try:
            yield made, fake
        finally:
            made._client.close()
            await made._async_client.aclose()


async def test_it_draws_from_text(library: ModuleType) -> None:
    async with client(library) as (fireworks, fake):
        lora = {"lora_adapter_name": "ada/ink", "lora_weight_filename": "ink.safetensors"}
        one = await fireworks.text_to_image_async(
            "a house", width=768, height=512, steps=20, seed=5, cfg_scale=7, **lora
        )
        two = await fireworks.text_to_image_async("a house", width=512, height=512, samples=2, seed=5)
        fake.board.next("output_blocked")
        withheld = await fireworks.text_to_image_async("a house", safety_check=True, output_image_format="JPG")
    assert (one.image.size, one.image.format, one.finish_reason) == ((768, 512), "PNG", "SUCCESS")
    assert [(each.image.size, each.finish_reason) for each in two] == [((512, 512), "SUCCESS")] * 2
    assert two[0].image.tobytes() != two[1].image.tobytes()
    assert (withheld.image.format, withheld.finish_reason) == ("JPEG", "CONTENT_FILTERED")


async def test_it_draws_from_pictures(library: ModuleType) -> None:
    async with client(library) as (fireworks, fake):
        edited = await fireworks.image_to_image_async(PNG, "a house", image_strength=0.4, steps=20, seed=5)
        edges = await fireworks.canny_edge_detection_async(PNG)
        drawn = await fireworks.control_net_async(edges, "canny", "a house", conditioning_scale=0.5)
    assert [each.image.size for each in (edited, drawn)] == [(512, 512)] * 2
    assert [each.path.rpartition("/")[2] for each in fake.board.seen] == [
        "image_to_image",
        "canny_edge_detection",
        "control_net",
    ]
    assert [set(each.files) for each in fake.board.seen] == [{"init_image"}, {"image"}, {"control_image"}]


async def test_its_errors_are_those_that_it_knows(library: ModuleType) -> None:
    errors = importlib.import_module("fireworks.client.error")
    async with client(library) as (fireworks, fake):
        fake.board.next("bad_request")
        with pytest.raises(errors.InvalidRequestError, match="Some field is not valid"):
            await fireworks.text_to_image_async("a house")
        fake.board.next("rate_limited")
        with pytest.raises(errors.RateLimitError):
            await fireworks.text_to_image_async("a house")
        fake.board.next("error_503")
        with pytest.raises(errors.ServiceUnavailableError):
            await fireworks.text_to_image_async("a house")
    async with client(library, "sk-nobody") as (fireworks, _):
        with pytest.raises(errors.AuthenticationError):
            await fireworks.text_to_image_async("a house")
