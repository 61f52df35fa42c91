"""Plain shapes. Each function draws into the unit space of its pen."""

import math

from platemark.engine.training.palette import Colour, light
from platemark.engine.training.pen import Pen, soft


def circle(pen: Pen, colour: Colour) -> None:
    """A ball with one highlight."""
    pen.oval(0, 0, 0.96, 0.96, colour, 0.2)
    pen.oval(-0.36, -0.42, 0.24, 0.17, light(colour, 0.5), 0)


def square(pen: Pen, colour: Colour) -> None:
    """A square with straight sides."""
    pen.box(-0.88, -0.88, 0.88, 0.88, 0.07, colour, 0.2)


def triangle(pen: Pen, colour: Colour) -> None:
    """A triangle on its base."""
    pen.poly(soft([(0, -1), (1, 0.86), (-1, 0.86)], 0.05), colour, 0.2)


def star(pen: Pen, colour: Colour) -> None:
    """Five points."""
    reach = [1.0 if index % 2 == 0 else 0.46 for index in range(10)]
    points = [(r * math.sin(math.pi * i / 5), 0.06 - r * math.cos(math.pi * i / 5)) for i, r in enumerate(reach)]
    pen.poly(soft(points, 0.07), colour, 0.2)


def heart(pen: Pen, colour: Colour) -> None:
    """A heart with one highlight."""
    angles = [2 * math.pi * index / 60 for index in range(60)]
    pen.poly([(math.sin(t) ** 3, _heart_height(t)) for t in angles], colour, 0.2)
    pen.oval(-0.46, -0.48, 0.17, 0.13, light(colour, 0.5), 0)


def _heart_height(t: float) -> float:
    return -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 16 - 0.08
