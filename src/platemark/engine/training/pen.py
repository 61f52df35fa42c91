"""A pen that fills smooth shapes on a picture, three times as large as the picture that is kept."""

import math
from collections.abc import Iterable, Sequence

from PIL import Image, ImageDraw

from platemark.engine.training.palette import Colour, dark, light

SIDE = 128  # pixels of a finished picture
SCALE = 3  # drawn this much larger, then reduced

Point = tuple[float, float]
_RAMP = Image.linear_gradient("L")


def gradient(size: tuple[int, int], top: Colour, bottom: Colour) -> Image.Image:
    """A picture of `size` pixels that runs from `top` down to `bottom`."""
    return Image.composite(Image.new("RGB", size, bottom), Image.new("RGB", size, top), _RAMP.resize(size))


class Pen:
    """Fills shapes of a unit space ([-1, 1], y down) around a centre; positions and radius in pixels of the result.

    `contour` is the width of a dark outline in pixels of the result; 0 draws none.
    """

    def __init__(self, image: Image.Image, x: float = 0, y: float = 0, radius: float = 1, contour: float = 0):
        self.image = image
        self.x, self.y, self.radius = x * SCALE, y * SCALE, radius * SCALE
        self.contour = round(contour * SCALE)
        self.ink: Colour = (34, 28, 48)

    def poly(self, points: Iterable[Point], colour: Colour, shade: float = 0.16) -> None:
        """A polygon, lighter at its top and darker at its bottom by `shade` (0..1)."""
        placed = [(self.x + self.radius * x, self.y + self.radius * y) for x, y in points]
        left, top = int(min(x for x, _ in placed)) - 1, int(min(y for _, y in placed)) - 1
        right, bottom = int(max(x for x, _ in placed)) + 2, int(max(y for _, y in placed)) + 2
        size = (max(1, right - left), max(1, bottom - top))
        mask = Image.new("L", size, 0)
        ImageDraw.Draw(mask).polygon([(x - left, y - top) for x, y in placed], fill=255)
        fill = gradient(size, light(colour, shade), dark(colour, shade)) if shade else Image.new("RGB", size, colour)
        self.image.paste(fill, (left, top), mask)
        # What is hardly wider than its contour would drown in it.
        if self.contour and min(size) > 4 * self.contour:
            closed = [*placed, placed[0], placed[1]]
            ImageDraw.Draw(self.image).line(closed, fill=self.ink, width=self.contour, joint="curve")

    def oval(self, x: float, y: float, rx: float, ry: float, colour: Colour, shade: float = 0.16) -> None:
        """A whole ellipse."""
        self.poly(arc(x, y, rx, ry), colour, shade)

    def box(
        self, left: float, top: float, right: float, bottom: float, round_: float, colour: Colour, shade: float = 0.16
    ) -> None:
        """An upright rectangle whose corners have the radius `round_`."""
        points: list[Point] = []
        corners = (
            (right, top, -1, 1, -90),
            (right, bottom, -1, -1, 0),
            (left, bottom, 1, -1, 90),
            (left, top, 1, 1, 180),
        )
        for x, y, dx, dy, start in corners:
            points += arc(x + dx * round_, y + dy * round_, round_, round_, start, start + 90, 6)
        self.poly(points, colour, shade)


def arc(x: float, y: float, rx: float, ry: float, start: float = 0, end: float = 360, steps: int = 40) -> list[Point]:
    """Points on an ellipse from one angle to another, in degrees, clockwise from the right."""
    angles = (math.radians(start + (end - start) * step / steps) for step in range(steps + 1))
    return [(x + rx * math.cos(angle), y + ry * math.sin(angle)) for angle in angles]


def soft(points: Sequence[Point], share: float = 0.16) -> list[Point]:
    """The polygon with its corners rounded over `share` (0..0.5) of each side."""
    result: list[Point] = []
    for index, corner in enumerate(points):
        start = _between(corner, points[index - 1], share)
        end = _between(corner, points[(index + 1) % len(points)], share)
        for t in (0.0, 0.25, 0.5, 0.75, 1.0):
            result.append(_between(_between(start, corner, t), _between(corner, end, t), t))
    return result


def mirrored(points: Iterable[Point]) -> list[Point]:
    """The points with left and right swapped."""
    return [(-x, y) for x, y in points]


def _between(one: Point, other: Point, share: float) -> Point:
    return one[0] + (other[0] - one[0]) * share, one[1] + (other[1] - one[1]) * share
