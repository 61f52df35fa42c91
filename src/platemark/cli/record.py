"""`platemark record`: the whole story of an image or a generation."""

from typing import Annotated

import typer

from platemark.cli.connect import Data, Json, Url


def record(
    id: Annotated[str, typer.Argument(help="Id of an image (img_…) or of a generation (gen_…).")],
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Print the record of an image or a generation, with its audit chain checked by the server."""
    from platemark.cli import connect, output, story
    from platemark.client.nouns import route
    from platemark.core.errors import InvalidRequest

    nouns = {"img_": "images", "gen_": "generations"}
    noun = nouns.get(id[:4])
    if noun is None:
        raise InvalidRequest(f"{id!r} is no id of an image (img_…) or of a generation (gen_…).")
    with connect.client(url, data) as client:
        # As the server wrote it: a newer one may say more than this version knows.
        found = client.request("GET", route(noun, id, "record")).json()
    if json:
        output.document(found)
        return
    for one in [found] if noun == "images" else found["images"]:
        output.console().print(story.table(one))
    if noun == "generations" and not found["images"]:
        output.console().print(story.without_images(found))
