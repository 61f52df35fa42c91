"""The frame around every request: its id, log line and metrics, `HEAD`, and the net under unforeseen errors."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import cast

import structlog
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from platemark.core.errors import InvalidRequest, MalformedBody, MethodNotAllowed, NotFound, PlatemarkError
from platemark.core.ports import Clock, Ids
from platemark.telemetry import REQUEST_SECONDS, REQUESTS, logger, span
from platemark.web import problems, validation

log = logger(__name__)
_SANE_ID = re.compile(r"[A-Za-z0-9._~:/+=@-]{1,128}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Asked every few seconds by machines: worth a metric, not a line.
_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
_EXCHANGE = "platemark.exchange"


@dataclass(slots=True)
class Exchange:
    """What belongs to one request and its answer: the id, and headers that every answer to it carries."""

    request_id: str
    headers: dict[str, str] = field(default_factory=dict[str, str])


def exchange_of(request: Request) -> Exchange:
    """The exchange that the frame opened."""
    exchange: Exchange = request.scope[_EXCHANGE]
    return exchange


class RequestFrame:
    """Pure ASGI middleware; the outermost of ours."""

    def __init__(self, app: ASGIApp, *, ids: Ids, clock: Clock) -> None:
        self._app = app
        self._ids = ids
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Frame one HTTP request; anything else is passed on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(self._request_id(Headers(scope=scope)))
        # A HEAD request is answered as GET; the server leaves the body away.
        method: str = "GET" if scope["method"] == "HEAD" else scope["method"]
        inner: Scope = {**scope, _EXCHANGE: exchange, "method": method}
        answer = _Answer(send, exchange, bodiless=scope["method"] == "HEAD")
        started = self._clock.monotonic()
        with structlog.contextvars.bound_contextvars(request_id=exchange.request_id):
            with span("http.request", method=method, request_id=exchange.request_id):
                await self._guarded(inner, receive, answer)
            _note(scope["method"], inner, answer.status, self._clock.monotonic() - started)

    def _request_id(self, headers: Headers) -> str:
        given = headers.get("x-request-id", "")
        return given if _SANE_ID.fullmatch(given) else self._ids.new("req")

    async def _guarded(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        try:
            await self._app(scope, receive, answer.send)
        except ClientDisconnect:
            log.info("request.abandoned")
        except Exception as error:
            ours = ours_in(error)
            if ours is None:
                log.exception("request.failed")
            if answer.status is None:
                response = problems.answer(ours or unforeseen(), request_id=answer.exchange.request_id)
                await response(scope, receive, answer.send)


class _Answer:
    """Passes an answer on, with the headers of its exchange."""

    def __init__(self, send: Send, exchange: Exchange, *, bodiless: bool) -> None:
        self._send = send
        self._bodiless = bodiless
        self.exchange = exchange
        self.status: int | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            headers["X-Request-Id"] = self.exchange.request_id
            headers["X-Content-Type-Options"] = "nosniff"
            headers.update(self.exchange.headers)
            await self._send(message)
            if self._bodiless:
                await self._send({"type": "http.response.body", "body": b""})
        elif not self._bodiless:
            await self._send(message)


def _note(method: str, scope: Scope, status: int | None, seconds: float) -> None:
    # The template, never the path: ids would make a metric without end, and queries may hold signatures.
    route = getattr(scope.get("route"), "path", "unmatched")
    name = method if method in _METHODS else "other"
    REQUESTS.labels(name, route, str(status or "none")).inc()
    REQUEST_SECONDS.labels(name, route).observe(seconds)
    write = log.debug if route in _PROBES else log.info
    write("request.answered", method=name, route=route, status=status, ms=round(seconds * 1000, 1))


def unforeseen() -> PlatemarkError:
    """What a caller is told about an error that nobody foresaw."""
    return PlatemarkError(
        "This is our fault, not yours. Try again; if it stays, tell the people who run this service the request id."
    )


def ours_in(error: BaseException) -> PlatemarkError | None:
    """Our error, also where a task group wrapped it."""
    if isinstance(error, BaseExceptionGroup):
        inside = cast("tuple[BaseException, ...]", error.exceptions)  # pyright: ignore[reportUnknownMemberType]
        return ours_in(inside[0]) if len(inside) == 1 else None
    return error if isinstance(error, PlatemarkError) else None


def handlers(
    allowed: Callable[[str], list[str]],
) -> dict[int | type[Exception], Callable[[Request, Exception], Awaitable[Response]]]:
    """Exception handlers for the app. `allowed` gives the methods that an address takes."""

    async def answer(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException) and error.status_code == 405:
            methods = allowed(request.scope["path"])
            if request.method == "OPTIONS":
                return Response(status_code=204, headers={"Allow": ", ".join(methods)})
            response = problems.answer(_translate(error, request, methods), request_id=exchange_of(request).request_id)
            response.headers["Allow"] = ", ".join(methods)
            return response
        return problems.answer(_translate(error, request), request_id=exchange_of(request).request_id)

    return {PlatemarkError: answer, HTTPException: answer, RequestValidationError: answer}


def _translate(error: Exception, request: Request, methods: list[str] | None = None) -> PlatemarkError:
    match error:
        case PlatemarkError():
            return error
        case RequestValidationError():
            return validation.refuse(error.errors())
        case HTTPException(status_code=405):
            return MethodNotAllowed(f"Use {' or '.join(methods or [])} here, not {request.method[:20]}.")
        case HTTPException(status_code=404):
            return NotFound("There is no such address. /openapi.json lists those there are.")
        case HTTPException(status_code=400):
            return MalformedBody("The request cannot be read. Check its form and send it again.")
        case _:
            return InvalidRequest("The request cannot be accepted as it is.")
