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
from platemark.engine.models.folder import POCKET, capabilities, read_folder

PROMPTS = (
    "a red house in a green meadow at sunset",
    "a dog in a meadow",
    "a yellow duck on the sea",
    "a white rabbit in the snow",
    "a blue bird in the forest",
    "a white rocket at night",
    "a cactus in the desert",
    "a yellow bus in the city",
    "a boat on the sea at sunset",
    "a red mushroom in the forest",
    "a purple butterfly on a yellow background",
    "a red apple on a white background",
    "a birthday cake on a purple background",
    "a blue cup on a pink background",
    "an ice cream on a blue background",
    "a green umbrella on a beach",
    "a yellow crown on a black background",
    "a blue robot on an orange background",
    "a snowman in the snow at night",
    "a plane over the mountains",
    "a blue circle on an orange background",
    "a green square on a grey background",
    "a large red heart on a pink background",
    "a pink flower on a yellow background",
    "an orange cat in the city at night",
    "a red car to the left of a blue house",
    "a yellow star above a green tree",
    "a green landscape with a tree and clouds",
    "mountains at sunset",
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
