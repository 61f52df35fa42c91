"""Working hours: when people are there to decide, and until when a span of work lasts."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from zoneinfo import ZoneInfo

# From and until, as minutes of a day, 0 to 1440.
Shift = tuple[int, int]
_DAY = timedelta(days=1)
_NONE: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """When people work: shifts by weekday (0 is Monday), in the local time of `zone`, and never on `holidays`.

    `always`: reason codes, and audiences as `audience:NAME`, for which the clock runs all the same.
    """

    zone: ZoneInfo
    week: Mapping[int, tuple[Shift, ...]]
    holidays: frozenset[date] = frozenset()
    always: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Raises ValueError where nobody ever works, or where a shift ends before it begins."""
        shifts = [shift for day in self.week.values() for shift in day]
        if not shifts or any(not 0 <= begin < end <= 1440 for begin, end in shifts):
            raise ValueError("Working hours need a shift on some weekday, and each ends after it begins.")


def minutes(text: str) -> Shift:
    """`09:00-17:30` as minutes of the day; `24:00` is the end of the day. Raises ValueError."""
    begin, end = (_minute(each) for each in text.split("-"))
    return begin, end


def due(hours: WorkingHours | None, since: datetime, span: timedelta) -> datetime:
    """The moment, in UTC, at which `span` of working time has passed since `since`; None: people are always there.

    Never earlier than `since + span`. Where the clock is put forward or back, hours count that really pass.
    """
    since = since.astimezone(UTC)
    if hours is None or span <= _NONE:
        return since + span
    left = span
    for begin, end in _open(hours, since):
        if left <= end - begin:
            return begin + left
        left -= end - begin
    raise AssertionError("the days do not end")


def _open(hours: WorkingHours, since: datetime) -> Iterator[tuple[datetime, datetime]]:
    """When people work from `since` on, in order and without overlaps."""
    # The day before in local time: its last shift may reach into a day that is put back.
    first = since.astimezone(hours.zone).date() - _DAY
    cursor = since
    for number in count():
        day = first + _DAY * number
        if day in hours.holidays:
            continue
        for shift in sorted(hours.week.get(day.weekday(), ())):
            begin, end = (max(cursor, moment) for moment in _moments(hours.zone, day, shift))
            if begin < end:
                yield begin, end
                cursor = end


def _moments(zone: ZoneInfo, day: date, shift: Shift) -> tuple[datetime, datetime]:
    """Begin and end of a shift in UTC. Of an hour that comes twice both count, one that is left out has no length."""
    begin, end = (datetime.combine(day, time.min, zone) + timedelta(minutes=minute) for minute in shift)
    return begin.astimezone(UTC), max(end.replace(fold=fold).astimezone(UTC) for fold in (0, 1))


def _minute(text: str) -> int:
    hour, minute = text.split(":")
    return int(hour) * 60 + int(minute)


def week(said: Mapping[int, Iterable[str]]) -> dict[int, tuple[Shift, ...]]:
    """Weekdays with their shifts, from texts as `minutes` reads them."""
    return {day: tuple(minutes(each) for each in shifts) for day, shifts in said.items()}
