"""`platemark holds` and `platemark purge`: what must be kept, and what may go."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import typer

from platemark.cli.connect import Data, Json, Url

Reason = Literal["litigation", "regulator", "law_enforcement", "investigation", "other"]
app = typer.Typer(no_args_is_help=True, help="Legal holds: keep something for a while, and release it.")


@app.command("list")
def listing(json: Json = False, url: Url = None, data: Data = None) -> None:
    """List the newest holds, those that have ended too."""
    from platemark.cli import connect, output

    with connect.client(url, data) as client:
        found = client.holds.list().data
    if json:
        output.document([one.model_dump(mode="json") for one in found])
        return
    rows = [
        (one.id, one.state, one.reason_code, one.image or one.generation or "a user", f"{one.until:%Y-%m-%d}")
        for one in found
    ]
    output.table(["HOLD", "STATE", "REASON", "KEEPS", "UNTIL"], rows, empty="there is no hold")


@app.command()
def place(
    reason: Annotated[Reason, typer.Argument(help="Why.")],
    days: Annotated[int, typer.Option(min=1, max=732, help="For how many days.")],
    image: Annotated[str | None, typer.Option(help="One image (img_…).")] = None,
    generation: Annotated[str | None, typer.Option(help="One generation with its images (gen_…).")] = None,
    user: Annotated[str | None, typer.Option(help="Everything of one end user of yours.")] = None,
    note: Annotated[str | None, typer.Option(help="For those who look at it later.")] = None,
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Keep something: nobody and no timer deletes or erases it until then."""
    from platemark.cli import connect, output

    until = datetime.now(UTC) + timedelta(days=days)
    with connect.client(url, data) as client:
        made = client.holds.place(reason, until, image=image, generation=generation, user=user, note=note)
    if json:
        output.document(made.model_dump(mode="json"))
    else:
        typer.echo(made.id)


@app.command()
def release(
    hold: Annotated[str, typer.Argument(help="Id of the hold (hld_…).")],
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """End a hold before its time."""
    from platemark.cli import connect, output

    with connect.client(url, data) as client:
        done = client.holds.release(hold)
    if json:
        output.document(done.model_dump(mode="json"))
    else:
        typer.echo(f"{done.id} is {done.state}")


@app.command("erase-text")
def erase_text(
    hold: Annotated[str, typer.Argument(help="Id of the hold (hld_…).")],
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Erase the note of a hold that has ended, for good."""
    from platemark.cli import connect, output

    with connect.client(url, data) as client:
        done = client.holds.erase_text(hold)
    if json:
        output.document(done.model_dump(mode="json"))
    else:
        typer.echo(f"the note of {done.id} is erased")


def purge(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Delete now what is over its time (PLATEMARK_KEEP_…); the server does it by itself every few minutes."""
    from platemark.cli import connect, output

    with connect.client(url, data) as client:
        if dry_run:
            found = client.retention.due()
            if json:
                output.document(found.model_dump(mode="json"))
                return
            rows = [(one.what, one.id, f"{one.since:%Y-%m-%d}", one.kept or "goes") for one in found.due]
            output.table(["CLASS", "ID", "DUE SINCE", "WHAT HAPPENS"], rows, empty="nothing is due")
            return
        gone: dict[str, int] = {}
        while True:
            done = client.retention.purge()
            gone = {what: gone.get(what, 0) + done.gone.get(what, 0) for what in {*gone, *done.gone}}
            if not done.more:
                break
            output.note(f"{sum(gone.values())} deleted so far")
    if json:
        output.document({"gone": gone, "kept": done.kept})
    else:
        said = ", ".join(f"{count} of {what}" for what, count in sorted(gone.items())) or "nothing"
        typer.echo(f"deleted: {said}; {done.kept} kept")
