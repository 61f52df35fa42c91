"""The nine plain backgrounds and the landscapes, each by day, at sunset and at night."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from platemark.engine.training.palette import PLAINS, WHITE, Colour, dark, light, mix
from platemark.engine.training.pen import SCALE, SIDE, Pen, Point, gradient
from platemark.engine.training.scene import HILLS, Light, Scene

_DUSK: Colour = (156, 62, 84)
_NIGHT: Colour = (22, 26, 78)
_SUNSET_SKY: tuple[Colour, Colour] = ((112, 76, 162), (255, 176, 96))
_NIGHT_SKY: tuple[Colour, Colour] = ((22, 26, 78), (70, 68, 140))


@dataclass(frozen=True, slots=True)
class Canvas:
    """A landscape in the making. `horizon` is where its ground begins, in pixels."""

    pen: Pen
    scene: Scene
    horizon: float

    def tone(self, colour: Colour) -> Colour:
        """A colour of the day as it looks in this light."""
        shares: dict[Light, tuple[Colour, float]] = {
            "day": (WHITE, 0),
            "sunset": (_DUSK, 0.23),
            "night": (_NIGHT, 0.62),
        }
        return mix(colour, *shares[self.scene.light])

    def hill(self, y: float, height: float, phase: float, colour: Colour, waves: float = 1) -> None:
        """A wavy ground from `y` down."""
        ridge: list[Point] = [
            (x, y + height * math.sin(waves * x / SIDE * 2 * math.pi + phase)) for x in range(-4, SIDE + 5, 4)
        ]
        self.pen.poly([*ridge, (SIDE + 4, SIDE + 4), (-4, SIDE + 4)], self.tone(colour), 0.06)

    def flat(self, y: float, colour: Colour, shade: float = 0.1) -> None:
        """A level ground from `y` down."""
        self.pen.poly([(-2, y), (SIDE + 2, y), (SIDE + 2, SIDE + 2), (-2, SIDE + 2)], self.tone(colour), shade)


def backdrop(scene: Scene, contour: float = 0) -> Image.Image:
    """The background, three times as large as the picture."""
    full = (SIDE * SCALE, SIDE * SCALE)
    if scene.plain:
        colour = PLAINS[scene.background]
        return gradient(full, light(colour, 0.2), dark(colour, 0.07))
    image = _sky(scene, full)
    canvas = Canvas(Pen(image, contour=contour), scene, 78 + scene.wiggle[0] * 4)
    _in_the_sky(canvas)
    _GROUNDS[scene.background](canvas)
    return image


def _sky(scene: Scene, size: tuple[int, int]) -> Image.Image:
    if scene.light == "sunset":
        image = Image.new("RGB", size, _SUNSET_SKY[1])
        image.paste(gradient((size[0], size[1] * 84 // SIDE), *_SUNSET_SKY), (0, 0))
        return image
    return gradient(size, *(_NIGHT_SKY if scene.light == "night" else _DAY_SKY[scene.background]))


def _in_the_sky(canvas: Canvas) -> None:
    pen, scene = canvas.pen, canvas.scene
    x, y = scene.sun_at
    if scene.light == "sunset":
        pen.oval(x, canvas.horizon - 6, 24, 24, (255, 200, 116), 0)
        pen.oval(x, canvas.horizon - 6, 18, 18, (255, 232, 140), 0)
    if scene.sun:
        pen.oval(x, y, 15, 15, (255, 240, 180), 0)
        pen.oval(x, y, 11, 11, (255, 212, 70), 0)
    if scene.light == "night":
        for dot_x, dot_y, size in scene.dots:
            pen.oval(dot_x, dot_y, size, size, (255, 246, 200), 0)
    if scene.moon:
        pen.oval(x, y, 12, 12, (252, 238, 180), 0.05)
    for cloud in scene.clouds:
        _cloud(canvas, *cloud)


def _cloud(canvas: Canvas, x: float, y: float, size: float) -> None:
    colour = mix(WHITE, (244, 150, 140), 0.45) if canvas.scene.light == "sunset" else WHITE
    for dx, dy, share in ((-1, 0.1, 0.7), (0, -0.25, 1.0), (1, 0.12, 0.75)):
        canvas.pen.oval(x + dx * size, y + dy * size, size * share, size * share * 0.8, colour, 0)


def _meadow(canvas: Canvas) -> None:
    one, two = canvas.scene.wiggle[1:3]
    canvas.hill(canvas.horizon, 6, one * 6, (138, 204, 100))
    canvas.hill(canvas.horizon + 17, 5, two * 6 + 2, (98, 178, 78), 1.2)


def _sea(canvas: Canvas) -> None:
    canvas.flat(canvas.horizon, (46, 134, 204), 0.14)
    streak = (255, 190, 120) if canvas.scene.light == "sunset" else canvas.tone((140, 200, 238))
    for index in range(3):
        y = canvas.horizon + 9 + 13 * index
        x = (canvas.scene.wiggle[1] * 64 + 47 * index) % 100
        if canvas.scene.light == "sunset":
            x = canvas.scene.sun_at[0] - 13 + 3 * index
        canvas.pen.box(x, y, x + 26 - 4 * index, y + 2.4, 1, streak, 0)


def _beach(canvas: Canvas) -> None:
    canvas.flat(canvas.horizon - 12, (58, 160, 214), 0.06)
    canvas.hill(canvas.horizon + 9, 3, canvas.scene.wiggle[1] * 6, (240, 250, 252))
    canvas.hill(canvas.horizon + 13, 3, canvas.scene.wiggle[1] * 6, (246, 220, 160))


def _snow(canvas: Canvas) -> None:
    one, two = canvas.scene.wiggle[1:3]
    canvas.hill(canvas.horizon, 6, one * 6, (222, 232, 246))
    canvas.hill(canvas.horizon + 15, 5, two * 6, (250, 252, 255), 1.2)
    if canvas.scene.light == "day":
        for x, y, size in canvas.scene.dots:
            canvas.pen.oval(x, y * 1.7, size, size, WHITE, 0)


def _city(canvas: Canvas) -> None:
    for index, height in enumerate(canvas.scene.towers):
        x = index * 18.5 - 1
        wall = (118, 134, 168) if index % 2 else (140, 156, 188)
        canvas.pen.box(x, 100 - height, x + 17.5, 104, 0.5, canvas.tone(wall), 0.05)
        for top in range(int(100 - height) + 6, 94, 11):
            for left in (x + 3.4, x + 10.2):
                canvas.pen.box(left, top, left + 4, top + 5, 0.3, (252, 232, 160), 0)
    canvas.flat(102, (92, 96, 108), 0.06)
    for left in (4, 50, 96):
        x = left + canvas.scene.wiggle[1] * 10
        canvas.pen.box(x, 115, x + 22, 118, 1, canvas.tone((236, 232, 214)), 0)


def _forest(canvas: Canvas) -> None:
    for row, (y, colour, step) in enumerate((((72.0), (88, 150, 118), 19), ((86.0), (50, 116, 86), 24))):
        for index in range(9):
            x = index * step - 12 + canvas.scene.wiggle[1 + row] * 12
            tall = 42 + (index * 7 + row * 5) % 4 * 5
            canvas.pen.poly(
                [(x, y - tall + 14), (x + step * 0.6, y + 14), (x - step * 0.6, y + 14)], canvas.tone(colour), 0.06
            )
    canvas.hill(96, 2, canvas.scene.wiggle[3] * 6, (92, 158, 84))


def _desert(canvas: Canvas) -> None:
    one, two = canvas.scene.wiggle[1:3]
    canvas.hill(canvas.horizon - 2, 7, one * 6, (240, 196, 120))
    canvas.hill(canvas.horizon + 17, 5, two * 6 + 2, (226, 170, 92), 0.8)


def _mountains(canvas: Canvas) -> None:
    base = canvas.horizon + 16
    for x, top, half in ((28, 24, 46), (100, 32, 44), (64, 44, 40)):
        x += canvas.scene.wiggle[1] * 10 - 5
        canvas.pen.poly([(x, top), (x + half, base), (x - half, base)], canvas.tone((124, 140, 170)), 0.1)
        snow = [(x, top), (x + 10, top + 16), (x + 3, top + 12), (x - 3, top + 18), (x - 10, top + 16)]
        canvas.pen.poly(snow, canvas.tone((246, 250, 255)), 0)
    canvas.hill(canvas.horizon + 10, 4, canvas.scene.wiggle[2] * 6, (122, 178, 100))


def _hills(canvas: Canvas) -> None:
    far, near = ((92, 62, 128), (62, 42, 100)) if canvas.scene.light == "sunset" else ((64, 64, 116), (52, 54, 110))
    canvas.hill(canvas.horizon + 6, 4, canvas.scene.wiggle[1] * 6, far)
    canvas.hill(canvas.horizon + 21, 4, canvas.scene.wiggle[2] * 6, near, 1.2)


_GROUNDS: dict[str, Callable[[Canvas], None]] = {
    "meadow": _meadow,
    "sea": _sea,
    "beach": _beach,
    "snow": _snow,
    "city": _city,
    "forest": _forest,
    "desert": _desert,
    "mountains": _mountains,
    HILLS: _hills,
}
_DAY_SKY: dict[str, tuple[Colour, Colour]] = {
    "meadow": ((126, 196, 246), (214, 240, 252)),
    "sea": ((140, 206, 248), (222, 242, 252)),
    "beach": ((132, 206, 248), (224, 244, 252)),
    "snow": ((170, 204, 232), (226, 238, 248)),
    "city": ((176, 208, 240), (240, 232, 226)),
    "forest": ((168, 216, 236), (226, 244, 236)),
    "desert": ((120, 196, 240), (250, 236, 206)),
    "mountains": ((140, 200, 244), (224, 240, 250)),
    HILLS: ((140, 200, 244), (224, 240, 250)),
}
