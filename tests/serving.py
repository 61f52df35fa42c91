"""Real server processes for tests: started as users start them, stopped as an operator or the kernel would."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

ADMIN_KEY = "server-tests-admin-key"
READY = "platemark ready "


@dataclass
class Served:
    """A server that has said that it is ready."""

    process: subprocess.Popen[str]
    url: str
    data: Path
    log: Path

    @property
    def http(self) -> httpx2.Client:
        """A client with the admin key; close it, or let it go with the test."""
        return httpx2.Client(base_url=self.url, headers={"Authorization": f"Bearer {ADMIN_KEY}"}, timeout=90)

    def generate(self, **fields: Any) -> dict[str, Any]:
        """The finished generation of a waiting call."""
        with self.http as http:
            answer = http.post("/v1/generate", json={"prompt": "a red house in a green meadow at sunset", **fields})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def stop(self, how: signal.Signals = signal.SIGTERM, seconds: float = 60) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(how)
        return self.process.wait(seconds)

    def logged(self) -> str:
        """Everything that it wrote to standard error."""
        return self.log.read_text()


@contextmanager
def serve(data: Path, *, role: str = "all", **settings: str) -> Generator[Served]:
    """`platemark serve` on a free port, until the block ends."""
    log = data.with_name(f"{data.name}-{role}.log")
    data.mkdir(parents=True, exist_ok=True)
    variables = {f"PLATEMARK_{name.upper()}": value for name, value in settings.items()}
    # The networks of moderation take a second of every start; tests that want them say so.
    quick = {"PLATEMARK_IMAGE_CLASSIFIERS": "false"}
    environment = {**os.environ, "PLATEMARK_ADMIN_KEY": ADMIN_KEY, **quick, **variables}
    command = [sys.executable, "-m", "platemark", "serve", "--data", str(data), "--port", "0", "--role", role]
    with log.open("a") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment)
    try:
        yield Served(process, _ready(process, log), data, log)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


def _ready(process: subprocess.Popen[str], log: Path) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(READY):
            return line.split()[2]
    raise AssertionError(f"the server ended with {process.wait(10)} before it was ready:\n{log.read_text()[-4000:]}")
