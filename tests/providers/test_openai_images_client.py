"""The fakes spoken to by the real `openai` client, so that fake and adapter are not wrong together."""

import base64
import io

import openai
import pytest
from PIL import Image

from pictures import encoded, house
from platemark.simulate.contract import KEY
from platemark.simulate.openai_images import FakeOpenAIImages
from platemark.simulate.server import serve

pytestmark = pytest.mark.anyio


def size_of(answer: openai.types.ImagesResponse, index: int = 0) -> tuple[int, int]:
    assert answer.data is not None
    return Image.open(io.BytesIO(base64.b64decode(answer.data[index].b64_json or ""))).size


async def test_the_client_draws_and_edits() -> None:
    source = house(256)
    hole = source.convert("RGBA")
    hole.putalpha(Image.linear_gradient("L"))
    async with (
        serve(FakeOpenAIImages()) as url,
        openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0) as client,
    ):
        drawn = await client.images.generate(model="gpt-image-1", prompt="a house", size="1536x1024", n=2)
        assert drawn.data is not None
        assert (len(drawn.data), size_of(drawn, 1)) == (2, (1536, 1024))
        image, mask = ("image.png", encoded(source), "image/png"), ("mask.png", encoded(hole), "image/png")
        edited = await client.images.edit(model="gpt-image-1", image=image, mask=mask, prompt="a door")
        assert size_of(edited) == (1024, 1024)
        with pytest.raises(openai.BadRequestError, match="alpha channel"):
            await client.images.edit(model="gpt-image-1", image=image, mask=image, prompt="a door")
        with pytest.raises(openai.BadRequestError, match="response_format: is not a known field"):
            await client.images.generate(model="gpt-image-1", prompt="a house", response_format="b64_json")
        with pytest.raises(openai.NotFoundError):
            await client.images.generate(model="dall-e-9", prompt="a house")


@pytest.mark.parametrize(
    ("trouble", "error", "code"),
    [
        ("prompt_blocked", openai.BadRequestError, "moderation_blocked"),
        ("out_of_credit", openai.RateLimitError, "insufficient_quota"),
        ("rate_limited", openai.RateLimitError, "rate_limit_exceeded"),
        ("auth", openai.AuthenticationError, "invalid_api_key"),
        ("error_503", openai.InternalServerError, None),
    ],
)
async def test_the_client_understands_its_errors(
    trouble: str, error: type[openai.APIStatusError], code: str | None
) -> None:
    fake = FakeOpenAIImages()
    fake.board.next(trouble)
    async with (
        serve(fake) as url,
        openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0) as client,
    ):
        with pytest.raises(error) as raised:
            await client.images.generate(model="gpt-image-1", prompt="a house")
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("kind", "model", "more"),
    [
        ("vllm-omni", "served", {"num_inference_steps": 20, "seed": 7}),
        ("sglang", "served", {"guidance_scale": 4.0, "negative_prompt": "people"}),
        ("localai", "stablediffusion", {"step": 20}),
    ],
)
async def test_the_client_draws_with_extra_fields(kind: str, model: str, more: dict[str, object]) -> None:
    async with (
        serve(FakeOpenAIImages(kind)) as url,
        openai.AsyncOpenAI(api_key="none", base_url=f"{url}/v1", default_headers={"authorization": ""}) as client,
    ):
        answer = await client.images.generate(
            model=model, prompt="a house", size="512x512", response_format="b64_json", extra_body=more
        )
    assert size_of(answer) == (512, 512)
