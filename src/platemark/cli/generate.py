"""`platemark generate`: one prompt, its pictures as files."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from platemark.cli.connect import Data, Json, Url
from platemark.cli.faults import UNFINISHED

if TYPE_CHECKING:
    from platemark.client import Generation, Image

Pixels = Annotated[
    int | None, typer.Option(min=1, help="Pixels; the source's size when absent, without one the model's own.")
]
Side = Annotated[int | None, typer.Option(min=0, help="Outpaint: pixels to add on this side.")]
Operation = Literal["text_to_image", "image_to_image", "inpaint", "outpaint", "upscale"]


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
    operation: Annotated[
        Operation, typer.Option(help="What to do; all but text_to_image start from --image.")
    ] = "text_to_image",
    image: Annotated[str | None, typer.Option(help="Source: a file, an img_ id or an https URL.")] = None,
    mask: Annotated[str | None, typer.Option(help="Inpaint: white is drawn anew; as large as the image.")] = None,
    strength: Annotated[
        float | None, typer.Option(min=0, max=1, help="How far to leave the source: 0 not at all, 1 ignores it.")
    ] = None,
    left: Side = None,
    right: Side = None,
    up: Side = None,
    down: Side = None,
    mask_grow: Annotated[int | None, typer.Option(help="Pixels by which the mask grows; negative shrinks it.")] = None,
    mask_feather: Annotated[int | None, typer.Option(min=0, help="Pixels over which the mask's edge fades.")] = None,
    control: Annotated[
        list[str] | None, typer.Option(help="Guide as TYPE=FILE or TYPE=FILE:STRENGTH, such as canny=house.png:0.8.")
    ] = None,
    no_preprocess: Annotated[
        bool, typer.Option("--no-preprocess", help="The --control files are guides already: use them as they are.")
    ] = False,
    lora: Annotated[list[str] | None, typer.Option(help="LoRA as ID or ID:SCALE; repeat it for several.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="By the names of the field, such as euler_a.")] = None,
    watermark: Annotated[
        bool, typer.Option("--watermark", help="Mark every output invisibly at once, not only what is published.")
    ] = False,
    variation: Annotated[
        float | None, typer.Option(min=0, max=1, help="How far pictures may move away from the one of --seed.")
    ] = None,
    clip_skip: Annotated[int | None, typer.Option(min=0, help="Last layers of the text encoder to leave out.")] = None,
    guidance_rescale: Annotated[
        float | None, typer.Option(min=0, max=1, help="Take back the contrast that strong guidance adds.")
    ] = None,
    vae: Annotated[str | None, typer.Option(help="Another autoencoder of the model, by its name.")] = None,
    reproducible: Annotated[
        bool, typer.Option("--reproducible", help="Drawn alone: the same bits again on the same machine.")
    ] = False,
    output_format: Annotated[Literal["png", "jpeg", "webp"], typer.Option("--format", help="Kind of file.")] = "png",
    lane: Annotated[Literal["interactive", "batch"], typer.Option(help="batch lets others go first.")] = "interactive",
    tag: Annotated[list[str] | None, typer.Option(help="name:value, to find it again; repeat it.")] = None,
    user: Annotated[str | None, typer.Option(help="Your own id of the person that it is for.")] = None,
    audience: Annotated[str | None, typer.Option(help="Who would see it, such as newsroom or education.")] = None,
    role: Annotated[str | None, typer.Option(help="Role of who asks; the key must be allowed to say so.")] = None,
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
    """Draw pictures from a prompt, or edit one with --operation and --image; wait for them and save them.

    Exit code 3 when a person has to look first, at the request or at a picture.
    """
    from platemark.cli import asked, connect, output, progress

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
        "tags": asked.tags(tag),
        "user": user,
        "audience": audience,
        "role": role,
        "operation": None if operation == "text_to_image" else operation,
        "image": asked.picture(image, "--image"),
        "mask": asked.picture(mask, "--mask"),
        "strength": strength,
        "left": left,
        "right": right,
        "up": up,
        "down": down,
        "mask_grow": mask_grow,
        "mask_feather": mask_feather,
        "controls": asked.controls(control, preprocess=not no_preprocess),
        "loras": asked.loras(lora),
        "scheduler": scheduler,
        "watermark": "output" if watermark else None,
        "variation": variation,
        "clip_skip": clip_skip,
        "guidance_rescale": guidance_rescale,
        "vae": vae,
        "reproducible": reproducible or None,
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
