"""Fetches a URL that somebody else chose: pinned to a checked address, bounded in size and time, telling nothing."""

import ssl
import zlib
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache

import anyio
import anyio.to_thread
import httpx2

from platemark.core.errors import FetchRefused
from platemark.net.addresses import Resolver, Target, check_url, pin_addresses, resolve_host

MAX_REDIRECTS = 5
_MAX_ADDRESSES = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# What object stores answer for a file that was put there without a type; the bytes are sniffed anyway.
_UNTYPED = frozenset({"", "application/octet-stream", "binary/octet-stream"})


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came. `media_type` is the server's word, not checked. `final_url` may carry a signature: never log it."""

    data: bytes = field(repr=False)
    media_type: str
    final_url: str = field(repr=False)


async def fetch(
    url: str,
    *,
    allowed_hosts: Collection[str] = (),
    max_bytes: int,
    seconds: float,
    media_prefix: str = "image/",
    resolve: Resolver = resolve_host,
    tls: ssl.SSLContext | None = None,
) -> Fetched:
    """The body behind an https URL. `seconds` bounds everything together, `max_bytes` also what a body unpacks to.

    Only public addresses, unless the operator allows the host; up to 5 redirects, each checked like the first URL.
    Raises FetchRefused for all that goes wrong.
    """
    tls = tls or await anyio.to_thread.run_sync(_system_tls)
    host = "The URL's host"
    try:
        with anyio.fail_after(seconds):
            for _ in range(MAX_REDIRECTS + 1):
                target = check_url(url, allowed_hosts)
                host = target.host
                async with _open(target, resolve, tls, seconds) as response:
                    if response.status_code not in _REDIRECTS:
                        media_type = _check_answer(response, host, media_prefix)
                        return Fetched(await _read(response, max_bytes), media_type, str(target.url))
                    url = _next_url(response, target)
    except TimeoutError as error:
        raise FetchRefused(f"{host} did not deliver within {seconds:g} seconds. Send the image itself.") from error
    except httpx2.HTTPError as error:
        raise FetchRefused(f"{host} could not be read ({type(error).__name__}). Check the URL.") from error
    raise FetchRefused(f"{host} redirects more than {MAX_REDIRECTS} times. Use the final URL.")


@asynccontextmanager
async def _open(
    target: Target, resolve: Resolver, tls: ssl.SSLContext, seconds: float
) -> AsyncGenerator[httpx2.Response]:
    # A transport instead of a client: no cookies, no proxies, no environment, and no log line with the URL in it.
    # In a thread, because the first one imports half of httpx2.
    async with await anyio.to_thread.run_sync(_transport, tls) as transport:
        response = await _connect(transport, target, await pin_addresses(target, resolve), seconds)
        try:
            yield response
        finally:
            await response.aclose()


async def _connect(
    transport: httpx2.AsyncHTTPTransport, target: Target, addresses: list[str], seconds: float
) -> httpx2.Response:
    timeout = httpx2.Timeout(seconds).as_dict()
    for number, address in enumerate(addresses[:_MAX_ADDRESSES], start=1):
        request = httpx2.Request(
            "GET",
            # The checked address is what is connected to; the name stays in the Host header and in TLS.
            target.url.copy_with(host=address, port=target.port),
            headers={
                "host": target.authority,
                "accept": "image/*, */*;q=0.1",
                "accept-encoding": "identity",
                "user-agent": "platemark",
            },
            extensions={"timeout": timeout, "sni_hostname": target.host},
        )
        try:
            return await transport.handle_async_request(request)
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            if number == min(len(addresses), _MAX_ADDRESSES):
                raise
    raise AssertionError("pin_addresses returns at least one address")


def _next_url(response: httpx2.Response, target: Target) -> str:
    location = response.headers.get("location")
    if not location:
        raise FetchRefused(f"{target.host} redirects without saying where to. Use the final URL.")
    try:
        return str(target.url.join(location))
    except (httpx2.InvalidURL, ValueError) as error:
        raise FetchRefused(f"{target.host} redirects to something that is not a URL. Use the final URL.") from error


def _check_answer(response: httpx2.Response, host: str, media_prefix: str) -> str:
    if response.status_code != 200:
        raise FetchRefused(f"{host} answered with status {response.status_code}. Check that the URL is public.")
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not media_type.startswith(media_prefix) and media_type not in _UNTYPED:
        raise FetchRefused(f"{host} sent {media_type[:80]!r} where {media_prefix}… was expected. Check the URL.")
    return media_type


async def _read(response: httpx2.Response, max_bytes: int) -> bytes:
    unpack = _Unpacker(response.headers.get("content-encoding", "identity"), max_bytes)
    body = bytearray()
    received = 0
    async for chunk in response.aiter_raw():
        received += len(chunk)
        body += unpack.feed(chunk, len(body))
        if max(received, len(body)) > max_bytes:
            raise FetchRefused(f"There are more than the {max_bytes} bytes that are accepted. Send a smaller image.")
    unpack.end()
    return bytes(body)


class _Unpacker:
    """Undoes gzip and deflate, never making more than one byte beyond the limit."""

    def __init__(self, encoding: str, limit: int) -> None:
        encoding = encoding.strip().lower()
        if encoding not in ("identity", "", "gzip", "x-gzip", "deflate"):
            raise FetchRefused(
                f"The answer is packed as {encoding[:40]!r}, which is not read here. Send the image itself."
            )
        # 47: gzip or zlib by their headers.
        self._stream = None if encoding in ("identity", "") else zlib.decompressobj(47)
        self._limit = limit

    def feed(self, chunk: bytes, made: int) -> bytes:
        if self._stream is None:
            return chunk
        try:
            return self._stream.decompress(chunk, self._limit - made + 1)
        except zlib.error as error:
            raise FetchRefused("The packed answer is broken. Send the image itself.") from error

    def end(self) -> None:
        if self._stream is not None and not self._stream.eof:
            raise FetchRefused("The packed answer is cut off. Send the image itself.")


def _transport(tls: ssl.SSLContext) -> httpx2.AsyncHTTPTransport:
    return httpx2.AsyncHTTPTransport(verify=tls, trust_env=False)


@cache
def _system_tls() -> ssl.SSLContext:
    return ssl.create_default_context()
