"""The two drivers: they run the steps of the core on a blocking and on an async HTTP client."""

import inspect
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import aclosing, closing
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import anyio
import anyio.to_thread
import httpx2

from platemark.client.effects import Close, Do, Effect, Emit, Next, Now, Send, Sleep, Steps, Tell
from platemark.client.events import Event
from platemark.client.wire import Server

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Nature:
    """Time and chance, so that tests can bring their own."""

    now: Callable[[], float] = time.monotonic
    fraction: Callable[[], float] = random.random
    sleep: Callable[[float], None] = time.sleep
    sleep_async: Callable[[float], Awaitable[None]] = anyio.sleep

    def draw(self, effect: Effect) -> float | None:
        """The answer to Now and Draw."""
        return self.now() if isinstance(effect, Now) else self.fraction()


NATURE = Nature()


class _Walk(Generic[T]):
    """Steps on their way: the answer or the failure of the last effect goes in, the next effect comes out."""

    def __init__(self, steps: Steps[T]) -> None:
        self.answer: Any = None
        self.failure: Exception | None = None
        self.result: T
        self._steps = steps

    def effect(self) -> Effect | None:
        """The next effect; None when the steps have ended and `result` is set."""
        answer, failure = self.answer, self.failure
        self.answer = self.failure = None
        try:
            return self._steps.send(answer) if failure is None else self._steps.throw(failure)
        except StopIteration as end:
            self.result = end.value
            return None


@dataclass(slots=True)
class Blocking:
    """Runs steps on a blocking client: the link that blocking faces share."""

    http: httpx2.Client
    server: Server
    nature: Nature = NATURE

    def run(self, steps: Steps[T]) -> T:
        """Run the steps to their end; return what they return."""
        walk = _Walk(steps)
        for _ in self._go(walk):
            pass
        return walk.result

    def iterate(self, steps: Steps[None]) -> Iterator[Event]:
        """The events that the steps emit. Leaving the iteration hangs up."""
        with closing(self._go(_Walk(steps))) as events:
            yield from events

    def _go(self, walk: _Walk[Any]) -> Generator[Event]:
        streams: dict[httpx2.Response, Iterator[bytes]] = {}
        try:
            while (effect := walk.effect()) is not None:
                if isinstance(effect, Emit):
                    yield effect.event
                    continue
                try:
                    walk.answer = self._perform(effect, streams)
                except Exception as error:
                    walk.failure = error
        finally:
            for response in streams:
                response.close()

    def _perform(self, effect: Effect, streams: dict[httpx2.Response, Iterator[bytes]]) -> Any:
        match effect:
            case Send(request, stream):
                response = self.http.send(request, stream=stream, follow_redirects=False)
                if stream and response.is_success:
                    streams[response] = response.iter_bytes()
                else:
                    response.read()
                return response
            case Next(response):
                return next(streams[response], None)
            case Close(response):
                streams.pop(response, None)
                return response.close()
            case Sleep(seconds):
                return self.nature.sleep(seconds)
            case Tell(listener, progress):
                return listener(progress)
            case Do(work):
                return work()
            case _:
                return self.nature.draw(effect)


@dataclass(slots=True)
class Async:
    """Runs steps on an async client: the link that async faces share."""

    http: httpx2.AsyncClient
    server: Server
    nature: Nature = NATURE

    async def run(self, steps: Steps[T]) -> T:
        """Run the steps to their end; return what they return."""
        walk = _Walk(steps)
        async with aclosing(self._go(walk)) as events:
            async for _ in events:
                pass
        return walk.result

    async def iterate(self, steps: Steps[None]) -> AsyncGenerator[Event]:
        """The events that the steps emit. Closing the generator hangs up."""
        async with aclosing(self._go(_Walk(steps))) as events:
            async for event in events:
                yield event

    async def _go(self, walk: _Walk[Any]) -> AsyncGenerator[Event]:
        streams: dict[httpx2.Response, AsyncIterator[bytes]] = {}
        try:
            while (effect := walk.effect()) is not None:
                if isinstance(effect, Emit):
                    yield effect.event
                    continue
                try:
                    walk.answer = await self._perform(effect, streams)
                except Exception as error:
                    walk.failure = error
        finally:
            # Also when this task is being canceled: a connection that stays open would hold a place in the pool.
            with anyio.CancelScope(shield=True):
                for response in streams:
                    await response.aclose()

    async def _perform(self, effect: Effect, streams: dict[httpx2.Response, AsyncIterator[bytes]]) -> Any:
        match effect:
            case Send(request, stream):
                return await self._send(request, stream, streams)
            case Next(response):
                return await anext(streams[response], None)
            case Close(response):
                streams.pop(response, None)
                return await response.aclose()
            case Sleep(seconds):
                return await self.nature.sleep_async(seconds)
            case Tell(listener, progress):
                told = listener(progress)
                return await told if inspect.isawaitable(told) else told
            case Do(work):
                return await anyio.to_thread.run_sync(work)
            case _:
                return self.nature.draw(effect)

    async def _send(
        self, request: httpx2.Request, stream: bool, streams: dict[httpx2.Response, AsyncIterator[bytes]]
    ) -> httpx2.Response:
        response = await self.http.send(request, stream=stream, follow_redirects=False)
        if stream and response.is_success:
            streams[response] = response.aiter_bytes()
        else:
            await response.aread()
        return response
