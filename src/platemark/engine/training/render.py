"""Draws a scene as a picture of 128×128 pixels."""

from PIL import Image, ImageDraw

from platemark.engine.training.backdrops import backdrop
from platemark.engine.training.palette import COLOURS, Colour, mix
from platemark.engine.training.pen import SCALE, Pen
from platemark.engine.training.scene import GROUND, Scene, Thing
from platemark.engine.training.things import AFLOAT, DRAW, FLYING, FOOT


def render(scene: Scene, contour: float = 0) -> Image.Image:
    """An RGB picture of 128×128 pixels; `contour` is the width of dark outlines around every part, in pixels."""
    image = backdrop(scene, contour)
    for thing in scene.things:
        if not scene.plain:
            _grounded(image, thing, scene)
        DRAW[thing.kind](Pen(image, thing.x, thing.y, thing.radius, contour), _colour(thing, scene))
    return image.reduce(SCALE)


def _colour(thing: Thing, scene: Scene) -> Colour:
    red, green, blue = (min(255, max(0, a + b)) for a, b in zip(COLOURS[thing.colour], thing.tint, strict=True))
    shade: dict[str, tuple[Colour, float]] = {
        "sunset": ((190, 90, 90), 0.06),
        "night": ((40, 44, 110), 0.1),
        "day": ((0, 0, 0), 0),
    }
    return mix((red, green, blue), *shade[scene.light])


def _grounded(image: Image.Image, thing: Thing, scene: Scene) -> None:
    """A soft shadow under a thing that stands, and an islet under one that stands in the sea."""
    foot = thing.y + thing.radius * FOOT.get(thing.kind, 0.97)
    swims = thing.kind in AFLOAT and scene.background == "sea"
    if thing.place == "top" or swims or (thing.kind in FLYING and foot < GROUND - 8):
        return
    if scene.background == "sea":
        pen = Pen(image)
        pen.oval(
            thing.x, foot + 2, thing.radius * 1.25, 8, (150, 206, 236) if scene.light == "day" else (120, 120, 170), 0
        )
        pen.oval(
            thing.x, foot, thing.radius * 1.12, 7, (240, 214, 150) if scene.light == "day" else (176, 140, 130), 0.08
        )
    shadow = Image.new("L", image.size, 0)
    across, deep = thing.radius * 0.85, max(2.2, thing.radius * 0.09)
    box = [thing.x - across, foot - deep, thing.x + across, foot + deep]
    ImageDraw.Draw(shadow).ellipse([value * SCALE for value in box], fill=60)
    image.paste((20, 20, 50), (0, 0), shadow)
