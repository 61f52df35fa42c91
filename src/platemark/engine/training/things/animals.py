"""Animals. Each function draws into the unit space of its pen."""

import math
from collections.abc import Iterable

from platemark.engine.training.palette import INK, WHITE, Colour, dark, light
from platemark.engine.training.pen import Pen, Point, arc, mirrored, soft

_BEAK: Colour = (246, 150, 46)


def _eye(pen: Pen, x: float, y: float, size: float = 0.12) -> None:
    pen.oval(x, y, size, size, WHITE, 0)
    pen.oval(x, y, size * 0.58, size * 0.58, INK, 0)


def _dots(pen: Pen, colour: Colour, y: float, apart: float, size: float) -> None:
    eye = INK if sum(colour) > 240 else (246, 226, 120)
    for x in (-apart, apart):
        pen.oval(x, y, size, size * 1.25, eye, 0)


def fish(pen: Pen, colour: Colour) -> None:
    """Swims to the left."""
    fin = dark(colour, 0.2)
    pen.poly(soft([(0.42, 0), (1, -0.56), (0.86, 0), (1, 0.56)], 0.1), fin, 0.1)
    pen.poly([(-0.24, -0.4), (0.12, -0.8), (0.4, -0.3)], fin, 0.1)
    pen.oval(-0.18, 0, 0.8, 0.54, colour, 0.2)
    _eye(pen, -0.58, -0.12, 0.15)
    pen.poly([(-0.14, 0.04), (0.24, 0.34), (-0.12, 0.34)], dark(colour, 0.26), 0)


def cat(pen: Pen, colour: Colour) -> None:
    """Sits, with pointed ears and a tail at its right."""
    inner = [(0.42 + 0.36 * math.sin(a * 0.22), 0.93 - 0.46 * (1 - math.cos(a * 0.22))) for a in range(12)]
    pen.poly(inner + [(x + 0.17, y + 0.03) for x, y in reversed(inner)], dark(colour, 0.15), 0.05)
    pen.oval(0, 0.5, 0.52, 0.5, dark(colour, 0.06), 0.12)
    ear = [(-0.52, -0.3), (-0.54, -1), (-0.04, -0.66)]
    pen.poly(ear, colour, 0.1)
    pen.poly(mirrored(ear), colour, 0.1)
    pen.oval(0, -0.32, 0.56, 0.46, colour, 0.16)
    _dots(pen, colour, -0.36, 0.24, 0.09)
    pen.poly([(-0.09, -0.17), (0.09, -0.17), (0, -0.06)], (240, 130, 140), 0)
    pen.oval(0, 0.6, 0.25, 0.32, light(colour, 0.4), 0)


def dog(pen: Pen, colour: Colour) -> None:
    """Stands to the left, with a hanging ear and a raised tail."""
    pen.poly(soft([(0.56, 0.04), (0.86, -0.5), (1, -0.42), (0.8, 0.2)], 0.25), dark(colour, 0.12), 0.05)
    for x in (-0.4, 0.46):
        pen.box(x, 0.3, x + 0.24, 0.98, 0.1, dark(colour, 0.16), 0.08)
    pen.box(-0.5, -0.1, 0.74, 0.58, 0.28, colour, 0.14)
    pen.oval(-0.5, -0.4, 0.42, 0.4, colour, 0.14)
    pen.oval(-0.8, -0.24, 0.28, 0.2, light(colour, 0.4), 0.05)
    pen.oval(-1, -0.3, 0.1, 0.09, INK, 0)
    _eye(pen, -0.62, -0.5, 0.11)
    pen.oval(-0.24, -0.34, 0.17, 0.36, dark(colour, 0.38), 0.08)


def rabbit(pen: Pen, colour: Colour) -> None:
    """Sits, with two long ears."""
    for x in (-0.24, 0.24):
        pen.oval(x, -0.62, 0.17, 0.42, colour, 0.1)
        pen.oval(x, -0.6, 0.08, 0.29, (246, 176, 190), 0)
    pen.oval(0, 0.58, 0.56, 0.42, dark(colour, 0.07), 0.12)
    pen.oval(0, -0.04, 0.48, 0.4, colour, 0.14)
    _dots(pen, colour, -0.08, 0.2, 0.08)
    pen.oval(0, 0.1, 0.08, 0.06, (236, 120, 140), 0)
    pen.oval(0, 0.64, 0.27, 0.27, light(colour, 0.45), 0)


def bird(pen: Pen, colour: Colour) -> None:
    """Looks to the right, one wing folded."""
    pen.poly(soft([(-0.4, 0.1), (-1, -0.2), (-0.98, 0.3), (-0.4, 0.5)], 0.1), dark(colour, 0.25), 0.05)
    for x in (-0.08, 0.2):
        pen.box(x, 0.6, x + 0.09, 0.98, 0.02, _BEAK, 0)
    pen.oval(-0.04, 0.2, 0.62, 0.52, colour, 0.14)
    pen.oval(0.36, -0.36, 0.42, 0.4, colour, 0.14)
    pen.poly([(0.72, -0.46), (1.04, -0.28), (0.72, -0.16)], _BEAK, 0)
    pen.oval(0.16, 0.36, 0.32, 0.28, light(colour, 0.45), 0)
    pen.poly(soft([(-0.62, 0), (0.14, 0), (-0.14, 0.42)], 0.25), dark(colour, 0.32), 0.05)
    _eye(pen, 0.44, -0.44, 0.13)


def duck(pen: Pen, colour: Colour) -> None:
    """Swims to the left, with a wide bill."""
    pen.poly(soft([(0.5, 0.2), (1, -0.22), (0.9, 0.56)], 0.2), dark(colour, 0.12), 0.05)
    pen.poly(arc(0.14, 0.24, 0.84, 0.7, 0, 180), colour, 0.12)
    pen.oval(0.16, 0.3, 0.8, 0.36, colour, 0.05)
    pen.box(-0.66, -0.5, -0.26, 0.5, 0.18, colour, 0.02)
    pen.oval(-0.42, -0.54, 0.42, 0.4, colour, 0.08)
    pen.box(-1.02, -0.52, -0.68, -0.28, 0.1, _BEAK, 0.08)
    pen.poly(soft([(-0.1, 0.26), (0.66, 0.16), (0.36, 0.68), (0.06, 0.62)], 0.25), dark(colour, 0.24), 0.05)
    pen.oval(-0.5, -0.64, 0.09, 0.1, INK if sum(colour) > 240 else WHITE, 0)


def _same(points: Iterable[Point]) -> list[Point]:
    return list(points)


def butterfly(pen: Pen, colour: Colour) -> None:
    """Four spread wings around a thin body."""
    for wing in (_same, mirrored):
        pen.poly(wing(soft([(0.05, 0), (0.3, -0.86), (0.98, -0.82), (0.9, 0)], 0.3)), colour, 0.1)
        pen.poly(wing(soft([(0.05, 0), (0.82, 0.06), (0.74, 0.8), (0.24, 0.82)], 0.3)), dark(colour, 0.2), 0.1)
        pen.poly(wing(arc(0.58, -0.44, 0.19, 0.2)), light(colour, 0.55), 0)
        pen.poly(wing(arc(0.5, 0.42, 0.14, 0.15)), light(colour, 0.55), 0)
        pen.poly(wing([(0, -0.56), (0.24, -0.98), (0.31, -0.94), (0.05, -0.5)]), INK, 0)
    pen.oval(0, 0, 0.12, 0.66, INK, 0)
