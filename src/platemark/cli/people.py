"""`platemark people`: who works in a project, and in which role."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from platemark.cli.connect import Data, Json, Url

if TYPE_CHECKING:
    from platemark.core.resource import PersonResource

# As in core.project, which is not imported to show help.
Role = Literal["admin", "editor", "reviewer", "auditor"]
app = typer.Typer(no_args_is_help=True, help="People: add, give a role, disable.")
Who = Annotated[str, typer.Argument(help="Id (per_…) or name.")]
Project = Annotated[str | None, typer.Option(help="Another project (prj_…).")]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What they are called.")],
    role: Annotated[Role, typer.Option(help="What they may do.")],
    password: Annotated[bool, typer.Option("--password", help="Ask for a password.")] = False,
    project: Project = None,
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Add a person; `keys create --person` makes their key."""
    from platemark.cli import connect

    secret = typer.prompt("password", hide_input=True, confirmation_prompt=True, err=True) if password else None
    with connect.client(url, data) as client:
        made = client.people.create(name, role, password=secret, project=project)
    _show(made, json)


@app.command("list")
def listing(project: Project = None, json: Json = False, url: Url = None, data: Data = None) -> None:
    """List the people of the project."""
    from platemark.cli import connect, output

    with connect.client(url, data) as client:
        found = client.people.list(project=project)
    if json:
        output.document([one.model_dump(mode="json") for one in found])
        return
    rows = [(one.id, one.name, _roles(one), "disabled" if one.disabled_at else "works") for one in found]
    output.table(["PERSON", "NAME", "ROLE", "STATE"], rows, empty="there is nobody")


@app.command("role")
def set_role(
    person: Who,
    role: Annotated[Literal["admin", "editor", "reviewer", "auditor", "none"], typer.Argument(help="none: take away.")],
    project: Project = None,
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Set what a person may do in the project; what their keys may do follows at once."""
    from platemark.cli import connect

    with connect.client(url, data) as client:
        found = _id(client.people.list(project=project), person)
        changed = client.people.set_role(found, None if role == "none" else role, project=project)
    _show(changed, json)


@app.command()
def disable(person: Who, json: Json = False, url: Url = None, data: Data = None) -> None:
    """Say that a person works here no longer: their keys end at once."""
    from platemark.cli import connect

    with connect.client(url, data) as client:
        gone = client.people.disable(_id(client.people.list(), person))
    _show(gone, json)


def _id(found: "list[PersonResource]", named: str) -> str:
    """The id of the person of that name, or the id itself. Raises NotFound for what is neither."""
    from platemark.core.errors import NotFound

    same = [one for one in found if one.name.casefold() == named.casefold()]
    at_work = [one for one in same if one.disabled_at is None]
    if not same and not named.startswith("per_"):
        raise NotFound(f"Nobody is called {named!r} here. `platemark people list` says who works in the project.")
    return (at_work or same)[0].id if same else named


def _roles(person: "PersonResource") -> str:
    return ", ".join(sorted(set(person.roles.values()))) or "none"


def _show(person: "PersonResource", json: bool) -> None:
    from platemark.cli import output

    if json:
        output.document(person.model_dump(mode="json"))
    else:
        typer.echo(f"{person.id} ({person.name}): {'disabled' if person.disabled_at else _roles(person)}")
