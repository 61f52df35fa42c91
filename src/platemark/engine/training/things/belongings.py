"""Buildings, food and things of a house. Each function draws into the unit space of its pen."""

from platemark.engine.training.palette import GLASS, INK, LAMP, WHITE, WOOD, Colour, apart, dark, light
from platemark.engine.training.pen import Pen, arc, soft

_CREAM: Colour = (255, 246, 226)


def house(pen: Pen, colour: Colour) -> None:
    """A roof with a chimney, a door and two lit windows."""
    pen.box(0.4, -0.86, 0.64, -0.3, 0.02, dark(colour, 0.5), 0.05)
    pen.box(-0.74, -0.18, 0.74, 0.97, 0.03, colour, 0.12)
    pen.poly(soft([(0, -1), (1.02, -0.1), (-1.02, -0.1)], 0.03), dark(colour, 0.42), 0.1)
    pen.box(-0.18, 0.36, 0.18, 0.97, 0.04, WOOD, 0.1)
    for x in (-0.6, 0.28):
        pen.box(x, 0.1, x + 0.32, 0.46, 0.03, LAMP, 0)


def umbrella(pen: Pen, colour: Colour) -> None:
    """Open, with a curved handle."""
    pen.box(-0.06, 0, 0.06, 0.82, 0.02, WOOD, 0)
    pen.poly([*arc(0.18, 0.76, 0.24, 0.22, 0, 180, 20), *arc(0.18, 0.76, 0.12, 0.1, 180, 0, 20)], WOOD, 0)
    pen.poly([*arc(0, 0.08, 1, 1.02, 180, 360), *_scallops()], colour, 0.16)
    pen.poly(
        [*arc(0, 0.08, 0.34, 1.02, 180, 360, 20), *arc(0, 0.08, 0.34, 0.14, 0, -180, 12)], light(colour, 0.35), 0.1
    )
    pen.box(-0.05, -1.02, 0.05, -0.86, 0.02, WOOD, 0)


def _scallops() -> list[tuple[float, float]]:
    points: list[tuple[float, float]] = []
    for centre in (0.67, 0.0, -0.67):
        points += arc(centre, 0.08, 0.33, 0.14, 0, -180, 12)
    return points


def cup(pen: Pen, colour: Colour) -> None:
    """A mug with a handle at its right and a light band."""
    pen.oval(0.58, 0.1, 0.42, 0.44, dark(colour, 0.2), 0.08)
    pen.oval(0.58, 0.1, 0.22, 0.24, light(colour, 0.8), 0)
    pen.box(-0.82, -0.74, 0.58, 0.94, 0.18, colour, 0.16)
    pen.oval(-0.12, -0.72, 0.7, 0.2, light(colour, 0.4), 0)
    pen.oval(-0.12, -0.7, 0.56, 0.13, (104, 66, 44), 0)
    pen.box(-0.82, 0.2, 0.58, 0.44, 0.02, light(colour, 0.5), 0)


def cake(pen: Pen, colour: Colour) -> None:
    """Two layers with icing and three candles."""
    for x in (-0.32, 0, 0.32):
        pen.box(x - 0.06, -0.68, x + 0.06, -0.2, 0.02, _CREAM if apart(colour, WHITE) > 90 else (244, 132, 176), 0)
        pen.oval(x, -0.84, 0.09, 0.14, (255, 176, 40), 0)
    pen.box(-0.94, 0.24, 0.94, 0.96, 0.08, colour, 0.1)
    pen.box(-0.64, -0.3, 0.64, 0.34, 0.08, colour, 0.06)
    icing = _CREAM if apart(colour, WHITE) > 90 else (244, 150, 190)
    for left, right, top in ((-0.64, 0.64, -0.3), (-0.94, 0.94, 0.24)):
        pen.box(left, top, right, top + 0.16, 0.07, icing, 0)
        for index in range(3):
            x = left + (right - left) * (0.2 + 0.3 * index)
            pen.box(x - 0.11, top, x + 0.11, top + 0.31, 0.1, icing, 0)


def ice_cream(pen: Pen, colour: Colour) -> None:
    """A round scoop in a pointed waffle."""
    pen.poly(soft([(-0.48, -0.02), (0.48, -0.02), (0, 1)], 0.04), (226, 168, 96), 0.12)
    for x in (-0.2, 0.2):
        pen.poly(
            [(x - 0.05, 0.02), (x + 0.05, 0.02), (-x * 0.5 + 0.04, 0.6), (-x * 0.5 - 0.04, 0.6)], (180, 120, 60), 0
        )
    pen.oval(0, -0.4, 0.62, 0.58, colour, 0.14)
    pen.box(-0.68, -0.18, 0.68, 0.08, 0.13, dark(colour, 0.12), 0.04)
    pen.oval(-0.22, -0.6, 0.16, 0.12, light(colour, 0.55), 0)


def crown(pen: Pen, colour: Colour) -> None:
    """Three points with balls and three jewels."""
    teeth = [(-0.84, 0.72), (-0.96, -0.5), (-0.44, 0.06), (0, -0.72), (0.44, 0.06), (0.96, -0.5), (0.84, 0.72)]
    pen.poly(soft(teeth, 0.02), colour, 0.14)
    pen.box(-0.86, 0.5, 0.86, 0.84, 0.05, dark(colour, 0.24), 0.05)
    for x, y in ((-0.95, -0.56), (0, -0.78), (0.95, -0.56)):
        pen.oval(x, y, 0.14, 0.14, light(colour, 0.4), 0)
    jewel = (226, 58, 90) if apart(colour, (226, 58, 90)) > 140 else (90, 190, 240)
    for x in (-0.44, 0, 0.44):
        pen.oval(x, 0.3, 0.12, 0.12, jewel, 0)


def robot(pen: Pen, colour: Colour) -> None:
    """A square head with two eyes and an antenna on a square body."""
    pen.box(-0.04, -0.98, 0.04, -0.7, 0.01, (120, 124, 136), 0)
    pen.oval(0, -0.92, 0.1, 0.1, (240, 90, 80), 0)
    for x in (-0.8, 0.6):
        pen.box(x, 0.06, x + 0.2, 0.62, 0.09, (150, 154, 166), 0.06)
    for x in (-0.4, 0.14):
        pen.box(x, 0.6, x + 0.26, 0.98, 0.04, (110, 114, 128), 0.06)
    pen.box(-0.54, 0, 0.54, 0.74, 0.08, dark(colour, 0.1), 0.1)
    pen.box(-0.58, -0.74, 0.58, -0.04, 0.12, colour, 0.12)
    for x in (-0.26, 0.26):
        pen.oval(x, -0.46, 0.16, 0.16, WHITE, 0)
        pen.oval(x, -0.46, 0.08, 0.08, INK, 0)
    pen.box(-0.28, -0.22, 0.28, -0.13, 0.03, INK, 0)
    pen.box(-0.28, 0.2, 0.28, 0.5, 0.04, GLASS, 0)


def snowman(pen: Pen, colour: Colour) -> None:
    """Two snowballs with a hat, a scarf and a carrot; `colour` is the snow's."""
    scarf = (220, 66, 66) if apart(colour, (220, 66, 66)) > 140 else (250, 208, 54)
    pen.oval(0, 0.46, 0.62, 0.54, dark(colour, 0.05), 0.12)
    pen.oval(0, -0.28, 0.44, 0.42, colour, 0.1)
    pen.box(-0.44, 0, 0.44, 0.16, 0.07, scarf, 0)
    pen.box(0.16, 0.06, 0.36, 0.5, 0.06, scarf, 0.05)
    hat = INK if sum(colour) > 240 else (110, 120, 150)
    pen.box(-0.5, -0.64, 0.5, -0.52, 0.04, hat, 0)
    pen.box(-0.32, -1, 0.32, -0.56, 0.04, hat, 0.05)
    for x in (-0.16, 0.16):
        pen.oval(x, -0.34, 0.07, 0.08, hat, 0)
    pen.poly([(-0.02, -0.24), (-0.02, -0.1), (0.34, -0.14)], (244, 140, 40), 0)
    pen.oval(-0.06, 0.42, 0.07, 0.07, hat, 0)
    pen.oval(-0.06, 0.68, 0.07, 0.07, hat, 0)
