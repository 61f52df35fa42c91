"""One child process of the engine: its pipes, its last words, and what its death meant."""

import logging
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import BinaryIO, cast

from platemark.core.base import JsonObject
from platemark.engine.serving.frames import BadFrame, read_frame, write_frame

COMMAND = (sys.executable, "-P", "-W", "ignore", "-m", "platemark.engine.serving.child")
_LAST_WORDS = 40
_STACK = ("Thread 0x", "Current thread", "Extension modules")
_SETTINGS = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # Threads that wait must not burn a core that the rest of the server needs.
    "OMP_WAIT_POLICY": "PASSIVE",
    "TOKENIZERS_PARALLELISM": "false",
    # Read while the libraries are imported, before anything can be set in code.
    "DIFFUSERS_VERBOSITY": "error",
    "TRANSFORMERS_VERBOSITY": "error",
}
_SECRET = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")
_log = logging.getLogger(__name__)


_early: dict[tuple[str | int, ...], subprocess.Popen[bytes]] = {}


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def start_early(threads: int | None) -> None:
    """Start the child that the engine will want, so that its imports run beside the caller's own.

    For a program that knows from its first moment that it will draw. A child that nobody takes ends with this process.
    """
    wanted = threads or cores()
    _early[*COMMAND, wanted] = _spawn(COMMAND, wanted)


def _spawn(command: Sequence[str], threads: int) -> subprocess.Popen[bytes]:
    # A group of its own: Ctrl-C in a terminal is for the server, which then stops the child in order.
    return subprocess.Popen(
        [*command, str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(os.environ, threads),
        process_group=0,
    )


class Process:
    """A running child. Frames and its end are reported from threads of their own; nothing here waits for it."""

    def __init__(
        self,
        command: Sequence[str],
        threads: int,
        on_frame: Callable[["Process", JsonObject, bytes], None],
        on_end: Callable[["Process"], None],
    ) -> None:
        self._popen = _early.pop((*command, threads), None) or _spawn(command, threads)
        self._outbox: queue.SimpleQueue[tuple[JsonObject, bytes] | None] = queue.SimpleQueue()
        self._last_words: deque[str] = deque(maxlen=_LAST_WORDS)
        self._on_frame, self._on_end = on_frame, on_end
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._read, self._write, self._overhear)]
        for thread in self._threads:
            thread.start()

    @property
    def pid(self) -> int:
        """The system's number of the process."""
        return self._popen.pid

    def send(self, header: JsonObject, body: bytes = b"") -> None:
        """Send a frame as soon as the child reads it."""
        self._outbox.put((header, body))

    def kill(self) -> None:
        """End it at once; `on_end` follows."""
        self._popen.kill()

    def dismiss(self, seconds: float) -> None:
        """Close its input, on which it ends by itself; kill it after `seconds`."""
        self._outbox.put(None)
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(seconds)
        self.bury()

    def bury(self) -> str:
        """Make sure that it is gone, and say in words how it ended."""
        with suppress(ProcessLookupError):
            self._popen.kill()
        code = self._popen.wait()
        self._outbox.put(None)
        for thread in self._threads:
            thread.join(timeout=1.0)
        return _cause(code, self._last_words)

    def _read(self) -> None:
        stream = cast("BinaryIO", self._popen.stdout)
        with suppress(OSError, BadFrame), stream:
            while frame := read_frame(stream):
                self._on_frame(self, *frame)
        self._on_end(self)

    def _write(self) -> None:
        stream = cast("BinaryIO", self._popen.stdin)
        with suppress(OSError), stream:
            while frame := self._outbox.get():
                write_frame(stream, *frame)

    def _overhear(self) -> None:
        stream = cast("BinaryIO", self._popen.stderr)
        with suppress(OSError), stream:
            for line in stream:
                text = line.decode(errors="replace").rstrip()
                self._last_words.append(text)
                _log.info("engine: %s", text)


def _environment(given: Mapping[str, str], threads: int) -> dict[str, str]:
    """The caller's environment without anything that looks secret: the child needs none of it."""
    kept = {
        name: value
        for name, value in given.items()
        if not name.startswith("PLATEMARK_") and not any(part in name.upper() for part in _SECRET)
    }
    return kept | _SETTINGS | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}


def _cause(code: int, last_words: Sequence[str]) -> str:
    """How a process ended, for a person who can look at the machine."""
    how = f"it ended with exit code {code}"
    if code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        how = f"it was ended by {name}"
        if code == -signal.SIGKILL:
            how += ", as systems do that are out of memory"
    said = next((line.strip() for line in reversed(last_words) if _telling(line)), "")
    return f"{how}; it last said: {said[:300]}" if said else how


def _telling(line: str) -> bool:
    """The lines of a traceback or stack say nothing to a reader of an error; its first or last line does."""
    return bool(line.strip()) and not line.startswith((" ", "\t", *_STACK))
