"""The executor id: the name under which a process owns its running work. Two living processes never share one."""

import fcntl
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from platemark.core.errors import Misconfigured

_MOST_ON_ONE_MACHINE = 64


@dataclass(frozen=True, slots=True)
class Executor:
    """An id and the lock that proves it: the kernel frees it when the process dies, however it dies.

    Whoever gets the lock again knows that its former holder is dead and takes up its work at once.
    """

    id: str
    _lock: IO[str]

    def release(self) -> None:
        """Give the id back."""
        self._lock.close()


def claim(locks: Path, role: str, wanted: str | None) -> Executor:
    """The configured id, or the first free one of this machine and role. Raises Misconfigured when it is taken."""
    locks.mkdir(parents=True, exist_ok=True)
    host = re.sub(r"[^a-z0-9-]", "-", socket.gethostname().lower()) or "host"
    names = [wanted] if wanted else [f"{host}-{role}-{number}" for number in range(1, _MOST_ON_ONE_MACHINE + 1)]
    for name in names:
        if (lock := _try_lock(locks / f"{name}.lock")) is not None:
            return Executor(name, lock)
    raise Misconfigured(
        f"Another process runs as {names[0]!r} on this machine. Give each its own PLATEMARK_EXECUTOR_ID, or stop it."
    )


def _try_lock(path: Path) -> IO[str] | None:
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file
