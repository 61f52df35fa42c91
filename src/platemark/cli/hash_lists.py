"""`platemark hash-lists`: lists of known pictures."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from platemark.cli.connect import Data, Json, Url

if TYPE_CHECKING:
    from platemark.core.hashlist import HashKind
    from platemark.core.resource import HashImportResource

# As in core.hashlist and core.hashfile, which are not imported to show help.
Purpose = Literal["child_safety", "takedown", "brand", "other"]
Action = Literal["block", "review"]
Format = Literal["auto", "txt", "csv", "json"]
app = typer.Typer(no_args_is_help=True, help="Lists of known pictures: make, import, confirm, withdraw, remove.")
Known = Annotated[str, typer.Argument(help="Id of the list (hls_…).")]
Batch = Annotated[str, typer.Argument(help="Id of the import (him_…).")]


@app.command("list")
def listing(json: Json = False, url: Url = None, data: Data = None) -> None:
    """List the hash lists of the installation."""
    from platemark.cli import connect, output

    with connect.client(url, data) as client:
        found = client.hash_lists.list()
    if json:
        output.document([one.model_dump(mode="json") for one in found])
        return
    rows = [(one.id, one.name, one.purpose, one.action, one.entries, one.version, one.state) for one in found]
    columns = ["LIST", "NAME", "PURPOSE", "ACTION", "HASHES", "VERSION", "STATE"]
    output.table(columns, rows, empty="there is no hash list")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is called.")],
    source: Annotated[str, typer.Option(help="Who gives it out.")],
    purpose: Annotated[Purpose, typer.Option(help="What it is for; child_safety freezes what matches.")] = "other",
    action: Annotated[Action, typer.Option(help="What a match asks for.")] = "block",
    reason_code: Annotated[str, typer.Option(help="The reason that a match is for.")] = "KNOWN_HASH_MATCH",
    kind: Annotated[list[str] | None, typer.Option(help="pdq, sha256 or md5; repeat it. [default: all]")] = None,
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Make a list, which matches nothing until a file is imported; print its id."""
    from platemark.cli import connect, output

    kinds: list[HashKind] = [_kind(said) for said in kind or ("pdq", "sha256", "md5")]
    with connect.client(url, data) as client:
        made = client.hash_lists.create(
            name,
            source,
            purpose=purpose,
            action=action,
            reason_code=reason_code,
            kinds=kinds,
        )
    if json:
        output.document(made.model_dump(mode="json"))
    else:
        typer.echo(made.id)


@app.command("import")
def read_in(
    known: Known,
    file: Annotated[Path, typer.Argument(help="Text, CSV or JSON.", exists=True, dir_okay=False)],
    format: Annotated[Format, typer.Option(help="What the file is.")] = "auto",
    rows: Annotated[int | None, typer.Option(min=0, help="How many rows it must have.")] = None,
    sha256: Annotated[str | None, typer.Option(help="SHA-256 that it must have.")] = None,
    hmac: Annotated[str | None, typer.Option(help="HMAC-SHA-256 with PLATEMARK_HASH_LIST_KEY.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="The list is to hold this file only.")] = False,
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Read a file into a list. With two people at work it waits until another one confirms it."""
    from platemark.cli import connect

    with connect.client(url, data) as client:
        done = client.hash_lists.import_file(
            known, file, format=format, rows=rows, sha256=sha256, hmac=hmac, replace=replace
        )
    _show(done, json)


@app.command()
def confirm(batch: Batch, json: Json = False, url: Url = None, data: Data = None) -> None:
    """Let an import match that somebody else proposed."""
    from platemark.cli import connect

    with connect.client(url, data) as client:
        done = client.hash_lists.confirm(batch)
    _show(done, json)


@app.command()
def refuse(batch: Batch, json: Json = False, url: Url = None, data: Data = None) -> None:
    """Delete an import that waits."""
    from platemark.cli import connect

    with connect.client(url, data) as client:
        done = client.hash_lists.refuse(batch)
    _show(done, json)


@app.command()
def withdraw(
    known: Known,
    file: Annotated[Path, typer.Argument(help="Hashes, one a line.", exists=True, dir_okay=False)],
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Take hashes out of a list at once. They come from a file: on a command line others could read them."""
    from platemark.cli import connect, output

    hashes = [line.split()[-1] for line in file.read_text().splitlines() if line.strip() and line[0] != "#"]
    with connect.client(url, data) as client:
        done = client.hash_lists.withdraw(known, hashes)
    if json:
        output.document(done.model_dump(mode="json"))
    else:
        typer.echo(f"{done.withdrawn} withdrawn, {done.entries} left")


@app.command()
def remove(known: Known, json: Json = False, url: Url = None, data: Data = None) -> None:
    """Delete a list with all its hashes."""
    from platemark.cli import connect, output

    with connect.client(url, data) as client:
        gone = client.hash_lists.remove(known)
    if json:
        output.document(gone.model_dump(mode="json"))
    else:
        typer.echo(f"{gone.id} is removed")


def _kind(said: str) -> "HashKind":
    from platemark.core.hashlist import DIGITS

    for kind in DIGITS:
        if kind == said:
            return kind
    raise typer.BadParameter("is pdq, sha256 or md5", param_hint="--kind")


def _show(done: "HashImportResource", json: bool) -> None:
    from platemark.cli import output

    if json:
        output.document(done.model_dump(mode="json"))
        return
    typer.echo(
        f"{done.id} {done.state}: {done.added} new, {done.known} known, {done.withdrawals} to go, {done.invalid} unread"
    )
    for problem in done.problems:
        output.note(f"line {problem['line']}: {problem['code']}")
