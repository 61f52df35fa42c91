"""Following one generation by its events, with resume; polling stays the authority."""

from collections.abc import Callable
from dataclasses import replace

import httpx2

from platemark.client.effects import Close, Emit, Sleep, Steps, Tell, next_chunk, now
from platemark.client.errors import Unreachable, json_object
from platemark.client.events import Event, Parser, Progress
from platemark.client.retry import Retry
from platemark.client.wire import Call, Server, perform
from platemark.core.errors import PlatemarkError
from platemark.core.resource import GenerationResource

Listener = Callable[[Progress], object]

# The server breathes more often than this, so silence means a dead connection.
SILENCE_SECONDS = 45.0
PAUSE_SECONDS = 0.25
# A stream that broke so often without a single event is given up.
STREAM_TRIES = 3


class Stream:
    """The events of one generation after `last_id`. Opened, and after a break opened again, by `next`."""

    def __init__(self, server: Server, generation: str, last_id: str = "") -> None:
        self.last_id = last_id
        self.broken: Exception | None = None
        self._server, self._path = server, f"/v1/generations/{generation}/events"
        self._response: httpx2.Response | None = None
        self._parser = Parser()

    def next(self) -> Steps[list[Event] | None]:
        """The next events, none where the server only breathed; None when the connection ended or broke.

        Raises the error of a server that refuses the stream.
        """
        try:
            if self._response is None:
                self._response, self._parser = (yield from self._open()), Parser()
            chunk = yield from next_chunk(self._response)
            found = None if chunk is None else list(self._parser.feed(chunk))
        except (httpx2.RequestError, ValueError) as error:
            self.broken, found = error, None
        if found is None:
            yield from self.close()
            return None
        self.last_id = next((event.id for event in reversed(found) if event.id), self.last_id)
        return found

    def close(self) -> Steps[None]:
        """Hang up."""
        if self._response is not None:
            yield Close(self._response)
            self._response = None

    def _open(self) -> Steps[httpx2.Response]:
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": self.last_id} if self.last_id else {})}
        call = Call("GET", self._path, headers=headers, repeatable=True, stream=True, read_timeout=SILENCE_SECONDS)
        response = yield from perform(self._server, call)
        if "text/event-stream" not in response.headers.get("content-type", ""):
            yield Close(response)
            raise Unreachable("The server answered the request for events with something else.")
        return response


def events(server: Server, generation: str, after: str | None) -> Steps[None]:
    """Emit every event after `after` until the generation has ended; a broken stream is taken up where it broke.

    Raises Unreachable when it breaks again and again without an event.
    """
    stream, tries_left = Stream(server, generation, after or ""), STREAM_TRIES
    while tries_left:
        found = yield from stream.next()
        if found is None:
            tries_left -= 1
            yield Sleep(PAUSE_SECONDS)
            continue
        for event in found:
            yield Emit(event)
        if found:
            tries_left = STREAM_TRIES
            if found[-1].last:
                yield from stream.close()
                return
    raise Unreachable(
        f"The events of {generation} break off again and again.", generation=generation
    ) from stream.broken


class Watch:
    """Tells a listener how one generation gets on."""

    def __init__(self, server: Server, generation: GenerationResource, listener: Listener | None) -> None:
        count = generation.parameters.get("n", 1)
        self._progress = Progress(generation.id, generation.status, count=count if isinstance(count, int) else 1)
        self._listener = listener
        # The loop around it polls and repeats, so that the stream itself need not be patient.
        self._stream = Stream(replace(server, retry=Retry(total=0)), generation.id)
        self._tries_left = STREAM_TRIES

    def tell(self) -> Steps[None]:
        """Hand the present progress to the listener."""
        if self._listener is not None:
            yield Tell(self._listener, self._progress)

    def polled(self, generation: GenerationResource) -> Steps[None]:
        """Tell a status that polling found."""
        if generation.status != self._progress.status:
            self._progress = replace(self._progress, status=generation.status, preview=False)
            yield from self.tell()

    def listen(self, left: float | None) -> Steps[bool]:
        """Hear events until one may have ended the wait: True. False when the stream has nothing (more) to say.

        Near the end of the caller's time it does not listen: a stream cannot be left at a given moment.
        """
        started = yield from now()
        while self._tries_left and (left is None or (yield from now()) - started < left - SILENCE_SECONDS):
            found = yield from self._next()
            if found is None:
                self._tries_left -= 1
                return False
            for event in found:
                yield from self._take(event)
            if found:
                self._tries_left = STREAM_TRIES
            if any(event.last or event.type == "review.opened" for event in found):
                return True
        yield from self._stream.close()
        return False

    def close(self) -> Steps[None]:
        """Hang up."""
        yield from self._stream.close()

    def _next(self) -> Steps[list[Event] | None]:
        # Whatever is wrong with the stream, polling is authoritative and meets the real error.
        try:
            return (yield from self._stream.next())
        except PlatemarkError:
            return None

    def _take(self, event: Event) -> Steps[None]:
        after = advance(self._progress, event)
        if after != self._progress or after.preview:
            self._progress = after
            yield from self.tell()


def advance(progress: Progress, event: Event) -> Progress:
    """The progress after an event; events are snapshots, so that a missed one does no harm."""
    status, steps = event.data.get("status"), json_object(event.data.get("progress")) or {}
    numbers = {name: steps[name] for name in ("index", "done", "total") if isinstance(steps.get(name), int)}
    return replace(
        progress,
        status=status if isinstance(status, str) else progress.status,
        preview=event.type == "generation.preview",
        **numbers,
    )
