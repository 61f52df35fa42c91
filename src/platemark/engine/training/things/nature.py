"""What grows, and landscape. Each function draws into the unit space of its pen."""

import math

from platemark.engine.training.palette import COLOURS, LEAF, Colour, apart, dark, light
from platemark.engine.training.pen import Pen, arc, mirrored, soft

_BARK: Colour = (126, 84, 54)


def tree(pen: Pen, colour: Colour) -> None:
    """A trunk under three round crowns."""
    pen.poly([(-0.14, 0.1), (0.14, 0.1), (0.2, 1), (-0.2, 1)], _BARK, 0.15)
    shadow = dark(colour, 0.12)
    pen.oval(-0.44, 0.04, 0.46, 0.42, shadow, 0.08)
    pen.oval(0.44, 0.04, 0.46, 0.42, shadow, 0.08)
    pen.oval(0, -0.4, 0.62, 0.58, colour, 0.18)


def flower(pen: Pen, colour: Colour) -> None:
    """Six petals on a stem with two leaves."""
    pen.poly([(-0.08, 0), (0.08, 0), (0.08, 1), (-0.08, 1)], LEAF, 0.1)
    leaf = [(0.04, 0.9), (0.26, 0.5), (0.62, 0.42), (0.44, 0.78)]
    pen.poly(soft(leaf, 0.2), LEAF, 0.1)
    pen.poly(soft(mirrored(leaf), 0.2), LEAF, 0.1)
    for index in range(6):
        angle = math.pi * index / 3 + math.pi / 6
        pen.oval(0.38 * math.cos(angle), -0.36 + 0.38 * math.sin(angle), 0.31, 0.31, colour, 0.12)
    centre = (250, 206, 60) if apart(colour, COLOURS["yellow"]) > 40 else (200, 110, 40)
    pen.oval(0, -0.36, 0.24, 0.24, centre, 0.1)


def mushroom(pen: Pen, colour: Colour) -> None:
    """A dotted cap on a thick stem."""
    pen.poly(soft([(-0.26, 0), (0.26, 0), (0.36, 1), (-0.36, 1)], 0.15), (250, 236, 210), 0.12)
    pen.poly(arc(0, 0.12, 0.98, 1.06, 180, 360), colour, 0.2)
    dot = (255, 250, 240) if sum(colour) < 690 else (214, 120, 110)
    for x, y, size in ((-0.52, -0.2, 0.16), (0.04, -0.52, 0.19), (0.54, -0.18, 0.15)):
        pen.oval(x, y, size, size * 0.9, dot, 0)


def cactus(pen: Pen, colour: Colour) -> None:
    """A column with two arms that point up."""
    shadow = dark(colour, 0.14)
    pen.box(-0.78, -0.36, -0.46, 0.4, 0.15, shadow, 0.08)
    pen.box(-0.78, 0.12, 0, 0.4, 0.13, shadow, 0.08)
    pen.box(0.46, -0.6, 0.78, 0.2, 0.15, shadow, 0.08)
    pen.box(0, -0.08, 0.78, 0.2, 0.13, shadow, 0.08)
    pen.box(-0.28, -1, 0.28, 1, 0.26, colour, 0.16)
    for x in (-0.1, 0.1):
        pen.box(x - 0.035, -0.76, x + 0.035, 0.86, 0.03, light(colour, 0.35), 0)


def apple(pen: Pen, colour: Colour) -> None:
    """Two round cheeks, a stalk and a leaf."""
    pen.poly([(-0.06, -0.5), (0.06, -0.5), (0.16, -0.98), (0.04, -0.98)], _BARK, 0)
    pen.poly(soft([(0.08, -0.66), (0.3, -0.96), (0.74, -0.94), (0.5, -0.64)], 0.3), LEAF, 0.1)
    pen.oval(-0.34, 0.2, 0.58, 0.76, colour, 0.18)
    pen.oval(0.34, 0.2, 0.58, 0.76, colour, 0.18)
    pen.poly(arc(0, 0.2, 0.5, 0.66), colour, 0.16)
    pen.oval(-0.5, -0.1, 0.14, 0.24, light(colour, 0.5), 0)


def mountain(pen: Pen, colour: Colour) -> None:
    """A high peak with a snow cap before a lower one."""
    pen.poly([(0.5, -0.34), (1.2, 0.98), (-0.3, 0.98)], dark(colour, 0.3), 0.08)
    pen.poly([(-0.2, -1), (0.82, 0.98), (-1.2, 0.98)], colour, 0.14)
    pen.poly(
        [(-0.2, -1), (0.14, -0.34), (-0.06, -0.5), (-0.22, -0.24), (-0.4, -0.48), (-0.54, -0.34)], (250, 252, 255), 0
    )
