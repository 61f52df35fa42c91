"""What the steps of a call ask their driver for. Steps are generators: they yield effects and do no I/O themselves."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import httpx2

from platemark.client.events import Event

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Send:
    """Send it; the answer is a response, read to its end unless `stream` is set and the status is a success."""

    request: httpx2.Request
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Next:
    """The next bytes of a streamed response; None at its end."""

    response: httpx2.Response


@dataclass(frozen=True, slots=True)
class Close:
    """Close a streamed response. Drivers also close what is left open when the steps end."""

    response: httpx2.Response


@dataclass(frozen=True, slots=True)
class Sleep:
    """Pause for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Now:
    """Seconds of a clock that only grows."""


@dataclass(frozen=True, slots=True)
class Draw:
    """A random number in [0, 1)."""


@dataclass(frozen=True, slots=True)
class Do(Generic[T]):
    """Call something that touches the disk; the answer is what it returns."""

    work: Callable[[], T]


@dataclass(frozen=True, slots=True)
class Tell:
    """Hand progress to the caller's function, and await it where it is awaitable."""

    listener: Callable[[Any], object]
    progress: object


@dataclass(frozen=True, slots=True)
class Emit:
    """Hand an event to whoever iterates over these steps."""

    event: Event


Effect = Send | Next | Close | Sleep | Now | Draw | Do[Any] | Tell | Emit
Steps = Generator[Effect, Any, T]


def send(request: httpx2.Request, *, stream: bool = False) -> Steps[httpx2.Response]:
    """Send with its type."""
    response: httpx2.Response = yield Send(request, stream)
    return response


def next_chunk(response: httpx2.Response) -> Steps[bytes | None]:
    """Next with its type."""
    chunk: bytes | None = yield Next(response)
    return chunk


def now() -> Steps[float]:
    """Now with its type."""
    seconds: float = yield Now()
    return seconds


def draw() -> Steps[float]:
    """Draw with its type."""
    fraction: float = yield Draw()
    return fraction


def do(work: Callable[[], T]) -> Steps[T]:
    """Do with its type."""
    result: T = yield Do(work)
    return result
