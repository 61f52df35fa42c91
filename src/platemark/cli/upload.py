"""`platemark upload`: pictures of your own, with progress; bad files do not stop the good ones."""

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from platemark.cli.connect import Data, Json, Url
from platemark.cli.faults import MISUSED

if TYPE_CHECKING:
    from platemark.client import Client
    from platemark.client.upload import Sent

_ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".webp"})


def upload(
    files: Annotated[list[Path], typer.Argument(help="Picture files, or folders with some.")],
    caption: Annotated[str | None, typer.Option(help="Caption or alternative text of all of them.")] = None,
    user: Annotated[str | None, typer.Option(help="Id of your end user.")] = None,
    role: Annotated[str | None, typer.Option(help="Role of your end user; the key needs roles:assert.")] = None,
    audience: Annotated[str | None, typer.Option(help="For whom they are meant.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="name:value, to find them again; repeat it.")] = None,
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Upload pictures; what broke off before goes on where it broke.

    Prints one line a file, with --json one JSON line. Exit code 2 when some files could not be used; the others are
    uploaded all the same.
    """
    from platemark.cli import asked, connect

    words = {"caption": caption, "user": user, "role": role, "audience": audience, "tags": asked.tags(tag)}
    bad = 0
    with connect.client(url, data) as client:
        for file in _found(files):
            bad += not _one(client, file, words, json)
    if bad:
        raise typer.Exit(MISUSED)


def _found(files: Iterable[Path]) -> Generator[Path]:
    """Files as they are named, and the pictures in folders, also in folders of folders."""
    for file in files:
        place = file.expanduser()
        if place.is_dir():
            yield from sorted(each for each in place.rglob("*") if each.is_file() and each.suffix.lower() in _ENDINGS)
        else:
            yield place


def _one(client: "Client", file: Path, words: dict[str, Any], json: bool) -> bool:
    from platemark.cli import output
    from platemark.core.errors import InvalidRequest

    try:
        with _bar(file.name, quiet=json) as watcher:
            image = client.upload(file, on_progress=watcher, **words)
    except InvalidRequest as error:
        if json:
            output.line({"file": str(file), "error": {"code": error.code, "detail": error.detail}})
        else:
            output.note(f"{file}: {error.detail}")
        return False
    if json:
        output.line({"file": str(file), "image": image.resource.model_dump(mode="json")})
    else:
        reason = f" ({image.moderation.reason_code})" if image.moderation.reason_code else ""
        typer.echo(f"{image.id}  {image.moderation.state}{reason}  {file}")
    return True


@contextmanager
def _bar(name: str, *, quiet: bool) -> Generator["Callable[[Sent], None] | None"]:
    """A bar on standard error while a file is sent; None where nobody looks."""
    from platemark.cli import output

    console = output.console(stderr=True)
    if quiet or not console.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda sent: bar.update(task, completed=sent.done, total=sent.total)
