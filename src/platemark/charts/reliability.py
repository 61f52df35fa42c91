"""Chart: what was said of pictures against what they were. On the diagonal, a score means what it says."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from platemark.charts.svg import TICKS, axis, el, line, percent, picture, said, text
from platemark.core.detector_report import ENOUGH

_TALL, _TOP, _BOTTOM = 300, 48, 58
_LARGEST, _SMALLEST = 12.0, 3.0


@dataclass(frozen=True, slots=True)
class Bin:
    """Pictures of about one score: the mean of what was said of them, and the share that was AI-made; 0 to 1."""

    start: float
    end: float
    pictures: int
    said: float | None
    were: float | None


def chart(id: str, title: str, bins: Sequence[Bin]) -> str:
    """A dot for each bin with pictures; its area is their number, which stands beside it."""
    most = max((one.pictures for one in bins), default=0)
    told = [(one, one.said, one.were) for one in bins if one.said is not None and one.were is not None]
    dots = [_dot(one, x, y, most) for one, x, y in told]
    described = "; ".join(f"said {said(x)}, were {said(y)}, n = {one.pictures}" for one, x, y in told)
    grid = [part for tick in TICKS for part in _grid(tick)]
    return picture(
        id,
        title,
        described or "There is no picture.",
        _TOP + _TALL + _BOTTOM,
        text(0, 14, "share that was AI-made", "soft"),
        *grid,
        line(0, _TOP + _TALL, 1, _TOP, "diagonal"),
        *(line(a[1], _at(a[2]), b[1], _at(b[2]), "path") for a, b in pairwise(told)),
        *dots,
        axis(_TOP + _TALL + 30, [said(tick) for tick in TICKS]),
        text(0.5, _TOP + _TALL + 50, "score, in the mean", "soft", "middle"),
        class_="chart square",
    )


def _at(share: float) -> float:
    return round(_TOP + _TALL * (1 - share), 2)


def _grid(tick: float) -> tuple[str, str, str]:
    name = el("text", said(tick), x="-16", y=f"{_at(tick) + 4:g}", text_anchor="end", class_="soft")
    return line(0, _at(tick), 1, _at(tick), "grid"), line(tick, _TOP, tick, _TOP + _TALL, "grid"), name


def _dot(one: Bin, x: float, y: float, most: int) -> str:
    radius = max(_SMALLEST, _LARGEST * math.sqrt(one.pictures / most))
    few = " few" if one.pictures < ENOUGH else ""
    dot = el("circle", cx=percent(x), cy=f"{_at(y):g}", r=f"{radius:.2f}", class_=f"dot ai{few}")
    return dot + text(x, _at(y) - radius - 4, str(one.pictures), "count", "middle")
