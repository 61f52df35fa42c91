"""Asks a service that looks at texts or pictures: few retries within one deadline, and a pause while it is down."""

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import anyio
import anyio.to_thread
import httpx2

from platemark.core.ports import Clock
from platemark.telemetry import logger

log = logger(__name__)
MAX_REPLY_BYTES = 1024 * 1024
ATTEMPTS = 3
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 2.0
# Failures in a row after which a service is left alone, so that an outage does not cost every picture its deadline.
PATIENCE = 3
FIRST_PAUSE, LONGEST_PAUSE = 15.0, 300.0
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_CREDENTIAL = frozenset({401, 403})
_CODES = {402: "out_of_credit", 408: "timeout", 413: "too_large", 429: "rate_limited", 504: "timeout"}
File = tuple[str, bytes, str]


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `path` is below the base URL. Either `json`, or `form` with `files` (name to name, bytes, type).

    `elsewhere`: a whole URL in place of `path`, as of a store of theirs; it gets the bytes of `upload` with their type,
    never our credential, and no answer of it is read. A GET has no body.
    """

    path: str
    method: str = "POST"
    elsewhere: str | None = field(default=None, repr=False)
    upload: tuple[bytes, str] | None = field(default=None, repr=False)
    json: Any = field(default=None, repr=False)
    form: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    files: Mapping[str, File] = field(default_factory=dict[str, File], repr=False)
    query: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


class Refused(Exception):
    """No answer that can be used. `words` are ours: they repeat neither keys nor what was asked.

    `again`: worth another try, after `after` seconds. `outage`: it counts when the service is to be left alone; what
    somebody asks for must never do that. `code`: the same in one word, for programs.
    """

    def __init__(
        self,
        words: str,
        *,
        again: bool = False,
        after: float | None = None,
        outage: bool = True,
        code: str = "unreadable_answer",
    ) -> None:
        super().__init__(words)
        self.words, self.again, self.after, self.outage, self.code = words, again, after, outage, code


@dataclass
class Asking:
    """Calls to one service. `secret`: headers and form fields that prove who asks."""

    base_url: str
    client: httpx2.AsyncClient = field(repr=False)
    clock: Clock
    fraction: Callable[[], float] = field(repr=False)
    seconds: float
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    fields: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    _failures: int = 0
    _pause: float = 0.0
    _asked_again_at: float = 0.0

    async def ask(self, call: Call) -> Any:
        """The JSON of the answer. Raises Refused."""
        self._enter()
        try:
            with anyio.fail_after(self.seconds):
                body = await self._tried(call)
        except TimeoutError:
            self._failed()
            raise Refused(f"it gave no answer within {self.seconds:g} s", code="timeout") from None
        except Refused as refused:
            if refused.outage:
                self._failed()
            raise
        self._failures, self._pause = 0, 0.0
        return body

    async def _tried(self, call: Call) -> Any:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._once(call)
            except Refused as refused:
                if not refused.again or attempt == ATTEMPTS:
                    raise
                wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2**attempt) * (0.5 + self.fraction() / 2)
                if max(wait, refused.after or 0.0) >= self.seconds:
                    # It asks for more time than there is.
                    raise
                await self.clock.sleep(max(wait, refused.after or 0.0))
        raise AssertionError("the last attempt returns or raises")

    async def _once(self, call: Call) -> Any:
        try:
            url = call.elsewhere or f"{self.base_url}{call.path}"
            async with self.client.stream(call.method, url, **self._options(call)) as response:
                body = await _read(response)
        except httpx2.TimeoutException:
            raise Refused("it took too long", again=True, code="timeout") from None
        except (httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL) as error:
            broke = f"the connection broke: {type(error).__name__}"
            raise Refused(broke, again=True, code="connection_failed") from None
        status = response.status_code
        if not 200 <= status < 300:
            if call.elsewhere and status in _CREDENTIAL:
                # It never got ours.
                raise Refused(f"its store did not take the picture ({status})", outage=False, code="refused")
            raise _refusal(status, response.headers.get("retry-after"))
        if call.elsewhere:
            return None
        try:
            return await anyio.to_thread.run_sync(json.loads, body)
        except (ValueError, RecursionError):
            raise Refused("its answer is no JSON") from None

    def _options(self, call: Call) -> dict[str, Any]:
        if call.elsewhere:
            data, media_type = call.upload or (b"", "application/octet-stream")
            return {"content": data, "headers": {"content-type": media_type}}
        options: dict[str, Any] = {"headers": dict(self.headers), "params": dict(call.query) or None}
        if call.method == "GET":
            return options
        if call.json is not None:
            return options | {"json": call.json}
        # A field as a part without a file name: so the body is multipart also where there is no file.
        fields = [(name, (None, value.encode(), None)) for name, value in {**self.fields, **call.form}.items()]
        return options | {"files": [*fields, *call.files.items()]}

    def _enter(self) -> None:
        if not self._pause:
            return
        left = self._asked_again_at - self.clock.monotonic()
        if left > 0:
            failed = f"it failed {self._failures} times in a row and is left alone for {left:.0f} s more"
            raise Refused(failed, code="paused")
        # This call finds out; those that come until its answer wait for the next pause.
        self._asked_again_at = self.clock.monotonic() + self._pause

    def _failed(self) -> None:
        self._failures += 1
        if self._failures >= PATIENCE:
            self._pause = min(LONGEST_PAUSE, self._pause * 2 or FIRST_PAUSE)
            self._asked_again_at = self.clock.monotonic() + self._pause
            log.warning("remote_detector.paused", failures=self._failures, seconds=self._pause)


def _refusal(status: int, after: str | None) -> Refused:
    if status in _CREDENTIAL:
        return Refused(f"it refused our credential ({status})", code="credential_refused")
    wait = float(after) if after is not None and after.isdecimal() else None
    busy = status in _BUSY
    code = _CODES.get(status, "unavailable" if busy or status >= 500 else "refused")
    return Refused(f"it answered with status {status}", again=busy, after=wait, outage=busy or status >= 500, code=code)


async def _read(response: httpx2.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_REPLY_BYTES:
            raise Refused(f"its answer has more than {MAX_REPLY_BYTES} bytes")
    return bytes(body)


@asynccontextmanager
async def open_client(seconds: float) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client that reads no environment, follows no redirect and keeps no cookie."""

    def make() -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            # Below the deadline of a call, so that there is time for another try.
            timeout=seconds * 0.6,
            trust_env=False,
            follow_redirects=False,
            headers={"user-agent": "platemark", "accept-encoding": "identity"},
        )

    # In a thread: the first client reads the system's certificates.
    async with await anyio.to_thread.run_sync(make) as client:
        yield client


def as_object(value: Any) -> Mapping[str, Any]:
    """A JSON object. Raises Refused for anything else."""
    if not isinstance(value, dict):
        raise Refused("its answer has another shape than is known here")
    return cast("Mapping[str, Any]", value)


def as_list(value: Any) -> list[Any]:
    """A JSON list. Raises Refused for anything else."""
    if not isinstance(value, list):
        raise Refused("its answer has another shape than is known here")
    return cast("list[Any]", value)


def as_number(value: Any) -> float:
    """A finite number. Raises Refused for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e9 < value < 1e9:
        raise Refused("its answer has something else where a number was expected")
    return float(value)
