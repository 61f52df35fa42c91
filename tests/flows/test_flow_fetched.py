"""Sources by URL, through the real fetcher as it is wired: only hosts that the operator allows are private."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pictures import encoded, house
from platemark.core.errors import FetchRefused, InvalidRequest
from platemark.core.ports import Query
from platemark.flows import look
from workbench import Bench, open_bench

PNG = encoded(house(64))


def answer(status: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@asynccontextmanager
async def serving(reply: Callable[[str, int], bytes]) -> AsyncGenerator[int]:
    """A server of this machine; `reply` gives the answer to a path, and knows the port."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        writer.write(reply(request.split()[1].decode(), port))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = int(server.sockets[0].getsockname()[1])
    async with server:
        yield port


def pages(path: str, port: int) -> bytes:
    return {
        "/house.png": answer("200 OK", "Content-Type: image/png", body=PNG),
        "/page.html": answer("200 OK", "Content-Type: text/html", body=b"<html>"),
        "/inside": answer("302 Found", f"Location: http://localhost:{port}/house.png"),
        "/metadata": answer("302 Found", "Location: https://169.254.169.254/latest/meta-data"),
        "/large": answer("200 OK", "Content-Type: image/png", body=b"\0" * 200_000),
    }[path]


@pytest.fixture
async def allowing(tmp_path: Path) -> AsyncGenerator[Bench]:
    async with open_bench(tmp_path / "data", allowed_hosts=("127.0.0.1",), max_image_bytes=100_000) as opened:
        yield opened


async def ask(bench: Bench, url: str) -> str:
    made = await bench.make(model="scripted/studio", operation="upscale", image=url)
    assert made.status == "succeeded"
    return made.inputs[0].image


async def test_a_host_that_the_operator_allows_is_read(allowing: Bench) -> None:
    async with serving(pages) as port:
        id = await ask(allowing, f"http://127.0.0.1:{port}/house.png")
    image = await look.image(allowing.platform, allowing.caller, id)
    assert (image.origin, image.width, image.height) == ("uploaded", 64, 64)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("inside", "Only https"),
        ("metadata", "not a public address"),
        ("page.html", "'text/html'"),
        ("large", "100000 bytes"),
    ],
)
async def test_what_lies_behind_a_url_is_checked_at_every_step(allowing: Bench, path: str, words: str) -> None:
    async with serving(pages) as port:
        with pytest.raises(FetchRefused, match=words) as caught:
            await ask(allowing, f"http://127.0.0.1:{port}/{path}")
    assert [(error.pointer, error.code) for error in caught.value.errors] == [("/image", "fetch_refused")]
    assert (await look.images(allowing.platform, allowing.caller, Query(allowing.caller.project))).data == ()


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/house.png",
        "https://10.0.0.1/house.png",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/house.png",
        "https://0x7f000001/house.png",
        "http://example.org/house.png",
        "https://user:password@example.org/house.png",
        "https://example.org:8443/house.png",
    ],
)
async def test_p9_a_private_address_is_refused_before_anything_is_sent(bench: Bench, url: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await bench.ask(model="scripted/studio", operation="upscale", image=url)
    assert isinstance(caught.value, FetchRefused)
    assert "password" not in caught.value.detail.replace("user name or password", "")
    assert [error.pointer for error in caught.value.errors] == ["/image"]
