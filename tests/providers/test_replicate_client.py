"""The fake against Replicate's own Python client: so that fake and adapter are not wrong together."""

import functools
from collections.abc import Generator
from contextlib import contextmanager
from io import BytesIO

import anyio.to_thread
import pytest
from replicate.client import Client
from replicate.exceptions import ReplicateError
from replicate.prediction import Prediction
from replicate.webhook import Webhooks, WebhookSigningSecret

from platemark.providers.replicate import MODELS
from platemark.simulate.contract import KEY
from platemark.simulate.pictures import striped
from platemark.simulate.replicate import FakeReplicate, signed
from platemark.simulate.server import serve

SDXL = MODELS["replicate/sdxl"].route
pytestmark = pytest.mark.anyio


@contextmanager
def _client(url: str) -> Generator[Client]:
    client = Client(api_token=KEY, base_url=url)
    try:
        yield client
    finally:
        # There is no public way to close it.
        client._client.close()  # pyright: ignore[reportPrivateUsage]


def _by_version(url: str) -> Prediction:
    with _client(url) as client:
        return _inpainted(client)


def _inpainted(client: Client) -> Prediction:
    source = client.files.create(BytesIO(striped(64, 64, "source")), filename="source.png")
    given = {"prompt": "a red house", "image": source.urls["get"], "mask": BytesIO(striped(64, 64, "mask")), "seed": 7}
    made = client.predictions.create(version=SDXL, input=given, file_encoding_strategy="base64")
    made.wait()
    return made


async def test_a_version_waits_for_its_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPLICATE_POLL_INTERVAL", "0.01")
    async with serve(fake := FakeReplicate()) as url:
        made = await anyio.to_thread.run_sync(_by_version, url)
    assert (made.status, made.version, len(made.output or ())) == ("succeeded", SDXL.partition(":")[2], 1)
    assert made.progress is None or made.progress.percentage == 1.0
    assert fake.board.submissions() == 1


async def test_an_official_model_answers_at_once() -> None:
    def run(url: str) -> str:
        given = {"prompt": "a red house", "steps": 4, "output_format": "png"}
        with _client(url) as client:
            (output,) = client.run("stability-ai/stable-diffusion-3.5-large-turbo", input=given)
            return str(output)

    async with serve(fake := FakeReplicate()) as url:
        output = await anyio.to_thread.run_sync(run, url)
    name = output.partition("?")[0].rpartition("/")[2]
    assert fake.results.files[name][0].startswith(b"\x89PNG")


async def test_what_a_model_does_not_know_is_refused_in_its_words() -> None:
    async with serve(FakeReplicate()) as url:
        with _client(url) as client:
            ask = functools.partial(client.predictions.create, version=SDXL, input={"wishes": "a red house"})
            with pytest.raises(ReplicateError) as error:
                await anyio.to_thread.run_sync(ask)
    assert (error.value.status, "input.wishes" in (error.value.detail or "")) == (422, True)


async def test_work_is_cancelled() -> None:
    def cancel(url: str) -> str:
        with _client(url) as client:
            made = client.predictions.create(version=SDXL, input={"prompt": "a red house"})
            made.cancel()
            made.reload()
            return made.status

    async with serve(FakeReplicate()) as url:
        assert await anyio.to_thread.run_sync(cancel, url) == "canceled"


def test_what_the_fake_signs_the_client_finds_genuine() -> None:
    fake, body = FakeReplicate(), b'{"id": "x"}'
    headers = signed(fake.webhook_secret, body, 1_767_312_000)
    secret = WebhookSigningSecret(key=fake.webhook_secret)
    Webhooks.validate(headers=headers, body=body.decode(), secret=secret)
    with pytest.raises(ValueError, match="signature"):
        Webhooks.validate(headers=headers, body=body.decode() + " ", secret=secret)
