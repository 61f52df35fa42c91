"""`scripts/demo`: from nothing to a picture with its whole story, with a server that lives as long as that takes."""

import contextlib
import hashlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from platemark.cli.faults import UNFINISHED, guarded

if TYPE_CHECKING:
    from platemark.client import Client, Image

PROMPT = "a red house in a green meadow at sunset"
START_SECONDS = 120
STOP_SECONDS = 30
_READY = re.compile(r"platemark ready (http://\S+)")
_HOST = "127.0.0.1"
_LOG_LINES = 12

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def demo(
    prompt: Annotated[str, typer.Argument(help="What to draw.")] = PROMPT,
    data: Annotated[Path | None, typer.Option(help="Keep the server's data here; thrown away when absent.")] = None,
    out: Annotated[str, typer.Option(help="File or folder for the picture.")] = "platemark-demo/",
    width: Annotated[int | None, typer.Option(min=1, help="Pixels; the model's own size when absent.")] = None,
    height: Annotated[int | None, typer.Option(min=1, help="Pixels; the model's own size when absent.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="For the same picture again; drawn when absent.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the record as one JSON document and nothing else.")
    ] = False,
) -> None:
    """Start a server, ask it for a picture, save the picture, print its record, stop the server."""
    from platemark.cli import output, progress

    with contextlib.ExitStack() as stack:
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="platemark-demo-")))
        client = stack.enter_context(started(folder.expanduser()))
        with progress.shown(client.generations.preview, quiet=as_json) as listener:
            made = client.generate(prompt, width=width, height=height, seed=seed, on_progress=listener)
        if not made.images:
            output.note(f"the request is {made.status}: a person has to look at it first")
            raise typer.Exit(UNFINISHED)
        image = made.images[0]
        record: dict[str, Any] = client.request("GET", f"/v1/images/{image.id}/record").json()
        path = _saved(image, record, out)
    if as_json:
        output.document(record)
    else:
        _show(path, record)


def _saved(image: "Image", record: dict[str, Any], out: str) -> Path:
    """Save the picture, and hold the file against its record. Raises StorageUnavailable when they differ."""
    from platemark.core.errors import StorageUnavailable

    path = image.save(out).resolve()
    if hashlib.sha256(path.read_bytes()).hexdigest() != record["image"]["sha256"]:
        raise StorageUnavailable(f"{path} is not the file that its record names.")
    return path


def _show(path: Path, record: dict[str, Any]) -> None:
    from platemark.cli import output, story, terminal

    console = output.console()
    ability = terminal.ability(console)
    if ability is not None:
        console.print(terminal.Picture(path.read_bytes(), ability))
    console.print(story.table(record, file=path))


@contextlib.contextmanager
def started(data: Path) -> Generator["Client"]:
    """A client of a server that runs until the block ends, however it ends.

    Raises Misconfigured with the server's last words when it does not start.
    """
    with _server(data) as (process, log):
        # Imported while the server starts.
        from platemark.cli.connect import admin_key
        from platemark.client import Client

        address = _address(process, log)
        with Client(address, admin_key(data)) as client:
            yield client


@contextlib.contextmanager
def _server(data: Path) -> Generator["tuple[subprocess.Popen[str], Path]"]:
    with tempfile.TemporaryDirectory(prefix="platemark-log-") as folder:
        log = Path(folder) / "server.log"
        command = [
            sys.executable,
            "-m",
            "platemark",
            "serve",
            "--data",
            str(data),
            "--host",
            "127.0.0.1",
            "--port",
            "0",
        ]
        # In a session of its own: Ctrl-C reaches us alone, and we stop it in order.
        with log.open("w", encoding="utf-8") as errors:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=_environment(),
                start_new_session=True,
            )
        try:
            yield process, log
        finally:
            _stop(process)


def _environment() -> dict[str, str]:
    """Ours without the settings of a real server, whose database and store a demonstration must not touch."""
    from platemark.web.allocator import ALLOCATOR

    ours = {name: value for name, value in os.environ.items() if not name.startswith("PLATEMARK_")}
    # With the allocator's settings given, the server need not start itself a second time to set them.
    return (
        ALLOCATOR | ours | {name: value for name, value in os.environ.items() if name.startswith("PLATEMARK_ENGINE_")}
    )


def _stop(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    finally:
        # Asked politely and did not go, or the user does not wait for it: its whole session ends.
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _address(process: "subprocess.Popen[str]", log: Path) -> str:
    from platemark.core.errors import Misconfigured

    assert process.stdout is not None  # noqa: S101 - it was asked for
    # Reading blocks for as long as the server says nothing; a server that never will is ended.
    patience = threading.Timer(START_SECONDS, process.kill)
    patience.start()
    try:
        for line in process.stdout:
            ready = _READY.search(line)
            if ready:
                return ready[1]
    finally:
        patience.cancel()
    words = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
    raise Misconfigured("The server did not start. It said: " + " | ".join(words or ["nothing"]))


def main() -> int:
    """Run the demo; return its exit code."""

    # A polite end of ours is one of the server, too.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))

    def run() -> int:
        code = app(prog_name="scripts/demo", standalone_mode=False)
        return code if isinstance(code, int) else 0

    return guarded(run)


if __name__ == "__main__":
    sys.exit(main())
