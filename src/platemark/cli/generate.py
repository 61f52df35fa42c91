"""`platemark generate`: one prompt, its pictures as files."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from platemark.cli.connect import Data, Json, Url
from platemark.cli.faults import UNFINISHED

if TYPE_CHECKING:
    from platemark.client import Generation, Image

Pixels = Annotated[int | None, typer.Option(min=1, help="Pixels; the model's own size when absent.")]


def generate(
    prompt: Annotated[str, typer.Argument(help="What to draw.")],
    out: Annotated[str, typer.Option(help="File or folder to write to; in a folder by their ids.")] = ".",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
    negative_prompt: Annotated[str | None, typer.Option(help="What to avoid.")] = None,
    model: Annotated[str | None, typer.Option(help="A model or alias; the server's default when absent.")] = None,
    width: Pixels = None,
    height: Pixels = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Steps; the model's default when absent.")] = None,
    cfg_scale: Annotated[float | None, typer.Option(help="How strictly to follow the prompt.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="For the same picture again; drawn when absent.")] = None,
    n: Annotated[int, typer.Option("-n", "--count", min=1, help="How many pictures.")] = 1,
    output_format: Annotated[Literal["png", "jpeg", "webp"], typer.Option("--format", help="Kind of file.")] = "png",
    lane: Annotated[Literal["interactive", "batch"], typer.Option(help="batch lets others go first.")] = "interactive",
    tag: Annotated[list[str] | None, typer.Option(help="name:value, to find it again; repeat it.")] = None,
    drop: Annotated[
        bool,
        typer.Option("--drop", help="Drop what the model cannot honour, with a warning, instead of failing."),
    ] = False,
    key: Annotated[
        str | None, typer.Option("--idempotency-key", help="The same key and request are never drawn twice.")
    ] = None,
    json: Json = False,
    url: Url = None,
    data: Data = None,
) -> None:
    """Draw pictures from a prompt, wait for them and save them.

    Exit code 3 when a person has to look first, at the request or at a picture.
    """
    from platemark.cli import connect, output, progress

    fields: dict[str, Any] = {
        "negative_prompt": negative_prompt,
        "model": model,
        "width": width,
        "height": height,
        "steps": steps,
        "cfg_scale": cfg_scale,
        "seed": seed,
        "n": n,
        "output_format": output_format,
        "lane": lane,
        "tags": _tags(tag or ()),
        "on_unsupported": "drop" if drop else None,
    }
    with connect.client(url, data) as client:
        with progress.shown(client.generations.preview, quiet=json) as listener:
            made = client.generate(prompt, on_progress=listener, idempotency_key=key, **fields)
        saved = {image.id: image.save(target, overwrite=overwrite) for image, target in _places(made.images, out)}
    if json:
        output.document(
            {**made.resource.model_dump(mode="json"), "files": {id: str(path) for id, path in saved.items()}}
        )
    else:
        _tell(made, saved)
    if made.status != "succeeded" or len(saved) < len(made.images):
        raise typer.Exit(UNFINISHED)


def _tags(given: Sequence[str]) -> dict[str, str] | None:
    pairs = [tag.partition(":") for tag in given]
    if any(not name or not colon for name, colon, _ in pairs):
        raise typer.BadParameter("a tag has the form name:value")
    return {name: value for name, _, value in pairs} or None


def _places(images: Sequence["Image"], out: str) -> "list[tuple[Image, str]]":
    """Where each picture that gives bytes goes; several that are to share one name are numbered."""
    readable = [image for image in images if image.moderation.state not in ("in_review", "blocked")]
    target = Path(out).expanduser()
    if len(images) == 1 or target.is_dir():
        return [(image, out) for image in readable]
    if out.endswith("/") or not target.suffix:
        return [(image, f"{out.rstrip('/')}/") for image in readable]
    return [(image, str(target.with_stem(f"{target.stem}-{image.resource.index}"))) for image in readable]


def _tell(made: "Generation", saved: dict[str, Path]) -> None:
    from platemark.cli import output

    for warning in made.warnings:
        output.note(f"warning: {warning.message}")
    for image in made.images:
        if image.id in saved:
            typer.echo(saved[image.id])
        else:
            output.note(f"{image.id} is {image.moderation.state} ({image.moderation.reason_code}) and gives no file")
    if made.status == "held":
        output.note(f"{made.id} is held until a person has looked at it; see `platemark record {made.id}`")
