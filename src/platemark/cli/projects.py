"""`platemark projects`: the tenants."""

from typing import Annotated

import typer

from platemark.cli.connect import Data, Json, Url

app = typer.Typer(no_args_is_help=True, help="Projects: who owns keys, images and records.")


@app.command("list")
def listing(json: Json = False, url: Url = None, data: Data = None) -> None:
    """List the projects."""
    from platemark.cli import connect, output

    with connect.client(url, data) as client:
        found = client.projects.list()
    if json:
        output.document([one.model_dump(mode="json") for one in found])
        return
    rows = [(one.id, one.name, f"{one.created_at:%Y-%m-%d}") for one in found]
    output.table(["PROJECT", "NAME", "CREATED"], rows, empty="there is no project")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is called.")],
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Make an empty project; `keys create --project` makes its first key."""
    from platemark.cli import connect, output

    with connect.client(url, data) as client:
        made = client.projects.create(name)
    if json:
        output.document(made.model_dump(mode="json"))
    else:
        typer.echo(made.id)
