"""`platemark publish` and `platemark withdraw`: the gate before an audience, and the way back."""

from typing import TYPE_CHECKING, Annotated

import typer

from platemark.cli.connect import Data, Json, Url

if TYPE_CHECKING:
    from platemark.client.publications import Size
    from platemark.core.resource import PublicationResource


def publish(
    image: Annotated[str, typer.Argument(help="Id of the image (img_…).")],
    audience: Annotated[
        str | None, typer.Option(help="For whom: newsroom, education, marketplace, internal or your own word.")
    ] = None,
    role: Annotated[str | None, typer.Option(help="Role of who asks; the key must be allowed to say so.")] = None,
    target: Annotated[list[str] | None, typer.Option(help="Deliver it there, too; may stand several times.")] = None,
    rendition: Annotated[
        list[str] | None,
        typer.Option(help="A further file: a width, a format or both (640, webp, 640.webp); several times."),
    ] = None,
    alt_text: Annotated[str | None, typer.Option(help="What the picture shows, for those who cannot see it.")] = None,
    burn_label: Annotated[
        bool | None,
        typer.Option("--burn-label/--no-burn-label", help="Draw the label into the pixels. [default: by audience]"),
    ] = None,
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Release an image to an audience, after screening it for that audience.

    Exit code 0: published; 3: held, a person looks first; 1: the policy does not let it be published.
    """
    from platemark.cli import connect

    sizes = [size_of(text) for text in rendition or ()]
    with connect.client(url, data) as client:
        made = client.publications.create(
            image,
            audience=audience,
            role=role,
            targets=target or (),
            renditions=sizes,
            alt_text=alt_text,
            burn_label=burn_label,
        )
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


def size_of(text: str) -> "Size":
    """`640`, `webp` or `640.webp`."""
    width, _, output_format = text.partition(".") if text[:1].isdecimal() else ("", "", text)
    if width and not width.isdecimal():
        raise typer.BadParameter(f"{text!r} is neither a width, nor a format, nor both like 640.webp.")
    size: Size = {}
    if width:
        size["width"] = int(width)
    if output_format:
        size["format"] = output_format
    return size


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
    for one in publication.renditions:
        typer.echo(
            f"  {one.name}: {one.media_type} {one.width}×{one.height}, credential {one.credential_state}, "
            f"watermark {one.watermark}, sha256 {one.sha256}"
        )
    if publication.label_text:
        typer.echo(f"  label{', in the pixels' if publication.burn_label else ''}: {publication.label_text}")
    for one in publication.deliveries:
        typer.echo(f"  {one.action} {one.target}: {one.state}")
