"""Chart: how scores are spread over tenths, one group below the other, with the thresholds drawn through."""

from collections.abc import Sequence
from dataclasses import dataclass

from platemark.charts.svg import axis, el, line, percent, picture, short, text, too_few
from platemark.core.detector_report import ENOUGH, Thresholds

_HEAD, _ROW, _TALL, _AXIS = 44, 124, 64, 40
_GAP = 0.006


@dataclass(frozen=True, slots=True)
class Spread:
    """How many scores lie in each tenth of 0 to 1. `alarm`: of pictures that are real."""

    name: str
    tenths: tuple[int, ...]
    alarm: bool
    recommended: Thresholds | None = None

    @property
    def total(self) -> int:
        """How many scores there are."""
        return sum(self.tenths)


def chart(id: str, title: str, spreads: Sequence[Spread], thresholds: Thresholds | None) -> str:
    """Bars are shares of their group, all on one scale, with the number of pictures on each."""
    tallest = max((max(one.tenths) / one.total for one in spreads if one.total), default=1.0)
    rows = [_row(one, _HEAD + number * _ROW, tallest, thresholds) for number, one in enumerate(spreads)]
    bottom = _HEAD + len(spreads) * _ROW
    ticks = axis(bottom + 4, ("0", "0.25", "0.5", "0.75", "1"))
    below = text(0.5, bottom + 24, "score", "soft", "middle")
    described = "; ".join(f"{one.name}: {', '.join(map(str, one.tenths))}" for one in spreads)
    named = _names(thresholds) if thresholds else [text(0, 14, "The detector names no thresholds.", "soft")]
    return picture(id, title, described or "Nothing was looked at.", bottom + _AXIS, *named, *rows, ticks, below)


def _names(thresholds: Thresholds) -> list[str]:
    told = (("t_lo", thresholds.t_lo, "abstains"), ("t_hi", thresholds.t_hi, "called AI-made"))
    return [
        text(at, 14 + 18 * row, f"{name} {at:.2f}: {meaning}", "level", "end" if at > 0.5 else "start")
        for row, (name, at, meaning) in enumerate(told)
    ]


def _row(one: Spread, y: float, tallest: float, thresholds: Thresholds | None) -> str:
    count = f"n = {one.total}{too_few(one.total)}" if one.total else "none was looked at"
    base = y + 34 + _TALL + 12
    levels = [] if thresholds is None else _levels(thresholds, base, "level")
    wanted = [] if one.recommended is None else _levels(one.recommended, base, "wanted")
    bars = [_bar(one, number, tallest, base) for number, count in enumerate(one.tenths) if count]
    return el(
        "g",
        text(0, y + 14, short(one.name), "name"),
        text(0, y + 30, count, "soft"),
        *(bar for bar, _ in bars),
        *levels,
        *wanted,
        *(number for _, number in bars),
        line(0, base, 1, base, "base"),
    )


def _levels(found: Thresholds, base: float, class_: str) -> list[str]:
    top = base - _TALL - 8
    return [line(at, top, at, base, f"{class_} {name}") for name, at in (("lo", found.t_lo), ("hi", found.t_hi))]


def _bar(one: Spread, number: int, tallest: float, base: float) -> tuple[str, str]:
    count = one.tenths[number]
    height = max(1.5, _TALL * count / one.total / tallest)
    kind = f"bar {'alarm' if one.alarm else 'ai'}{' few' if one.total < ENOUGH else ''}"
    bar = el(
        "rect",
        x=percent(number / 10 + _GAP),
        y=f"{base - height:g}",
        width=percent(0.1 - 2 * _GAP),
        height=f"{height:g}",
        class_=kind,
    )
    return bar, text(number / 10 + 0.05, base - height - 3, str(count), "count", "middle")
