"""One contact sheet for each thing that the local engine does: `contact_sheets.py [--out sheets] [NAME …]`.

Draws with `local/pocket` at its own 128×128 pixels, so that nothing is hidden by enlarging. Needs Pillow.
"""

import argparse
import io
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from platemark import Client

MODEL = "local/pocket"
SIDE = 128
CELL = 192
CAPTION = 30
HOUSE = "a red house in a green meadow"
Cell = tuple[str, Image.Image]
Sheet = Callable[[Client], Iterator[Sequence[Cell]]]


def draw(client: Client, prompt: str, **fields: Any) -> list[Image.Image]:
    """The pictures of one request, decoded."""
    size = {} if "image" in fields else {"width": SIDE, "height": SIDE}
    options: dict[str, Any] = {"seed": 7, **size, **fields}
    made = client.generate(prompt, model=MODEL, **options)
    return [Image.open(io.BytesIO(image.read())).convert("RGB") for image in made.images]


def text_to_image(client: Client) -> Iterator[Sequence[Cell]]:
    prompts = (
        *("a red house in a green meadow at sunset", "a yellow star at night", "a blue fish at sea"),
        *("an orange cat on a beach", "a green tree in the snow", "a red car in the city"),
        *("a small red apple on the left", "a large purple balloon on a white background"),
        *("a blue circle on an orange background", "a red square and a blue star", "a rocket", "a dog in a meadow"),
    )
    for start in range(0, len(prompts), 6):
        yield [(prompt, draw(client, prompt)[0]) for prompt in prompts[start : start + 6]]


def negative_prompts_and_weights(client: Client) -> Iterator[Sequence[Cell]]:
    prompts = ("a house, a tree", "a (house:1.4), a (tree:0.6)", "a (house:0.6), a (tree:1.4)", "a [house], a ((tree))")
    yield [(prompt, draw(client, prompt)[0]) for prompt in prompts]
    negatives = ("", "red", "clouds", "meadow")
    yield [(f"not: {text}" if text else HOUSE, draw(client, HOUSE, negative_prompt=text)[0]) for text in negatives]


def variations(client: Client) -> Iterator[Sequence[Cell]]:
    for amount in (0.1, 0.3, 0.6, 1.0):
        pictures = draw(client, HOUSE, n=5, variation=amount)
        yield [(f"variation {amount}, picture {index}", picture) for index, picture in enumerate(pictures)]


def image_to_image(client: Client) -> Iterator[Sequence[Cell]]:
    source = draw(client, HOUSE)[0]
    for prompt in ("a blue house in the snow", "a red mushroom in a green meadow"):
        row = [("source", source)]
        for strength in (0.3, 0.5, 0.7, 0.9):
            fields = {"operation": "image_to_image", "image": source, "strength": strength}
            row.append((f"{prompt}, strength {strength}", draw(client, prompt, **fields)[0]))
        yield row


def inpaint(client: Client) -> Iterator[Sequence[Cell]]:
    source = draw(client, "a red house in a green meadow with clouds")[0]
    mask = Image.new("L", source.size, 0)
    ImageDraw.Draw(mask).rectangle((24, 30, 104, 112), fill=255)
    for prompt in ("a green tree in a green meadow", "a red mushroom in a green meadow"):
        row = [("source", source), ("mask", mask.convert("RGB"))]
        for feather in (0, 8, 16):
            fields = {"operation": "inpaint", "image": source, "mask": mask, "mask_feather": feather}
            row.append((f"{prompt}, feather {feather}", draw(client, prompt, **fields)[0]))
        yield row


def outpaint(client: Client) -> Iterator[Sequence[Cell]]:
    source = draw(client, HOUSE)[0]
    sides = ({"left": 64, "right": 64}, {"up": 48}, {"down": 48}, {"left": 32, "right": 32, "up": 32, "down": 32})
    # The words are about what is new: a house in them would be drawn beside the one that is there.
    for prompt in ("a green meadow", "a green meadow with trees"):
        row = [("source", source)]
        for side in sides:
            title = ", ".join(f"{name} {pixels}" for name, pixels in side.items())
            fields = {"operation": "outpaint", "image": source, **side}
            row.append((f"{prompt}: {title}", draw(client, prompt, **fields)[0]))
        yield row


def upscale(client: Client) -> Iterator[Sequence[Cell]]:
    source = draw(client, HOUSE)[0]
    row = [("source, 128 x 128", source)]
    for side in (256, 512):
        fields: dict[str, Any] = {"operation": "upscale", "image": source, "width": side, "height": side}
        row.append((f"{side} x {side}", draw(client, HOUSE, **fields)[0]))
    yield row


def controls(client: Client) -> Iterator[Sequence[Cell]]:
    known = _capabilities(client)["controls"]
    source = draw(client, HOUSE)[0]
    for kind in known:
        row = [("guide is made from", source)]
        for prompt, strength in ((HOUSE, 1.0), ("a blue house in the snow", 1.0), ("a purple house at night", 0.5)):
            guide = {"type": kind, "image": source, "strength": strength}
            row.append((f"{prompt}, {kind} {strength}", draw(client, prompt, controls=[guide], seed=11)[0]))
        row.append(("without, same seed", draw(client, HOUSE, seed=11)[0]))
        yield row


def loras(client: Client) -> Iterator[Sequence[Cell]]:
    known = _capabilities(client)["loras"]
    for prompt in (HOUSE, "an orange cat on a beach"):
        row = [("none", draw(client, prompt)[0])]
        for name in known:
            for scale in (0.5, 1.0):
                row.append((f"{name} {scale}", draw(client, prompt, loras=[{"id": name, "scale": scale}])[0]))
        yield row


def schedulers(client: Client) -> Iterator[Sequence[Cell]]:
    known = _capabilities(client)["schedulers"]
    for start in range(0, len(known), 6):
        yield [(name, draw(client, HOUSE, scheduler=name, steps=20)[0]) for name in known[start : start + 6]]


def steps_and_guidance(client: Client) -> Iterator[Sequence[Cell]]:
    yield [(f"{steps} steps", draw(client, HOUSE, steps=steps)[0]) for steps in (2, 4, 8, 12, 20, 40)]
    yield [(f"guidance {scale}", draw(client, HOUSE, cfg_scale=scale)[0]) for scale in (1, 2, 3, 4, 7, 12)]
    rescales = (0, 0.3, 0.5, 0.7, 1)
    yield [
        (f"guidance 9, rescale {rescale}", draw(client, HOUSE, cfg_scale=9, guidance_rescale=rescale)[0])
        for rescale in rescales
    ]


SHEETS: dict[str, Sheet] = {
    sheet.__name__: sheet
    for sheet in (
        *(text_to_image, negative_prompts_and_weights, variations, image_to_image, inpaint, outpaint, upscale),
        *(controls, loras, schedulers, steps_and_guidance),
    )
}


def _capabilities(client: Client) -> dict[str, Any]:
    models = client.request("GET", "/v1/models").json()["data"]
    return next(model["capabilities"] for model in models if model["id"] == MODEL)


def compose(rows: Sequence[Sequence[Cell]]) -> Image.Image:
    """Rows of captioned pictures; each is scaled to fit its cell, small ones without smoothing."""
    width = max(len(row) for row in rows) * CELL
    sheet = Image.new("RGB", (width, len(rows) * (CELL + CAPTION)), "white")
    pen = ImageDraw.Draw(sheet)
    for down, row in enumerate(rows):
        for across, (caption, picture) in enumerate(row):
            left, top = across * CELL, down * (CELL + CAPTION)
            scale = (CELL - 8) / max(picture.size)
            size = round(picture.width * scale), round(picture.height * scale)
            sheet.paste(picture.resize(size, Image.Resampling.BICUBIC), (left + 4, top + 4))
            pen.text((left + 6, top + CELL - 4), "\n".join(textwrap.wrap(caption, 32)[:2]), fill="black")
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which sheets; all when absent")
    parser.add_argument("--out", type=Path, default=Path("sheets"), help="folder for the sheets")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - SHEETS.keys())
    if unknown:
        parser.error(f"there is no sheet {', '.join(unknown)}; there are {', '.join(SHEETS)}")
    options.out.mkdir(parents=True, exist_ok=True)
    with Client() as client:
        for name in options.names or SHEETS:
            rows = [row for row in SHEETS[name](client) if row]
            if not rows:
                print(f"{name}: {MODEL} has none")
                continue
            path = options.out / f"{name}.png"
            compose(rows).save(path)
            print(path)


if __name__ == "__main__":
    main()
