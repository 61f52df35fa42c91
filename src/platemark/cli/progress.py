"""A progress bar on standard error, with a preview of the picture where the terminal can show one."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from platemark.cli import output

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from platemark.cli.terminal import Ability
    from platemark.client import Progress

Fetch = Callable[[str], bytes]


@contextmanager
def shown(fetch: Fetch, *, quiet: bool = False) -> Generator["Callable[[Progress], None] | None"]:
    """A listener for the SDK; None, which asks for no progress, where nobody looks. `fetch` reads a preview by id."""
    console = output.console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    with Painter(console, fetch) as painter:
        yield painter.tell


@contextmanager
def counted(total: int, what: str, *, shown: bool) -> Generator[Callable[[], object]]:
    """What to call after each of `total` things; draws a bar where it is `shown`.

    Lines for a pipe stay lines for a pipe; those on the same terminal are printed above the bar.
    """
    if not shown:
        yield lambda: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    screen, shared = output.console(stderr=True), sys.stdout.isatty()
    with Progress(*columns, console=screen, transient=True, redirect_stdout=shared) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)


class Painter:
    """Keeps the bar, and the newest preview above it, up to date."""

    def __init__(self, console: "Console", fetch: Fetch) -> None:
        from rich.live import Live
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        from platemark.cli import terminal

        self._ability: Ability | None = terminal.ability(console)
        self._fetch = fetch
        self._preview: RenderableType | None = None
        columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[steps]}"), TimeElapsedColumn()
        self._bar = Progress(*columns, console=console)
        self._task = self._bar.add_task("waiting", total=1.0, steps="")
        self._live = Live(self._bar, console=console, transient=True, refresh_per_second=8)

    def __enter__(self) -> "Painter":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def tell(self, now: "Progress") -> None:
        """Show where the generation is."""
        from rich.console import Group

        if now.preview and self._ability is not None:
            self._preview = self._look(now.generation)
        steps = f"step {now.done} of {now.total}" if now.total else ""
        if now.count > 1:
            steps += f", picture {now.index + 1} of {now.count}"
        words = {"queued": "waiting", "running": "drawing" if now.total else "loading the model", "succeeded": "done"}
        self._bar.update(self._task, completed=now.fraction, description=words.get(now.status, now.status), steps=steps)
        self._live.update(Group(self._preview, self._bar) if self._preview else self._bar, refresh=True)

    def _look(self, generation: str) -> "RenderableType | None":
        from platemark.cli import terminal
        from platemark.core.errors import PlatemarkError

        try:
            data = self._fetch(generation)
        except PlatemarkError:
            # It has been drawn further since, or is finished; the bar goes on.
            return self._preview
        return terminal.Picture(data, self._ability) if self._ability else None
