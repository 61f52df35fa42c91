"""`platemark publish` and `platemark withdraw`: the gate before an audience, and the way back."""

from typing import TYPE_CHECKING, Annotated

import typer

from platemark.cli.connect import Data, Json, Url

if TYPE_CHECKING:
    from platemark.core.resource import PublicationResource


def publish(
    image: Annotated[str, typer.Argument(help="Id of the image (img_…).")],
    audience: Annotated[
        str | None, typer.Option(help="For whom: newsroom, education, marketplace, internal or your own word.")
    ] = None,
    role: Annotated[str | None, typer.Option(help="Role of who asks; the key must be allowed to say so.")] = None,
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Release an image to an audience, after screening it for that audience.

    Exit code 0: published; 3: held, a person looks first; 1: the policy does not let it be published.
    """
    from platemark.cli import connect

    with connect.client(url, data) as client:
        made = client.publications.create(image, audience=audience, role=role)
    _show(made, json)
    raise typer.Exit(3 if made.state == "held" else 0)


def withdraw(
    publication: Annotated[str, typer.Argument(help="Id of the publication (pub_…).")],
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Take a publication back: nothing of it is readable without a key any more."""
    from platemark.cli import connect

    with connect.client(url, data) as client:
        gone = client.publications.withdraw(publication)
    _show(gone, json)


def _show(publication: "PublicationResource", json: bool) -> None:
    from platemark.cli import output

    if json:
        output.document(publication.model_dump(mode="json"))
        return
    typer.echo(
        f"{publication.id} {publication.state}" + (f" for {publication.audience}" if publication.audience else "")
    )
    if publication.url:
        typer.echo(publication.url)
