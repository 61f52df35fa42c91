"""Keeps one child process drawing: a queue of jobs, a watch on hung steps, a new child after a crash.

An actor with one mailbox and one thread, so that it serves callers on any event loop, and no state is shared.
"""

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from platemark.core.base import JsonObject
from platemark.core.errors import EngineCrashed, ProviderRejected, ShuttingDown, error_by_code
from platemark.core.generation import Warning
from platemark.core.updates import Answered, Order, Picture, Preview, Progress
from platemark.engine.serving.frames import pack
from platemark.engine.serving.process import Process
from platemark.engine.serving.suspects import Job, Said, Suspects
from platemark.telemetry import ENGINE_BATCH, ENGINE_BYTES

# Importing the libraries and reading a model from a slow disk; steps have a limit of their own.
LOAD_SECONDS = 900.0
# More jobs than a batch has places, so that the child can choose; the others wait here.
MOST_HANDED = 32
_STOP_SECONDS = 2.0
_BACKOFF_SECONDS = (0.0, 0.5, 1.0, 2.0, 5.0, 15.0, 30.0)
_STOPPING = ShuttingDown("The server is stopping and left this picture unfinished. Ask again when it is back.")
_log = logging.getLogger(__name__)


class Supervisor:
    """Hands jobs to its child in the order they came. `opening` is what a new child is told first."""

    def __init__(self, opening: JsonObject, command: Sequence[str], step_timeout: float) -> None:
        self._opening, self._command, self._step_timeout = opening, command, step_timeout
        self._mailbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="platemark-engine", daemon=True)
        self._waiting: deque[Job] = deque()
        self._handed: dict[int, Job] = {}
        # The jobs whose pictures are being drawn at this moment.
        self._batch: frozenset[int] = frozenset()
        self._suspects = Suspects()
        self._process: Process | None = None
        self._wanted = False
        self._open = True
        self._ids = 0
        self._crashes = 0
        self._restart_at = 0.0
        self._deadline: float | None = None
        self._hung = False
        self.models: JsonObject = {}

    def start(self, *, now: bool) -> None:
        """Start the thread, and with `now` the child too; else the first job starts it."""
        self._wanted = now
        self._thread.start()

    def stop(self) -> None:
        """End the child and every job with ShuttingDown. Blocks for up to a few seconds."""
        self._mailbox.put(self._shut)
        self._thread.join()

    def submit(self, order: Order, say: Callable[[Said], None]) -> Callable[[], None]:
        """Queue an order; returns what cancels it. `say` is called from threads of the engine."""
        job = Job(order, say)
        self._mailbox.put(lambda: self._accept(job))
        if not self._open:
            say(_STOPPING)
        return lambda: self._mailbox.put(lambda: self._cancel(job))

    @property
    def pid(self) -> int | None:
        """The child's process number while there is one."""
        process = self._process
        return process.pid if process else None

    def _run(self) -> None:
        while self._open:
            try:
                self._next()()
                self._overdue()
                self._advance()
            except Exception:
                # Whatever it is, callers must not wait for an engine whose thread has died.
                _log.exception("the engine's supervisor stumbled; its process is ended and started again")
                if self._process:
                    self._process.kill()

    def _next(self) -> Callable[[], None]:
        try:
            return self._mailbox.get(timeout=self._patience())
        except queue.Empty:
            return lambda: None

    def _patience(self) -> float | None:
        """Seconds until something is due by itself."""
        due = [self._deadline] if self._deadline is not None else []
        if self._process is None and (self._wanted or self._waiting):
            due.append(self._restart_at)
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _overdue(self) -> None:
        if self._process and self._deadline is not None and time.monotonic() >= self._deadline:
            self._hung, self._deadline = True, None
            self._process.kill()

    def _advance(self) -> None:
        if not self._open:
            return
        if self._process is None and (self._wanted or self._waiting) and time.monotonic() >= self._restart_at:
            self._spawn()
        while self._process and self._waiting and self._may_go(self._waiting[0]):
            self._hand_over(self._process, self._waiting.popleft())

    def _may_go(self, job: Job) -> bool:
        """A suspect of an earlier crash goes alone, so that its neighbours do not suffer twice."""
        if not self._handed:
            return True
        among_suspects = job in self._suspects or any(other in self._suspects for other in self._handed.values())
        return not among_suspects and len(self._handed) < MOST_HANDED

    def _hand_over(self, process: Process, job: Job) -> None:
        self._handed[job.id] = job
        if self._deadline is None:
            self._deadline = time.monotonic() + LOAD_SECONDS
        process.send({"kind": "draw", "id": job.id, "drawn": sorted(job.drawn), "order": job.header}, job.body)

    def _spawn(self) -> None:
        try:
            self._process = Process(self._command, self._opening["threads"], self._post_frame, self._post_end)
        except OSError as error:
            self._crashed(f"its process could not be started: {error}")
            return
        self._process.send(self._opening)

    def _post_frame(self, process: Process, header: JsonObject, body: bytes) -> None:
        self._mailbox.put(lambda: self._heard(process, header, body))

    def _post_end(self, process: Process) -> None:
        self._mailbox.put(lambda: self._ended(process))

    def _accept(self, job: Job) -> None:
        self._ids += 1
        job.id = self._ids
        try:
            # Here, because joining large pictures would hold up the caller's event loop.
            job.header, job.body = pack(job.order)
        except ProviderRejected as error:
            job.say(error)
        else:
            self._waiting.append(job)

    def _cancel(self, job: Job) -> None:
        job.canceled = True
        if job in self._waiting:
            self._waiting.remove(job)
        elif job.id in self._handed and self._process:
            self._process.send({"kind": "cancel", "id": job.id})

    def _heard(self, process: Process, header: JsonObject, body: bytes) -> None:
        if process is not self._process:
            return
        match header["kind"]:
            case "ready" | "warm" | "cold" as kind:
                level = logging.WARNING if kind == "cold" else logging.INFO
                _log.log(level, "the engine is %s: %s", kind, header["facts"])
            case "models":
                self._holds(header["facts"])
            case "batch":
                ENGINE_BATCH.observe(header["pictures"])
                self._begins(frozenset(header["ids"]))
            case "started":
                self._batch = frozenset(header["ids"])
                self._deadline = time.monotonic() + self._step_timeout
            case _ if job := self._handed.get(header["id"]):
                self._answered(job, header, body)
            case _:
                pass

    def _holds(self, facts: JsonObject) -> None:
        self.models = facts
        ENGINE_BYTES.clear()
        for model, held in facts.get("models", {}).items():
            ENGINE_BYTES.labels(model, held["place"]).set(held["bytes"])

    def _begins(self, batch: frozenset[int]) -> None:
        """A batch is next, and may have to wait for its model. The others hear that they still wait."""
        self._batch, self._deadline = batch, time.monotonic() + LOAD_SECONDS
        for job in (*self._handed.values(), *self._waiting):
            if job.id not in batch and not job.canceled:
                job.say(Progress(done=0, total=job.order.parameters.steps, index=len(job.drawn)))

    def _answered(self, job: Job, header: JsonObject, body: bytes) -> None:
        self._deadline = time.monotonic() + self._step_timeout
        kind = header["kind"]
        if kind in _ENDS:
            del self._handed[job.id]
            self._crashes = 0
            if kind != "canceled":
                self._suspects.clear(job)
            if not self._handed:
                self._batch, self._deadline = frozenset(), None
        for said in _said(header, body):
            if isinstance(said, Picture):
                job.drawn.add(said.index)
            if not job.canceled:
                job.say(said)

    def _ended(self, process: Process) -> None:
        if process is not self._process:
            return
        cause = process.bury()
        if self._hung:
            cause = f"no step was finished within {self._step_timeout:g} s, so it was ended"
        self._process, self._hung = None, False
        self._holds({})
        self._crashed(cause)

    def _crashed(self, cause: str) -> None:
        delay = _BACKOFF_SECONDS[min(self._crashes, len(_BACKOFF_SECONDS) - 1)]
        self._crashes += 1
        self._restart_at, self._deadline = time.monotonic() + delay, None
        _log.warning("the engine's process is gone (%s); a new one is started in %g s", cause, delay)
        for job in self._to_blame():
            self._suspects.add(job)
            if not job.canceled:
                job.say(
                    EngineCrashed(f"The local engine stopped while drawing: {cause}. Try again; a new one is started.")
                )

    def _to_blame(self) -> list[Job]:
        """Take out the jobs that were being drawn, else the oldest; the others go back to the head of the queue."""
        blamed = [self._handed.pop(id) for id in sorted(self._batch & self._handed.keys())]
        self._waiting.extendleft(job for _, job in sorted(self._handed.items(), reverse=True) if not job.canceled)
        self._batch, self._handed = frozenset(), {}
        return blamed or ([self._waiting.popleft()] if self._waiting else [])

    def _shut(self) -> None:
        self._open = False
        for job in (*self._handed.values(), *self._waiting):
            job.say(_STOPPING)
        if self._process:
            self._process.dismiss(_STOP_SECONDS)
            self._process = None


_ENDS = frozenset({"done", "failed", "canceled"})


def _said(header: JsonObject, body: bytes) -> Sequence[Said]:
    """What a frame of the child says to the caller."""
    facts: Any = header.get("facts", {})
    match header["kind"]:
        case "progress":
            return (Progress(**facts),)
        case "preview":
            return (Preview(data=body, **facts),)
        case "picture":
            warnings = tuple(Warning.model_validate(warning) for warning in facts.pop("warnings"))
            return (Picture(data=body, warnings=warnings, **facts),)
        case "done":
            return Answered(response=facts), None
        case "failed":
            return (error_by_code(header["code"])(header["detail"]),)
        case _:
            return ()
