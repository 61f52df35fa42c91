"""What the SDK's tests talk to: a scripted server behind httpx2.MockTransport, and time that only passes in sleeps."""

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2

from platemark.client import AsyncClient, Client, Retry
from platemark.client.drive import Nature
from platemark.client.retry import PATIENT

URL = "http://platemark.test:8460"
KEY = "pm_canary0123456789"
PIXELS = b"not really a picture"
Answer = httpx2.Response | httpx2.RequestError | Callable[[httpx2.Request], httpx2.Response]


@dataclass
class Script:
    """Answers requests with its answers in turn, the last one for ever, and remembers what was asked."""

    answers: list[Answer]
    seen: list[httpx2.Request] = field(default_factory=list[httpx2.Request])

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.seen.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, httpx2.RequestError):
            answer.request = request
            raise answer
        return answer(request) if callable(answer) else answer

    @property
    def asked(self) -> list[str]:
        return [f"{request.method} {request.url.path}" for request in self.seen]


@dataclass
class Time:
    """A clock that sleeping moves on."""

    seconds: float = 1000.0
    slept: list[float] = field(default_factory=list[float])

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.slept.append(seconds)

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)

    def nature(self, fraction: float = 1.0) -> Nature:
        return Nature(lambda: self.seconds, lambda: fraction, self.sleep, self.sleep_async)


def client(
    handler: Callable[[httpx2.Request], httpx2.Response], time: Time | None = None, retry: Retry = PATIENT
) -> Client:
    return Client(URL, KEY, transport=httpx2.MockTransport(handler), nature=(time or Time()).nature(), retry=retry)


def async_client(
    handler: Callable[[httpx2.Request], httpx2.Response], time: Time | None = None, retry: Retry = PATIENT
) -> AsyncClient:
    return AsyncClient(URL, KEY, transport=httpx2.MockTransport(handler), nature=(time or Time()).nature(), retry=retry)


def image(**changes: Any) -> dict[str, Any]:
    """An image as the API gives it."""
    return {
        "id": "img_1",
        "index": 0,
        "seed": 7,
        "width": 64,
        "height": 64,
        "media_type": "image/png",
        "sha256": hashlib.sha256(PIXELS).hexdigest(),
        "created_at": "2026-01-02T03:04:05Z",
        "url": f"{URL}/v1/images/img_1/content",
        "url_expires_at": None,
        "moderation": {"state": "allowed"},
        "inspection": None,
        "publication": None,
        "of_a_later_version": 1,
        **changes,
    }


def generation(status: str = "succeeded", **changes: Any) -> dict[str, Any]:
    """A generation as the API gives it."""
    return {
        "id": "gen_1",
        "status": status,
        "operation": "text_to_image",
        "model": "local/pocket",
        "requested_model": None,
        "lane": "interactive",
        "parameters": {"width": 64, "height": 64, "steps": 4, "cfg_scale": 7.0, "seed": 7, "n": 1},
        "warnings": [],
        "retry_at": None,
        "created_at": "2026-01-02T03:04:05Z",
        "finished_at": None,
        "needs_attention": False,
        "cost": {"status": "settled", "micro_usd": 0, "basis": "free", "of_a_later_version": True},
        "error": None,
        "images": [image()] if status == "succeeded" else [],
        "urls": {name: f"{URL}/{name}" for name in ("self", "events", "cancel", "record")},
        "of_a_later_version": {},
        **changes,
    }


def ok(body: Any, status: int = 200) -> httpx2.Response:
    return httpx2.Response(status, json=body)


def problem(code: str, status: int, *, headers: dict[str, str] | None = None, **members: Any) -> httpx2.Response:
    """A problem document."""
    body = {"type": f"/docs/errors#{code}", "title": code, "status": status, "detail": f"{code} happened", "code": code}
    content = json.dumps({**body, "request_id": "req_9", **members}).encode()
    return httpx2.Response(
        status, content=content, headers={"content-type": "application/problem+json", **(headers or {})}
    )


def stream(*chunks: bytes | httpx2.RequestError) -> httpx2.Response:
    """A `text/event-stream` answer that arrives in these chunks; an error breaks it off there."""

    class Body(httpx2.SyncByteStream, httpx2.AsyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            for chunk in chunks:
                if isinstance(chunk, httpx2.RequestError):
                    raise chunk
                yield chunk

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for chunk in self:
                yield chunk

    return httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=Body())


def event(id: int, type: str, **data: Any) -> bytes:
    """One event in the wire format."""
    return f"id: {id}\nevent: {type}\ndata: {json.dumps({'type': type, **data})}\n\n".encode()
