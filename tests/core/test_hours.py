"""Working hours: never earlier than the clock, in order, over weekends, holidays and changes of the clock."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from platemark.core.hours import WorkingHours, due, week
from platemark.settings import ReviewHours

BERLIN, BEIRUT = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Beirut")
MONDAY = {"mon": ["09:00-17:00"]}
NINE_TO_FIVE = ("09:00-12:00", "13:00-17:00")
ROUND = week(dict.fromkeys(range(7), ("00:00-24:00",)))


def office(*holidays: date, zone: ZoneInfo = BERLIN) -> WorkingHours:
    return WorkingHours(zone, week(dict.fromkeys(range(5), NINE_TO_FIVE)), frozenset(holidays))


def at(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("since", "hours", "until"),
    [
        ("2026-11-23T09:00", 1, "2026-11-23T10:00"),
        ("2026-11-23T11:30", 1, "2026-11-23T13:30"),
        ("2026-11-23T03:00", 7, "2026-11-23T17:00"),
        ("2026-11-23T16:30", 1, "2026-11-24T09:30"),
        ("2026-11-27T16:30", 1, "2026-11-30T09:30"),
        ("2026-11-28T12:00", 14, "2026-12-01T17:00"),
        # Christmas: Friday the 25th is a holiday, the 26th and 27th are a weekend.
        ("2026-12-24T16:00", 2, "2026-12-28T10:00"),
        # In the nights of both Sundays the clock is changed.
        ("2026-03-27T16:30", 1, "2026-03-30T09:30"),
        ("2026-10-23T16:30", 1, "2026-10-26T09:30"),
    ],
)
def test_work_goes_on_when_people_come_back(since: str, hours: int, until: str) -> None:
    assert due(office(date(2026, 12, 25)), at(since), timedelta(hours=hours)) == at(until)


@pytest.mark.parametrize(
    ("night", "span", "until"),
    [
        # 02:00 to 03:00 is left out, and comes twice: from midnight to six, five and seven hours pass.
        ("2026-03-29", 5, "2026-03-29T06:00"),
        ("2026-10-25", 7, "2026-10-25T06:00"),
    ],
)
def test_hours_of_a_night_in_which_the_clock_is_changed_are_those_that_pass(night: str, span: int, until: str) -> None:
    hours = WorkingHours(BERLIN, week(dict.fromkeys(range(7), ("00:00-06:00",))))
    assert due(hours, at(f"{night}T00:00"), timedelta(hours=span)) == at(until)


moments = st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))
spans = st.timedeltas(timedelta(0), timedelta(days=20))
shifts = st.lists(st.integers(0, 1440), min_size=2, max_size=4, unique=True).map(
    lambda found: tuple(zip(sorted(found)[::2], sorted(found)[1::2], strict=False))
)
calendars = st.builds(
    WorkingHours,
    zone=st.sampled_from(
        [BERLIN, BEIRUT, *map(ZoneInfo, ("UTC", "America/Santiago", "Australia/Lord_Howe", "Asia/Kathmandu"))]
    ),
    week=st.dictionaries(st.integers(0, 6), shifts, min_size=1),
    holidays=st.frozensets(st.dates(date(2025, 1, 1), date(2028, 2, 1)), max_size=20),
)


@given(hours=calendars, since=moments, span=spans, later=spans, more=spans)
def test_never_earlier_than_by_the_clock_and_in_order(
    hours: WorkingHours, since: datetime, span: timedelta, later: timedelta, more: timedelta
) -> None:
    found = due(hours, since, span)
    assert found >= since + span
    assert due(hours, since, span + more) >= found
    if span:
        assert due(hours, since + later, span) >= found


@given(hours=calendars, since=moments, span=spans.filter(bool))
def test_it_is_due_while_people_work(hours: WorkingHours, since: datetime, span: timedelta) -> None:
    just_before = (due(hours, since, span) - timedelta(microseconds=1)).astimezone(hours.zone)
    assert just_before.date() not in hours.holidays
    assert hours.week.get(just_before.weekday())


@given(since=moments, span=spans, zone=st.sampled_from([BERLIN, BEIRUT, ZoneInfo("America/Santiago")]))
def test_round_the_clock_is_the_clock(since: datetime, span: timedelta, zone: ZoneInfo) -> None:
    assert due(WorkingHours(zone, ROUND), since, span) == due(None, since, span) == since + span


@pytest.mark.parametrize("shifts", [{}, {0: ()}, {0: ("17:00-09:00",)}, {3: ("09:00-09:00",)}])
def test_hours_in_which_nobody_works_are_refused(shifts: dict[int, tuple[str, ...]]) -> None:
    with pytest.raises(ValueError, match="shift"):
        WorkingHours(BERLIN, week(shifts))


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({}, "names no hours"),
        ({"mon": ["17:00-09:00"]}, "ends before it begins"),
        ({"mon": ["9-17"]}, "pattern"),
        ({"mon": ["09:00-25:00"]}, "pattern"),
        ({**MONDAY, "zone": "Middle/Earth"}, "time zone"),
        ({**MONDAY, "zone": "../etc/passwd"}, "time zone"),
        ({**MONDAY, "holidays": ["Christmas"]}, "date"),
        ({**MONDAY, "monday": ["09:00-17:00"]}, "Extra"),
    ],
)
def test_a_wrong_calendar_is_refused_at_the_start(said: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        ReviewHours.model_validate(said)
