"""`platemark delete`: the bytes of an image go, its record stays."""

from typing import Annotated

import typer

from platemark.cli.connect import Data, Json, Url


def delete(
    image: Annotated[str, typer.Argument(help="Id of the image (img_…).")],
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Delete an image: its file and all that was made of it go, also what is published; its record stays."""
    from platemark.cli import connect, output

    with connect.client(url, data) as client:
        gone = client.images.delete(image).resource
    if json:
        output.document(gone.model_dump(mode="json"))
    else:
        typer.echo(f"{gone.id} deleted")
