"""`platemark takedowns`: notices that pictures must go."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from platemark.cli.connect import Data, Json, Url

if TYPE_CHECKING:
    from platemark.core.keeping import TakedownResource

# As in core.takedown, which is not imported to show help.
Kind = Literal["intimate_image", "copyright", "trademark", "privacy", "other"]
State = Literal["received", "acting", "actioned", "rejected", "withdrawn"]
Id = Annotated[str, typer.Argument(help="Id of the notice (tdn_…).")]
Images = Annotated[list[str], typer.Argument(help="Ids (img_…) or URLs of ours.")]
app = typer.Typer(no_args_is_help=True, help="Takedown notices: file, look, act, reject.")


@app.command("list")
def listing(
    state: Annotated[State | None, typer.Option(help="Only in this state.")] = None,
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """List the newest notices with the time by which each has to be decided."""
    from platemark.cli import connect, output

    with connect.client(url, data) as client:
        found = client.takedowns.list(state=(state,) if state else ()).data
    if json:
        output.document([one.model_dump(mode="json") for one in found])
        return
    rows = [(one.id, one.kind, one.state, f"{one.due_at:%Y-%m-%d %H:%M} UTC", one.reason_code) for one in found]
    output.table(["NOTICE", "KIND", "STATE", "DUE", "REASON"], rows, empty="there is no notice")


@app.command()
def show(notice: Id, json: Json = False, url: Url = None, data: Data = None) -> None:
    """Show a notice with its pictures and their copies."""
    from platemark.cli import connect

    with connect.client(url, data) as client:
        _tell(client.takedowns.get(notice), json)


@app.command()
def file(
    images: Images,
    kind: Annotated[Kind, typer.Option(help="What it is about.")],
    claimant: Annotated[str, typer.Option(help="Who claims it.")],
    contact: Annotated[str, typer.Option(help="How to reach them.")],
    statement: Annotated[str, typer.Option(help="What is shown, and why it must go.")],
    signature: Annotated[str, typer.Option(help="Typed, or a reference to a signed paper.")],
    good_faith: Annotated[bool, typer.Option("--good-faith", help="The claimant acts in good faith.")] = False,
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """File a notice that came to you; its clock runs from now on."""
    from platemark.cli import connect

    with connect.client(url, data) as client:
        made = client.takedowns.file(
            kind,
            images,
            claimant=claimant,
            contact=contact,
            statement=statement,
            signature=signature,
            good_faith=good_faith,
        )
    _tell(made, json)


@app.command()
def add(notice: Id, images: Images, json: Json = False, url: Url = None, data: Data = None) -> None:
    """Add pictures to a notice that nobody has decided yet."""
    from platemark.cli import connect

    with connect.client(url, data) as client:
        _tell(client.takedowns.add(notice, images), json)


@app.command()
def act(notice: Id, json: Json = False, url: Url = None, data: Data = None) -> None:
    """Withdraw and block every picture of the notice and every copy."""
    from platemark.cli import connect

    with connect.client(url, data) as client:
        _tell(client.takedowns.act(notice), json)


@app.command()
def reject(
    notice: Id,
    reason: Annotated[str, typer.Option(help="Why, as a code such as NOT_DEPICTED.")],
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Reject a notice."""
    from platemark.cli import connect

    with connect.client(url, data) as client:
        _tell(client.takedowns.reject(notice, reason), json)


@app.command("erase-text")
def erase_text(notice: Id, json: Json = False, url: Url = None, data: Data = None) -> None:
    """Erase what the claimant of a decided notice wrote, for good."""
    from platemark.cli import connect

    with connect.client(url, data) as client:
        _tell(client.takedowns.erase_text(notice), json)


def _tell(notice: "TakedownResource", json: bool) -> None:
    from platemark.cli import output

    if json:
        output.document(notice.model_dump(mode="json"))
        return
    typer.echo(f"{notice.id}  {notice.kind}  {notice.state}  due {notice.due_at:%Y-%m-%d %H:%M} UTC")
    rows = [(one.image, one.how, one.distance, "down" if one.done_at else "up") for one in notice.images]
    output.table(["IMAGE", "FOUND", "DISTANCE", "STATE"], rows, empty="it names no picture")
