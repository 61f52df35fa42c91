"""Chart: rates with their 95 % intervals, one below the other; a dot where more is better, a diamond where less is."""

from collections.abc import Sequence
from dataclasses import dataclass

from platemark.charts.svg import TICKS, axis, el, line, mark, percent, picture, said, short, text, too_few
from platemark.core.detector_report import ENOUGH

_ROW, _LINE, _HEADING, _AXIS = 68, 16, 30, 26


@dataclass(frozen=True, slots=True)
class Rate:
    """`hits` of `pictures`, both counted; `rate` is None where none was looked at. 0 to 1 with its interval.

    `alarm`: false alarms. `before`: the rate in the report before, None where there is none. `abstained`: on how many
    pictures the detector said neither.
    """

    name: str
    pictures: int
    rate: float | None
    low: float
    high: float
    alarm: bool
    before: float | None = None
    abstained: int = 0

    @property
    def few(self) -> bool:
        """Whether there are too few pictures to say much."""
        return self.pictures < ENOUGH

    @property
    def words(self) -> str:
        """The values in a line."""
        if self.rate is None:
            return "none was looked at"
        return f"{said(self.rate)} ({said(self.low)} to {said(self.high)}), n = {self.pictures}{self.warning}"

    @property
    def warning(self) -> str:
        """What to say of a small number."""
        return too_few(self.pictures)


def chart(id: str, title: str, sections: Sequence[tuple[str, Sequence[Rate]]]) -> str:
    """Sections with a heading each; those without rates are left out. Draws to 100 %, and looks nothing up."""
    drawn: list[str] = []
    y = 0.0
    for heading, rates in sections:
        if not rates:
            continue
        drawn.append(text(0, y + 18, heading, "heading"))
        y += _HEADING
        for rate in rates:
            drawn.append(_row(rate, y))
            y += _ROW + _extra(rate)
    described = "; ".join(f"{rate.name}: {rate.words}" for _, rates in sections for rate in rates)
    ticks = axis(y + 14, [said(tick) for tick in TICKS])
    return picture(id, title, described or "Nothing was looked at.", y + _AXIS, *drawn, ticks)


def _extra(rate: Rate) -> int:
    return _LINE if rate.abstained else 0


def _row(rate: Rate, y: float) -> str:
    middle = y + 48 + _extra(rate)
    abstained = [text(0, y + 46, f"abstained on {rate.abstained}", "soft")] if rate.abstained else []
    parts = [
        text(0, y + 14, short(rate.name), "name"),
        text(0, y + 30, rate.words, "soft"),
        *abstained,
        *(line(tick, middle - 10, tick, middle + 10, "grid") for tick in TICKS),
        line(0, middle, 1, middle, "grid"),
    ]
    if rate.rate is not None:
        parts += _bar(rate, rate.rate, middle)
    return el("g", *parts)


def _bar(rate: Rate, at: float, middle: float) -> list[str]:
    kind = "alarm" if rate.alarm else "ai"
    few = " few" if rate.few else ""
    bar = el(
        "rect",
        x=percent(rate.low),
        y=f"{middle - 3:g}",
        width=percent(rate.high - rate.low),
        height=6,
        rx=3,
        class_=f"interval {kind}{few}",
    )
    was = [] if rate.before is None else [line(rate.before, middle - 11, rate.before, middle + 11, "was")]
    return [bar, *was, mark(at, middle, f"mark {kind}{few}", diamond=rate.alarm)]
