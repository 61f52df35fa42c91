"""Draws the sample sheet of local/pocket: one prompt a tile, always seed 1, nothing picked by hand.

python bench/_pocket_samples.py [OUT.png]
"""

import io
import sys
from pathlib import Path

import anyio
from PIL import Image, ImageDraw

from platemark.core.generation import Parameters
from platemark.core.updates import Order, Picture
from platemark.engine.engine import Engine
from platemark.engine.folder import POCKET, capabilities, read_folder

PROMPTS = (
    "a red house in a meadow",
    "a red house in a green meadow at sunset",
    "an orange cat on a beach",
    "a blue fish at sea",
    "a yellow star at night",
    "a green tree in the snow",
    "a red car in the city",
    "a red mushroom in a meadow with clouds",
    "a white boat on the sea at sunset",
    "a pink flower on a yellow background",
    "a purple balloon on a white background",
    "a large red heart on a pink background",
    "a blue circle on an orange background",
    "a green square on a grey background",
    "an orange triangle on a blue background",
    "a small yellow star at the top on a black background",
    "a red car on the left and a blue house on the right",
    "two balloons in a meadow",
    "a green landscape with a tree and clouds",
    "a dog on a skateboard",
)
ACROSS, TILE, LINE, SEED = 5, 224, 22, 1
MODEL = "local/pocket"


async def main(out: Path) -> None:
    down = -(-len(PROMPTS) // ACROSS)
    sheet = Image.new("RGB", (ACROSS * TILE, down * (TILE + LINE)), "white")
    pen = ImageDraw.Draw(sheet)
    can = capabilities(read_folder(POCKET))
    asked = Parameters(width=512, height=512, steps=can.default_steps, cfg_scale=can.default_cfg_scale, seed=SEED, n=1)
    async with Engine.open({MODEL: POCKET}, warm=MODEL) as engine:
        for number, prompt in enumerate(PROMPTS):
            left, top = number % ACROSS * TILE, number // ACROSS * (TILE + LINE)
            async for update in engine.draw(Order(MODEL, "text_to_image", prompt, None, asked, (SEED,), "sheet")):
                if isinstance(update, Picture):
                    tile = Image.open(io.BytesIO(update.data)).resize((TILE - 8, TILE - 8), Image.Resampling.LANCZOS)
                    sheet.paste(tile, (left + 4, top + 4))
            pen.text((left + TILE // 2, top + TILE + 6), prompt, fill="#333", anchor="mm", font_size=9)
    sheet.save(out, optimize=True)


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]) if len(sys.argv) > 1 else POCKET / "samples.png")
