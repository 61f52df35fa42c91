"""A fake vendor as a server: what all of them share, and the ways in which connections and HTTP go wrong."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Protocol

import anyio
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from platemark.simulate.board import COMMON, TROUBLES, Switchboard

CONTROL = "/_simulate"
# What the forms of 429 ask for, in seconds.
ASKED_TO_WAIT = 7
_DRIP_SECONDS = 0.05
_HUGE = 300 * 1024 * 1024
_CHUNK = 256 * 1024


class Fake(Protocol):
    """One vendor's server. `troubles`: the ways to go wrong that it knows."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def board(self) -> Switchboard: ...  # noqa: D102
    @property
    def troubles(self) -> frozenset[str]: ...  # noqa: D102
    @property
    def app(self) -> ASGIApp: ...  # noqa: D102

    def error(self, status: int, retry_after: int | None = None) -> Response:
        """The vendor's body for a status; with `retry_after` said inside it, in the vendor's words."""
        ...


@dataclass(frozen=True)
class Misbehaving:
    """The fake's application behind its switchboard, which users reach at `POST /_simulate`."""

    fake: Fake

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or go wrong as the switchboard says."""
        if scope["type"] == "websocket":
            await self.fake.app(scope, receive, send)
        if scope["type"] != "http":
            return
        if scope["path"] == CONTROL:
            await (await _control(self.fake.board, Request(scope, receive)))(scope, receive, send)
            return
        method = scope["method"]
        self.fake.board.calls.append((method, scope["path"]))
        trouble = self.fake.board.take(method, *COMMON)
        if trouble is None:
            await self.fake.app(scope, receive, send)
        elif trouble in _RAW:
            await _RAW[trouble](self.fake, scope, receive, send)
        else:
            await _drain(receive)
            await _answer(self.fake, trouble)(scope, receive, send)


async def _control(board: Switchboard, request: Request) -> Response:
    """`{"trouble": name, "times": n}`; `{"trouble": name, "always": true}`; `{"trouble": null}` ends it all."""
    said: dict[str, Any] = await request.json()
    name, method = said.get("trouble"), said.get("method", "POST")
    if name is not None and name not in TROUBLES:
        return JSONResponse({"error": f"There is no trouble {name!r}.", "troubles": TROUBLES}, 422)
    if name is None:
        board.troubles.clear()
        board.from_now_on(None)
    elif said.get("always"):
        board.from_now_on(name, method=method)
    else:
        board.next(name, times=int(said.get("times", 1)), method=method)
    return JSONResponse({"calls": board.calls, "waiting": [trouble.name for trouble in board.troubles]})


def _answer(fake: Fake, trouble: str) -> Response:
    if trouble == "wrong_type":
        return Response("<html><body>Welcome</body></html>", media_type="text/html")
    if trouble.startswith("error_"):
        return fake.error(int(trouble.removeprefix("error_")))
    if trouble == "rate_limited_body":
        return fake.error(429, ASKED_TO_WAIT)
    response = fake.error(429)
    if trouble == "rate_limited_seconds":
        response.headers["retry-after"] = str(ASKED_TO_WAIT)
    if trouble == "rate_limited_date":
        now = datetime.now(UTC)
        response.headers["date"] = format_datetime(now, usegmt=True)
        response.headers["retry-after"] = format_datetime(now + timedelta(seconds=ASKED_TO_WAIT), usegmt=True)
    return response


async def _drain(receive: Receive) -> None:
    while (message := await receive())["type"] == "http.request" and message.get("more_body"):
        pass


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _timeout(fake: Fake, scope: Scope, receive: Receive, send: Send) -> None:
    """Never an answer, until the caller goes."""
    await _until_gone(receive)


async def _reset(fake: Fake, scope: Scope, receive: Receive, send: Send) -> None:
    await _drain(receive)
    _abort(receive)


async def _drip(fake: Fake, scope: Scope, receive: Receive, send: Send) -> None:
    """A picture that comes byte by byte, so that something always comes and nothing ever ends."""
    await _drain(receive)
    gone = asyncio.ensure_future(_until_gone(receive))
    try:
        await send(_start(200, "image/png", 1_000_000))
        while not gone.done():
            await send({"type": "http.response.body", "body": b"\x89", "more_body": True})
            await asyncio.sleep(_DRIP_SECONDS)
    finally:
        gone.cancel()


async def _truncated(fake: Fake, scope: Scope, receive: Receive, send: Send) -> None:
    """The real answer up to its middle, then the end of the connection."""

    async def half(message: Message) -> None:
        if message["type"] == "http.response.body":
            body = message.get("body", b"")
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            await asyncio.sleep(0)
            _close(receive)
        else:
            await send(message)

    await fake.app(scope, receive, half)


async def _huge(fake: Fake, scope: Scope, receive: Receive, send: Send) -> None:
    await _drain(receive)
    gone = asyncio.ensure_future(_until_gone(receive))
    try:
        await send(_start(200, "image/png", _HUGE))
        for _ in range(_HUGE // _CHUNK):
            if gone.done():
                return
            await send({"type": "http.response.body", "body": bytes(_CHUNK), "more_body": True})
    finally:
        gone.cancel()


def _start(status: int, media_type: str, length: int) -> Message:
    headers = [(b"content-type", media_type.encode()), (b"content-length", str(length).encode())]
    return {"type": "http.response.start", "status": status, "headers": headers}


def _transport(receive: Receive) -> asyncio.Transport:
    # ASGI has no word for a broken connection; uvicorn's `receive` belongs to the object that holds it.
    return getattr(receive, "__self__").transport  # noqa: B009


def _abort(receive: Receive) -> None:
    _transport(receive).abort()


def _close(receive: Receive) -> None:
    _transport(receive).close()


_Raw = Callable[[Fake, Scope, Receive, Send], Awaitable[None]]
_RAW: dict[str, _Raw] = {
    "timeout": _timeout,
    "reset": _reset,
    "slow_drip": _drip,
    "truncated": _truncated,
    "huge_body": _huge,
}


class _Server(uvicorn.Server):
    """Leaves the signals of its process alone."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@asynccontextmanager
async def serve(fake: Fake, *, host: str = "127.0.0.1", port: int = 0) -> AsyncGenerator[str]:
    """The fake's base URL, for as long as the block runs."""
    config = uvicorn.Config(
        Misbehaving(fake),
        host=host,
        port=port,
        log_level="critical",
        lifespan="off",
        ws="wsproto",
        timeout_graceful_shutdown=1,
        # The fake says itself what time it is, where that matters.
        date_header=False,
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve())
    try:
        while not server.started:
            if running.done():
                await running
                raise OSError(f"the fake of {fake.name} cannot listen on {host}:{port}")
            await asyncio.sleep(0.005)
        yield f"http://{host}:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        # Also when the block was cancelled: the port is given back.
        with anyio.CancelScope(shield=True):
            await running
