"""Server-sent events: a parser that is fed bytes, the events themselves, and the progress they tell."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from platemark.client.errors import json_object
from platemark.core.base import JsonObject
from platemark.core.event import ENDINGS

# An event holds ids, states and numbers; more than this is not from our server.
MAX_EVENT_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Event:
    """One fact about a generation. `id` resumes the stream after it; `data` says where the generation stood then.

    >>> for event in client.generations.events(generation.id):
    ...     print(event.id, event.type, event.data)
    """

    id: str
    type: str
    data: JsonObject = field(default_factory=dict[str, Any])

    @property
    def last(self) -> bool:
        """True when the generation has ended with it."""
        return self.type in ENDINGS


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a generation is: `done` of `total` steps of picture `index` (of `count`).

    `status` is its status as far as the events have told; `preview` is True when a new preview can be fetched with
    `client.generations.preview(generation)`.
    """

    generation: str
    status: str
    index: int = 0
    count: int = 1
    done: int = 0
    total: int = 0
    preview: bool = False

    @property
    def fraction(self) -> float:
        """0 to 1, over all pictures."""
        within = self.done / self.total if self.total else 0.0
        return min(1.0, (self.index + within) / max(1, self.count))


class Parser:
    """Turns the bytes of one `text/event-stream` into events, however the bytes are cut."""

    def __init__(self) -> None:
        self._rest = b""
        self._id = ""
        self._type = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Events that are complete now. Raises ValueError for one that is too large or not JSON."""
        # A CR at the very end may be half of a CRLF: it is judged with the next chunk.
        text = self._rest + chunk
        held = text[-1:] if text.endswith(b"\r") else b""
        lines = text[: len(text) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = lines.pop() + held
        if len(self._rest) + sum(map(len, self._data)) > MAX_EVENT_BYTES:
            raise ValueError(f"a server-sent event is larger than {MAX_EVENT_BYTES} bytes")
        for line in lines:
            event = self._line(line.decode("utf-8", "replace"))
            if event is not None:
                yield event

    def _line(self, line: str) -> Event | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id" and "\0" not in value:
            self._id = value
        elif name == "event":
            self._type = value
        elif name == "data":
            self._data.append(value)
        return None

    def _dispatch(self) -> Event | None:
        data, type_ = "\n".join(self._data), self._type
        self._data, self._type = [], ""
        if not data:
            return None
        body = json_object(json.loads(data))
        if body is None:
            raise ValueError("the data of a server-sent event is not a JSON object")
        return Event(self._id, type_ or "message", body)
