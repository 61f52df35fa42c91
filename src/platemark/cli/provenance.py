"""`platemark provenance`: which marks every published picture carries, and whether each still verifies."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from platemark.cli.connect import Data, Url

app = typer.Typer(no_args_is_help=True, help="The marks of what was published: export them, verified again.")


@app.callback()
def _group() -> None:
    pass


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="File to write: JSON lines, or a table where it ends in .csv.")],
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="Published from then on (UTC).")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file when it exists.")] = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Read every published file again and write down what it carries: credential, metadata, watermark, label.

    Each line says what the EU AI Act (Article 50) and California's SB 942 ask for. This is no legal advice.
    """
    from platemark.cli import connect, output

    moment = since.replace(tzinfo=UTC) if since else None
    screen = output.console(stderr=True)
    with connect.client(url, data) as client, screen.status("verifying what was published …"):
        file = client.provenance.export(out, since=moment, overwrite=overwrite)
    typer.echo(f"{file}: {_counted(file)}")


def _counted(file: Path) -> str:
    """How many files there are; lines are counted as they are read."""
    with file.open("rb") as lines:
        count = sum(1 for _ in lines) - (file.suffix == ".csv")
    return f"{count} published {'file' if count == 1 else 'files'}"
