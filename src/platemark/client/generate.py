"""Asking for images and waiting for them, as steps without I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from platemark.client import pictures
from platemark.client.effects import Sleep, Steps, do, now
from platemark.client.errors import NotFinished, error_of
from platemark.client.nouns import get, parse, route
from platemark.client.stream import PAUSE_SECONDS, Listener, Watch
from platemark.client.wire import Call, Server, body_of, perform
from platemark.core.generation import TERMINAL
from platemark.core.resource import GenerationResource

# How long the server is asked to hold a waiting call, and how much longer its answer may take.
HOLD_SECONDS = 50.0
MARGIN_SECONDS = 15.0
LONGEST_PAUSE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """How a caller waits: at most `timeout` seconds, also for a reviewing person where `through_review` is set."""

    timeout: float | None = None
    listener: Listener | None = None
    through_review: bool = False

    def over(self, generation: GenerationResource) -> bool:
        """True when there is nothing more to wait for."""
        return generation.status in TERMINAL or (generation.status == "held" and not self.through_review)


def submit(
    server: Server, prompt: str, fields: Mapping[str, Any], *, key: str, hold: float | None
) -> Steps[GenerationResource]:
    """POST the request under an idempotency key; with `hold`, ask the server to wait so many seconds for the end."""
    headers = {"Idempotency-Key": key, "Prefer": "respond-async"}
    body = yield from do(partial(pictures.body, prompt, fields))
    call = Call("POST", "/v1/generate", headers=headers, repeatable=True)
    call = replace(call, form=body.form, files=body.files) if body.files else replace(call, json=body.fields)
    if hold is not None:
        # A held call that was cut off would be cut off again: the next one asks only where the generation stands.
        call = replace(
            call,
            headers={**headers, "Prefer": f"wait={max(1, int(hold))}"},
            read_timeout=max(hold + MARGIN_SECONDS, server.timeout.read or 0.0),
            again=call,
        )
    return parse(GenerationResource, body_of((yield from perform(server, call))))


def generate(
    server: Server, prompt: str, fields: Mapping[str, Any], *, key: str, waiting: Waiting | None
) -> Steps[GenerationResource]:
    """Submit and, unless `waiting` is None, wait for the end as `settle` does."""
    # Without a listener one held call is the shortest way; with one, events have to be heard from the start.
    hold = None
    if waiting is not None and waiting.listener is None:
        hold = min(HOLD_SECONDS, waiting.timeout or HOLD_SECONDS)
    started = yield from now()
    generation = yield from submit(server, prompt, fields, key=key, hold=hold)
    if waiting is None:
        return generation
    if waiting.timeout is not None:
        waiting = replace(waiting, timeout=waiting.timeout - (yield from now()) + started)
    return (yield from settle(server, generation, waiting))


def wait(server: Server, generation: GenerationResource, waiting: Waiting) -> Steps[GenerationResource]:
    """As `settle`, for one that was read some time ago: an appeal, or a retry, may have let it go on since."""
    if waiting.over(generation) and generation.status != "succeeded":
        generation = yield from get(server, GenerationResource, route("generations", generation.id))
    return (yield from settle(server, generation, waiting))


def settle(server: Server, generation: GenerationResource, waiting: Waiting) -> Steps[GenerationResource]:
    """The generation once it has ended well, or is held for a person.

    Raises the error of a generation that failed, was blocked, canceled or expired; NotFinished after the timeout.
    """
    watch, started, pause = Watch(server, generation, waiting.listener), (yield from now()), PAUSE_SECONDS
    yield from watch.tell()
    while not waiting.over(generation):
        left = None if waiting.timeout is None else waiting.timeout - (yield from now()) + started
        if left is not None and left <= 0:
            raise _not_finished(generation)
        if not (yield from watch.listen(left)):
            yield Sleep(pause if left is None else min(pause, left))
            pause = min(LONGEST_PAUSE_SECONDS, pause * 1.5)
        generation = yield from get(server, GenerationResource, route("generations", generation.id))
        yield from watch.polled(generation)
    yield from watch.close()
    raise_for(generation)
    return generation


def raise_for(generation: GenerationResource) -> None:
    """Raise the error of a generation that ended without its images."""
    if generation.status in TERMINAL - {"succeeded"}:
        problem = {"code": generation.status, "detail": f"{generation.id} ended as {generation.status}."}
        raise error_of({**problem, **(generation.error or {}), "generation": generation.id})


def _not_finished(generation: GenerationResource) -> NotFinished:
    return NotFinished(
        f"{generation.id} is still {generation.status}. It goes on: wait for it once more, or read it again later with "
        f"client.generations.get({generation.id!r}).",
        generation=generation.id,
    )
