"""`platemark audit`: export the audit chain, and check an export without the server."""

import dataclasses
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from platemark.cli.connect import Data, Json, Url

if TYPE_CHECKING:
    from platemark.cli.ledger import Checked

app = typer.Typer(no_args_is_help=True, help="The audit chain: export it, and check an export without the server.")


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="File to write, JSON lines.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file when it exists.")] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Read the store itself, for when no server runs (--data or PLATEMARK_…).")
    ] = False,
    project: Annotated[
        str | None, typer.Option(help="With --offline: whose chain (prj_…, or system); needed when there are several.")
    ] = None,
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Write the project's whole chain to a file and check it."""
    from platemark.cli import connect, output

    if offline:
        from platemark.cli import offline as direct

        direct.export(out, data, project, overwrite=overwrite)
    else:
        with connect.client(url, data) as client:
            client.audit.export(out, overwrite=overwrite)
    found = _checked(out, None)
    if json:
        output.document({"file": str(out), "verified": True, **dataclasses.asdict(found)})
    else:
        typer.echo(f"{out}: {_said(found)}")


@app.command()
def verify(
    file: Annotated[
        Path | None, typer.Argument(help="An export; without it the chain is fetched from the server and checked here.")
    ] = None,
    extends: Annotated[
        Path | None, typer.Option(help="An earlier export that this one must contain, word for word.")
    ] = None,
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Recompute every line of an export. Needs no server and no key; exit code 1 when a line does not fit.

    Finds lines that were changed, removed, reordered or added, and exports that were cut off. That the newest lines
    were removed before the export, or the whole chain was written anew, shows against an earlier export: --extends.
    """
    from platemark.cli import output
    from platemark.core.errors import AuditBroken

    try:
        earlier = None if extends is None else _checked(extends, None)
        found = _checked(file, earlier) if file is not None else _fetched(url, data, earlier)
    except AuditBroken as error:
        if not json:
            raise
        output.document({"file": file and str(file), "verified": False, "reason": error.detail})
        raise typer.Exit(1) from None
    if json:
        output.document({"file": file and str(file), "verified": True, **dataclasses.asdict(found)})
    else:
        typer.echo(_said(found))


def _checked(file: Path, earlier: "Checked | None") -> "Checked":
    from platemark.cli.ledger import Ledger

    with file.expanduser().open("rb") as lines:
        return Ledger(earlier=earlier).check(lines)


def _fetched(url: str | None, data: Path | None, earlier: "Checked | None") -> "Checked":
    from platemark.cli import connect

    with tempfile.TemporaryDirectory(prefix="platemark-audit-") as folder, connect.client(url, data) as client:
        return _checked(client.audit.export(Path(folder) / "audit.jsonl"), earlier)


def _said(found: "Checked") -> str:
    return f"{found.lines} lines of {found.project} verified, head {found.head}"
