"""The vendor's own client, `huggingface_hub`, against the fake: so fake and adapter are not wrong together."""

import io
from collections.abc import Iterator
from functools import partial
from typing import Any, cast

import anyio.to_thread
import httpx2
import pytest
from attached import never
from huggingface_hub import InferenceClient, set_client_factory
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils._http import default_client_factory
from PIL import Image

from platemark.core.updates import Picture
from platemark.providers.http import Keys, open_transport
from platemark.providers.huggingface import MODELS, HuggingFace
from platemark.providers.remote import Remote
from platemark.simulate.contract import KEY, FastClock, ask, order_for
from platemark.simulate.huggingface import FakeHuggingFace
from platemark.simulate.pictures import striped
from platemark.simulate.server import serve

pytestmark = pytest.mark.anyio
SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
PIX2PIX = "timbrooks/instruct-pix2pix"


@pytest.fixture(autouse=True)
def _online() -> Iterator[None]:
    """Tests forbid downloads, and the library then sends nothing at all: with a client of ours it does not ask."""
    set_client_factory(httpx2.Client)
    yield
    set_client_factory(default_client_factory)


def client(url: str, model: str, token: str = KEY) -> InferenceClient:
    return InferenceClient(model=f"{url}/hf-inference/models/{model}", token=token, timeout=30)


def pixels(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as picture:
        return picture.convert("RGB").tobytes()


async def test_a_text_drawn_by_the_client_is_the_one_that_the_adapter_gets() -> None:
    model = MODELS["huggingface/sd-1.5"]
    wanted = order_for(model.as_model(), "text_to_image")
    numbers = wanted.parameters
    async with serve(fake := FakeHuggingFace()) as url, open_transport("huggingface", url) as transport:
        provider = Remote(HuggingFace(), transport, Keys((KEY,)), FastClock(), never)
        updates, error = await ask(provider, wanted)
        drawn = await anyio.to_thread.run_sync(
            partial(
                client(url, SD15).text_to_image,
                wanted.prompt,
                negative_prompt=wanted.negative_prompt,
                width=numbers.width,
                height=numbers.height,
                num_inference_steps=numbers.steps,
                guidance_scale=numbers.cfg_scale,
                seed=numbers.seed,
            )
        )
    assert error is None
    (picture,) = (each for each in updates if isinstance(each, Picture))
    assert drawn.convert("RGB").tobytes() == pixels(picture.data)
    ours, theirs = fake.board.seen
    assert ours.json == theirs.json
    assert ours.headers["accept"] == theirs.headers["accept"]


@pytest.mark.parametrize("parameters", [{}, {"prompt": "in winter", "guidance_scale": 5.0}])
async def test_a_picture_goes_raw_or_as_base64(parameters: dict[str, object]) -> None:
    source = striped(64, 96, "source")
    async with serve(fake := FakeHuggingFace()) as url:
        # Their signature takes anything.
        draw = cast(Any, client(url, PIX2PIX)).image_to_image
        drawn = await anyio.to_thread.run_sync(partial(draw, source, **parameters))
    assert drawn.size == (64, 96)
    (seen,) = fake.board.seen
    assert (seen.files == {"inputs": source}) == (not parameters)
    assert (seen.json is None) == (not parameters)


@pytest.mark.parametrize(
    ("trouble", "token", "status"),
    [("bad_request", KEY, 422), ("out_of_credit", KEY, 402), ("rate_limited", KEY, 429), (None, "hf_nobody", 401)],
)
async def test_the_client_understands_what_goes_wrong(trouble: str | None, token: str, status: int) -> None:
    async with serve(fake := FakeHuggingFace()) as url:
        fake.board.from_now_on(trouble)
        with pytest.raises(HfHubHTTPError) as error:
            await anyio.to_thread.run_sync(partial(client(url, SD15, token).text_to_image, "a house"))
    assert error.value.response.status_code == status
