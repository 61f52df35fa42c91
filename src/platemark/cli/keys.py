"""`platemark keys`: who may call."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from platemark.cli.connect import Data, Json, Url

if TYPE_CHECKING:
    from platemark.core.resource import KeyResource

app = typer.Typer(no_args_is_help=True, help="API keys: make, replace and take away.")
Key = Annotated[str, typer.Argument(help="Id of the key (key_…).")]


@app.command("list")
def listing(json: Json = False, url: Url = None, data: Data = None) -> None:
    """List the keys of the project, without their secrets."""
    from platemark.cli import connect, output

    with connect.client(url, data) as client:
        found = client.keys.list()
    if json:
        output.document([one.model_dump(mode="json", exclude={"secret"}) for one in found])
        return
    now = datetime.now(UTC)
    rows = [(one.id, one.name, one.hint, _state(one, now), one.scopes) for one in found]
    output.table(["KEY", "NAME", "ENDS IN", "STATE", "SCOPES"], rows, empty="there is no key")


def _state(key: "KeyResource", now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked" if key.revoked_at <= now else f"works until {key.revoked_at:%Y-%m-%d %H:%M} UTC"
    if key.expires_at is not None:
        return f"{'expired' if key.expires_at <= now else 'expires'} {key.expires_at:%Y-%m-%d}"
    return "works"


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(help="What it may do; repeat it. [default: images:read, images:write; the role's with --person]"),
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires; never when absent.")] = None,
    project: Annotated[str | None, typer.Option(help="Another project (prj_…).")] = None,
    person: Annotated[str | None, typer.Option(help="Whose it is: name or id (per_…).")] = None,
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Make a key and print its secret, this once."""
    from platemark.cli import connect

    expires = datetime.now(UTC) + timedelta(days=days) if days else None
    with connect.client(url, data) as client:
        made = client.keys.create(name, scopes=scope or None, expires_at=expires, project=project, person=person)
    _show_secret(made, json)


@app.command()
def rotate(
    key: Key,
    hours: Annotated[int, typer.Option(min=0, help="Hours for which the old key works on.")] = 24,
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Make a successor with the same scopes and print its secret, this once."""
    from platemark.cli import connect

    with connect.client(url, data) as client:
        made = client.keys.rotate(key, overlap=timedelta(hours=hours))
    _show_secret(made, json)


@app.command()
def revoke(key: Key, json: Json = False, url: Url = None, data: Data = None) -> None:
    """Take a key away at once."""
    from platemark.cli import connect, output

    with connect.client(url, data) as client:
        gone = client.keys.revoke(key)
    if json:
        output.document(gone.model_dump(mode="json", exclude={"secret"}))
    else:
        typer.echo(f"{gone.id} ({gone.name}) is revoked")


def _show_secret(key: "KeyResource", json: bool) -> None:
    from platemark.cli import output

    if json:
        output.document(key.model_dump(mode="json"))
        return
    output.note(f"{key.id} ({key.name}): {', '.join(key.scopes)}. Its secret is shown this once:")
    typer.echo(key.secret)
