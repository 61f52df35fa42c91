"""The fake against fal's own Python client: so that fake and adapter are not wrong together."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import anyio.to_thread
import fal_client
import httpx
import pytest

from platemark.simulate.contract import KEY
from platemark.simulate.fal import FakeFal
from platemark.simulate.server import serve

pytestmark = pytest.mark.anyio
T = TypeVar("T")
GIVEN = {"prompt": "a red house", "image_size": {"width": 512, "height": 256}, "num_images": 1, "seed": 7}


class Here(httpx.BaseTransport):
    """Leads every call to the fake: the client speaks https to the vendor's own host only."""

    def __init__(self, url: str) -> None:
        self.port = urlsplit(url).port
        self.inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=self.port)
        return self.inner.handle_request(request)

    def close(self) -> None:
        self.inner.close()


@contextmanager
def _client(url: str) -> Generator[fal_client.SyncClient]:
    client = fal_client.SyncClient(key=KEY)
    with httpx.Client(transport=Here(url), headers={"authorization": f"Key {KEY}"}) as inner:
        # The client keeps its connection under this name and takes none from outside.
        client.__dict__["_client"] = inner
        yield client


async def _with_client(url: str, work: Callable[[fal_client.SyncClient], T]) -> T:
    def run() -> T:
        with _client(url) as client:
            return work(client)

    return await anyio.to_thread.run_sync(run)


async def test_a_request_goes_through_the_queue() -> None:
    def draw(client: fal_client.SyncClient) -> tuple[list[str], Any]:
        handle = client.submit("fal-ai/fast-sdxl", GIVEN)
        states = [type(state).__name__ for state in handle.iter_events(interval=0.01)]
        return states, handle.get(interval=0.01)

    async with serve(fake := FakeFal()) as url:
        states, result = await _with_client(url, draw)
    assert states == ["Queued", "InProgress", "Completed"]
    assert (result["seed"], result["images"][0]["width"]) == (7, 512)
    assert fake.board.submissions() == 1


async def test_what_a_model_does_not_take_shows_in_the_result() -> None:
    def draw(client: fal_client.SyncClient) -> Any:
        return client.submit("fal-ai/fast-sdxl", {"wishes": "a red house"}).get(interval=0.01)

    async with serve(FakeFal()) as url:
        with pytest.raises(fal_client.FalClientHTTPError) as error:
            await _with_client(url, draw)
    assert (error.value.status_code, "wishes" in str(error.value)) == (422, True)


async def test_a_request_is_cancelled_at_the_address_of_its_application() -> None:
    def cancel(client: fal_client.SyncClient) -> None:
        id = client.submit("fal-ai/fast-sdxl/image-to-image", GIVEN).request_id
        # It builds the address anew, without the part after the alias.
        client.cancel("fal-ai/fast-sdxl/image-to-image", id)

    async with serve(fake := FakeFal()) as url:
        await _with_client(url, cancel)
    assert [job.canceled for job in fake.jobs.values()] == [True]
