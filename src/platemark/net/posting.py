"""Sends releases to hosts that the operator configured: bounded in time and bytes, following nowhere."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import anyio
import anyio.to_thread
import httpx2

from platemark.core.errors import DeliveryFailed, DeliveryUnavailable

MAX_REPLY_BYTES = 1024 * 1024
# They may pass: too early, too many, a server that is not well.
_PASSING = frozenset({408, 425, 429})
_LONGEST_WAIT = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer. Names of `headers` are in lower case; `data` is the body as JSON, None where it is none."""

    status: int
    headers: Mapping[str, str]
    data: Any = field(repr=False)


@dataclass(frozen=True)
class Host:
    """One configured address. `name` is the target's, for messages; `seconds` bounds one whole call."""

    name: str
    base_url: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    seconds: float = 30.0

    @cached_property
    def _base(self) -> httpx2.URL:
        return httpx2.URL(self.base_url.rstrip("/"))

    async def send(
        self,
        method: str,
        path: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        query: Mapping[str, str] | None = None,
        fine: tuple[int, ...] = (),
    ) -> Reply:
        """The answer, if it is a good one or its status is in `fine`. Raises DeliveryFailed, DeliveryUnavailable."""
        url = httpx2.URL(str(self._base) + path, params=dict(query)) if query else httpx2.URL(str(self._base) + path)
        try:
            with anyio.fail_after(self.seconds):
                reply = await self._ask(method, url, {**self.headers, **(headers or {})}, content)
        except TimeoutError:
            raise DeliveryUnavailable(f"{self.name} did not answer within {self.seconds:g} seconds.") from None
        except (httpx2.HTTPError, OSError) as error:
            # Without the original, which may quote the address with what stands in it.
            raise DeliveryUnavailable(f"{self.name} cannot be reached ({type(error).__name__}).") from None
        return reply if reply.status in fine else self._good(reply)

    async def _ask(self, method: str, url: httpx2.URL, headers: Mapping[str, str], content: bytes | None) -> Reply:
        # A transport instead of a client: no cookies, no proxies, no redirects, no environment, no log of the URL.
        transport = await anyio.to_thread.run_sync(_transport, url.scheme == "https")
        request = httpx2.Request(
            method,
            url,
            headers={"user-agent": "platemark", "accept": "application/json", **headers},
            content=content,
            extensions={"timeout": httpx2.Timeout(self.seconds).as_dict()},
        )
        async with transport:
            response = await transport.handle_async_request(request)
            try:
                body = await self._read(response)
            finally:
                await response.aclose()
        return Reply(response.status_code, {k.lower(): v for k, v in response.headers.items()}, _json(body, response))

    async def _read(self, response: httpx2.Response) -> bytes:
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > MAX_REPLY_BYTES:
                raise DeliveryFailed(f"{self.name} answered with more than {MAX_REPLY_BYTES} bytes. Check its address.")
        return bytes(body)

    def _good(self, reply: Reply) -> Reply:
        if 200 <= reply.status < 300:
            return reply
        if reply.status in _PASSING or reply.status >= 500:
            raise DeliveryUnavailable(f"{self.name} answered with status {reply.status}.", retry_after=_wait_of(reply))
        advice = {
            401: "Check its user and secret.",
            403: "Check what its user may do.",
            404: "Check its address.",
        }.get(reply.status, "Check its address and configuration.")
        raise DeliveryFailed(f"{self.name} answered with status {reply.status}. {advice}")


def _json(body: bytes, response: httpx2.Response) -> Any:
    if "json" not in response.headers.get("content-type", ""):
        return None
    try:
        return httpx2.Response(200, content=body).json()
    except (ValueError, RecursionError):
        return None


def _wait_of(reply: Reply) -> float | None:
    said = reply.headers.get("retry-after", "")
    return min(float(said), _LONGEST_WAIT) if said.isdecimal() else None


def _transport(tls: bool) -> httpx2.AsyncHTTPTransport:
    return httpx2.AsyncHTTPTransport(verify=_system_tls() if tls else False, trust_env=False)


@cache
def _system_tls() -> ssl.SSLContext:
    return ssl.create_default_context()
