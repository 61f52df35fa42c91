"""The fake AI/ML API spoken to by the `openai` client, which its documents recommend: so the fake is not ours alone."""

import openai
import pytest

from platemark.simulate.aimlapi import FakeAimlapi
from platemark.simulate.contract import KEY
from platemark.simulate.server import serve

pytestmark = pytest.mark.anyio
MODEL = "stable-diffusion-v35-large"


async def test_the_client_gets_pictures_and_errors() -> None:
    fake = FakeAimlapi()
    async with (
        serve(fake) as url,
        openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0) as client,
    ):
        answer = await client.images.generate(
            model=MODEL, prompt="a house", extra_body={"image_size": "square", "output_format": "png"}
        )
        assert answer.data is not None
        assert answer.data[0].url is not None
        fake.board.next("out_of_credit")
        with pytest.raises(openai.PermissionDeniedError, match="credits"):
            await client.images.generate(model=MODEL, prompt="a house")
        fake.board.next("rate_limited_seconds")
        with pytest.raises(openai.RateLimitError) as limited:
            await client.images.generate(model=MODEL, prompt="a house")
        assert limited.value.response.headers["retry-after"] == "7"
        with pytest.raises(openai.BadRequestError, match="size: is not a known field"):
            await client.images.generate(model=MODEL, prompt="a house", size="512x512")
