"""What drives, floats and flies. Each function draws into the unit space of its pen."""

from platemark.engine.training.palette import GLASS, INK, WHITE, WOOD, Colour, dark, light
from platemark.engine.training.pen import Pen, arc, mirrored, soft


def _wheel(pen: Pen, x: float, y: float, size: float) -> None:
    pen.oval(x, y, size, size, (44, 44, 52), 0)
    pen.oval(x, y, size * 0.46, size * 0.46, (205, 208, 214), 0)


def boat(pen: Pen, colour: Colour) -> None:
    """A sailing boat with two sails."""
    pen.poly([(-0.05, -0.98), (0.06, -0.98), (0.06, 0.4), (-0.05, 0.4)], WOOD, 0)
    pen.poly([(0.12, -0.92), (0.88, 0.24), (0.12, 0.24)], (252, 248, 236), 0.1)
    pen.poly([(-0.12, -0.7), (-0.12, 0.24), (-0.68, 0.24)], light(colour, 0.35), 0.08)
    pen.poly(soft([(-1, 0.36), (1, 0.36), (0.66, 0.92), (-0.66, 0.92)], 0.06), colour, 0.18)


def car(pen: Pen, colour: Colour) -> None:
    """Two doors, to the right."""
    pen.poly(soft([(-0.7, 0), (-0.44, -0.58), (0.36, -0.58), (0.72, 0)], 0.1), dark(colour, 0.12), 0.1)
    pen.poly([(-0.5, -0.04), (-0.33, -0.44), (-0.05, -0.44), (-0.05, -0.04)], GLASS, 0)
    pen.poly([(0.06, -0.04), (0.06, -0.44), (0.29, -0.44), (0.5, -0.04)], GLASS, 0)
    pen.box(-1, -0.06, 1, 0.46, 0.16, colour, 0.18)
    pen.oval(0.9, 0.12, 0.09, 0.11, (255, 240, 150), 0)
    for x in (-0.54, 0.54):
        _wheel(pen, x, 0.46, 0.28)


def bus(pen: Pen, colour: Colour) -> None:
    """A long box with a row of windows."""
    pen.box(-1, -0.62, 1, 0.52, 0.14, colour, 0.14)
    for x in (-0.82, -0.36, 0.1):
        pen.box(x, -0.42, x + 0.36, -0.02, 0.05, GLASS, 0)
    pen.box(0.58, -0.42, 0.88, 0.42, 0.05, GLASS, 0)
    pen.box(-1, 0.14, 0.5, 0.26, 0.02, dark(colour, 0.36), 0)
    for x in (-0.52, 0.4):
        _wheel(pen, x, 0.52, 0.25)


def balloon(pen: Pen, colour: Colour) -> None:
    """A hot air balloon with a light stripe and a basket."""
    for x, end in ((-0.36, -0.16), (0.36, 0.16)):
        pen.poly([(x - 0.03, 0.2), (x + 0.03, 0.2), (end + 0.03, 0.74), (end - 0.03, 0.74)], WOOD, 0)
    hull = arc(0, -0.28, 0.72, 0.72, 153, 387)
    pen.poly([*hull, (0.22, 0.52), (-0.22, 0.52)], colour, 0.14)
    pen.poly([*((x * 0.38, y) for x, y in hull), (0.09, 0.52), (-0.09, 0.52)], light(colour, 0.4), 0.08)
    pen.box(-0.23, 0.66, 0.23, 1, 0.05, (150, 100, 62), 0.1)


def rocket(pen: Pen, colour: Colour) -> None:
    """Points up, with a round window, fins and a flame."""
    pen.poly(soft([(-0.24, 0.52), (0.24, 0.52), (0, 1.02)], 0.15), (250, 176, 48), 0.1)
    fin = [(0.26, 0.1), (0.72, 0.44), (0.7, 0.84), (0.24, 0.56)]
    pen.poly(soft(fin, 0.12), dark(colour, 0.3), 0.08)
    pen.poly(soft(mirrored(fin), 0.12), dark(colour, 0.3), 0.08)
    pen.poly(_hull(), colour, 0.12)
    pen.poly([point for point in _hull() if point[1] <= -0.44], dark(colour, 0.3), 0)
    pen.oval(0, -0.14, 0.24, 0.24, WHITE, 0)
    pen.oval(0, -0.14, 0.16, 0.16, (96, 176, 232), 0)


def _hull() -> list[tuple[float, float]]:
    right = [(0.42 * (1 - (1 - t / 10) ** 2), -1 + 0.9 * (t / 10)) for t in range(11)]
    return [*right, (0.34, 0.6), (-0.34, 0.6), *reversed(mirrored(right))]


def plane(pen: Pen, colour: Colour) -> None:
    """Flies to the right, seen from the side."""
    pen.poly(soft([(-0.96, -0.6), (-0.66, -0.6), (-0.36, 0), (-0.8, 0.1)], 0.1), dark(colour, 0.25), 0.05)
    pen.poly(soft([(0.1, -0.1), (-0.26, -0.66), (-0.06, -0.66), (0.46, -0.1)], 0.1), dark(colour, 0.36), 0.05)
    pen.poly(soft([(-0.94, -0.16), (0.7, -0.24), (1.02, 0.04), (0.7, 0.26), (-0.5, 0.24)], 0.25), colour, 0.14)
    pen.poly(soft([(0.26, 0.1), (-0.16, 0.74), (-0.42, 0.74), (-0.2, 0.1)], 0.1), dark(colour, 0.3), 0.05)
    for x in (-0.4, -0.08, 0.24):
        pen.oval(x, -0.04, 0.1, 0.1, GLASS, 0)
    pen.poly(soft([(0.56, -0.16), (0.78, -0.12), (0.88, 0), (0.56, 0)], 0.1), INK, 0)
