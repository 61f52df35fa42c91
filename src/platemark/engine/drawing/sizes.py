"""At what size a picture is drawn, and how it comes to the size that was asked for. Pixels throughout."""

import math
from dataclasses import dataclass

# A picture outside this range of areas, relative to the native one, is no longer what the model was trained for.
_AREA = (0.7, 1.3)
_AREA_WEIGHT = 0.3


@dataclass(frozen=True, slots=True)
class Plan:
    """Draw at `drawn`, enlarge (or reduce) to `covering`, cut the middle out at `asked`. All (width, height)."""

    asked: tuple[int, int]
    drawn: tuple[int, int]
    covering: tuple[int, int]

    @property
    def scaled(self) -> bool:
        """False when pixels are drawn as they are given out, but for a margin."""
        return self.drawn != self.covering

    @property
    def resized(self) -> bool:
        """False when what is drawn is what was asked for."""
        return self.drawn != self.asked

    @property
    def crop(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of `asked` in the middle of `covering`."""
        left, top = ((have - want) // 2 for have, want in zip(self.covering, self.asked, strict=True))
        return left, top, left + self.asked[0], top + self.asked[1]


def direct(width: int, height: int) -> Plan:
    """Draw at the size that was asked for."""
    return Plan((width, height), (width, height), (width, height))


def on_grid(width: int, height: int, *, multiple: int, smallest: int, largest: int) -> Plan:
    """Draw with a margin up to the model's grid; smaller or larger only where the model draws no such size."""
    scale = min(1.0, largest / max(width, height))
    scale = max(scale, smallest / min(width, height))
    drawn = _up(width * scale, multiple), _up(height * scale, multiple)
    covering = max(width, round(drawn[0] / scale)), max(height, round(drawn[1] / scale))
    return Plan((width, height), drawn, covering)


def _up(value: float, multiple: int) -> int:
    return math.ceil(round(value, 6) / multiple) * multiple


def near_native(width: int, height: int, *, native: int, grid: int) -> Plan:
    """Draw on the model's grid with about native² pixels and the nearest shape; then scale to cover and crop."""
    drawn = min(_shapes(native, grid), key=lambda shape: _distance(shape, width / height, native))
    scale = max(width / drawn[0], height / drawn[1])
    covering = max(width, round(drawn[0] * scale)), max(height, round(drawn[1] * scale))
    return Plan((width, height), drawn, covering)


def _shapes(native: int, grid: int) -> list[tuple[int, int]]:
    sides = range(grid, 2 * native + 1, grid)
    low, high = (native * native * share for share in _AREA)
    return [(native, native)] + [(w, h) for w in sides for h in sides if low <= w * h <= high and w <= 2 * h <= 4 * w]


def _distance(shape: tuple[int, int], aspect: float, native: int) -> float:
    width, height = shape
    return abs(math.log(width / height / aspect)) + _AREA_WEIGHT * abs(math.log(width * height / native**2))
