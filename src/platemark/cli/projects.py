"""`platemark projects`: the tenants."""

from typing import Annotated, Literal

import typer

from platemark.cli.connect import Data, Json, Url

# As in core.project, which is not imported to show help.
Profile = Literal["standard", "pass_through"]
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
    rows = [(one.id, one.name, one.profile, f"{one.created_at:%Y-%m-%d}") for one in found]
    output.table(["PROJECT", "NAME", "PROFILE", "CREATED"], rows, empty="there is no project")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is called.")],
    profile: Annotated[Profile, typer.Option(help="Which checks it gets.")] = "standard",
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Make an empty project; `keys create --project` makes its first key."""
    from platemark.cli import connect, output

    with connect.client(url, data) as client:
        made = client.projects.create(name, profile=profile)
    if json:
        output.document(made.model_dump(mode="json"))
    else:
        typer.echo(made.id)


@app.command("profile")
def set_profile(
    project: Annotated[str, typer.Argument(help="The project's id (prj_…).")],
    profile: Annotated[Profile, typer.Argument(help="Which checks it gets from now on.")],
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Set which checks run for what a project accepts from now on: pass_through stores and records only."""
    from platemark.cli import connect, output

    with connect.client(url, data) as client:
        changed = client.projects.set_profile(project, profile)
    if json:
        output.document(changed.model_dump(mode="json"))
    else:
        typer.echo(f"{changed.id} {changed.profile}")
