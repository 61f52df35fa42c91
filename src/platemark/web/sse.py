"""Server-sent events of one generation: complete snapshots with ids, resumable, and ended politely."""

import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import StreamingResponse

from platemark.core.base import JsonObject
from platemark.core.errors import FieldError, InvalidRequest, PlatemarkError
from platemark.core.event import Event
from platemark.core.generation import TERMINAL
from platemark.flows import look
from platemark.telemetry import STREAMS, logger
from platemark.web.auth import Call

log = logger(__name__)
HEARTBEAT_SECONDS = 15.0
# Notices wake us at once when the work is done in this process; another process's work is seen by looking.
_LOOK_AGAIN_SECONDS = 1.0
_RETRY_MS = 1000
LARGEST_ID = 2**63 - 1


def frame(event: Event, snapshot: JsonObject) -> bytes:
    """One event in the wire format."""
    data = json.dumps(snapshot, ensure_ascii=False, separators=(",", ":"))
    return f"id: {event.seq}\nevent: {event.type}\ndata: {data}\n\n".encode()


class Story:
    """Folds events into snapshots: each says where the generation stood after it, so that none has to be kept."""

    def __init__(self, generation: str, *, preview_url: str) -> None:
        self._preview_url = preview_url
        self._now: JsonObject = {"generation": generation, "status": "queued", "progress": None, "preview_url": None}

    @property
    def over(self) -> bool:
        """True when the last event has ended the generation."""
        return self._now["status"] in TERMINAL

    def tell(self, event: Event) -> JsonObject:
        """The snapshot after one more event, with the event's own fields."""
        if event.type.startswith("generation."):
            self._now["status"] = event.data.get("status", self._now["status"])
        if event.type == "generation.progress":
            self._now["progress"] = {name: event.data.get(name) for name in ("index", "done", "total")}
        if event.type == "generation.preview":
            self._now["preview_url"] = self._preview_url
        if self._now["status"] != "running":
            self._now |= {"progress": None, "preview_url": None}
        about: dict[str, Any] = {"type": event.type, "at": event.at.isoformat(), "image": event.image}
        return {**event.data, **self._now, **about}


async def events(call: Call, generation: str, after: int) -> AsyncIterator[bytes]:
    """Frames after event `after` until the generation has ended, the client leaves, or the server stops."""
    story, seen = Story(generation, preview_url=call.url(f"/v1/generations/{generation}/preview")), 0
    yield f"retry: {_RETRY_MS}\n\n".encode()
    breath = call.platform.clock.monotonic()
    while not call.stopping.asked:
        # What came before `after` is read as well: snapshots are complete from the first one on.
        found = await look.events(call.platform, call.principal, generation, seen)
        for event in found:
            seen, snapshot = event.seq, story.tell(event)
            if event.seq > after:
                yield frame(event, snapshot)
        now = call.platform.clock.monotonic()
        if found:
            breath = now
            continue
        if story.over:
            return
        if now - breath >= HEARTBEAT_SECONDS:
            breath = now
            yield b": still here\n\n"
        await call.stopping.cut_short(call.platform.notices.wait(generation, _LOOK_AGAIN_SECONDS))
    yield f": the server stops; connect again\nretry: {_RETRY_MS}\n\n".encode()


def stream(call: Call, generation: str, after: int) -> StreamingResponse:
    """The response. The generation must be the caller's: look it up before."""

    async def counted() -> AsyncIterator[bytes]:
        STREAMS.inc()
        try:
            async for chunk in events(call, generation, after):
                yield chunk
        except PlatemarkError as error:
            # The answer has begun: it can only end. The client connects again and meets the error itself.
            log.warning("stream.interrupted", generation=generation, code=error.code)
            yield b": interrupted; connect again\n\n"
        finally:
            STREAMS.dec()

    # Proxies that gather answers would turn a stream into one late answer.
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(counted(), 200, headers, "text/event-stream")


def start_after(query: int | None, header: str | None) -> int:
    """Where to go on: the larger of `?after=` and `Last-Event-ID`. Raises InvalidRequest for an id that is not ours."""
    if not header:
        return query or 0
    if not (header.isascii() and header.isdecimal() and len(header) < 20 and int(header) <= LARGEST_ID):
        message = "must be an id from this stream"
        raise InvalidRequest(
            f"Last-Event-ID {message}.",
            errors=[FieldError(pointer="/header/Last-Event-ID", code="wrong_form", message=message)],
        )
    return max(query or 0, int(header))
