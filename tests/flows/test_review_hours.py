"""The calendar: what can wait is due in working hours, what cannot is due by the clock, and nothing is approved."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from platemark.core.generation import Generation
from platemark.core.hours import WorkingHours, week
from platemark.core.review import Review
from platemark.flows.reviews import appeal as review_appeal
from platemark.flows.reviews import upkeep as review_upkeep
from platemark.settings import ReviewHours
from reviewing import after_grace, decide, held_image, held_request, limit, reviews, rules
from workbench import Bench, open_bench

OFFICE = {day: ("09:00-17:00",) for day in ("mon", "tue", "wed", "thu", "fri")}
# Settings are read before the event loop runs: a zone comes from a file.
BERLIN = ReviewHours.model_validate({"zone": "Europe/Berlin", **OFFICE, "holidays": ["2026-12-25"]})


@pytest.fixture(autouse=True)
def _office(bench: Bench) -> None:
    """It is Sunday, 12:00 UTC; people work from Monday on, but for Tuesday."""
    hours = WorkingHours(
        ZoneInfo("UTC"),
        week(dict.fromkeys(range(5), ("09:00-17:00",))),
        frozenset({date(2026, 11, 24)}),
        frozenset({"NCII", "audience:newsroom"}),
    )
    limit(bench, sample=0.0, undo=timedelta(0), hours=hours)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


async def test_a_day_is_three_days_at_work_and_the_case_lives_longer_for_it(bench: Bench) -> None:
    _, _, case = await held_image(bench)
    # Eight hours on Monday, Wednesday and Thursday.
    assert (case.warn_at, case.due_at) == (at(26, 11), at(26, 17))
    assert case.expires_at - case.due_at == timedelta(hours=48)
    assert case.place.endswith("2026-11-26T17:00:00")


@pytest.mark.parametrize(
    ("code", "audience", "span"),
    [
        ("MINOR_SAFETY", None, timedelta(minutes=15)),
        ("NCII", None, timedelta(hours=48)),
        ("VIOLENCE", "newsroom", timedelta(minutes=30)),
    ],
)
async def test_some_things_are_due_by_the_clock(bench: Bench, code: str, audience: str | None, span: timedelta) -> None:
    _, case = await held_request(bench, code, severity=3) if audience is None else await _for(bench, code, audience)
    assert case.due_at - case.created_at == span
    assert case.expires_at - case.created_at == timedelta(hours=72)


async def _for(bench: Bench, code: str, audience: str) -> tuple[Generation, Review]:
    generation, _, case = await held_image(bench, code, fields={"audience": audience})
    return generation, case


async def test_nothing_is_late_while_nobody_works(bench: Bench) -> None:
    _, _, case = await held_image(bench)
    bench.clock.moment = at(26, 10, 59)
    await review_upkeep.look_after(bench.platform)
    (waiting,) = await reviews(bench)
    assert (waiting.breached_at, waiting.warn_at) == (None, case.warn_at)
    bench.clock.moment = at(26, 11, 1)
    await review_upkeep.look_after(bench.platform)
    (warned,) = await reviews(bench)
    assert (warned.breached_at, warned.warn_at) == (None, None)
    bench.clock.moment = at(26, 17, 1)
    await review_upkeep.look_after(bench.platform)
    (late,) = await reviews(bench)
    assert (late.breached_at, late.level, late.state) == (at(26, 17, 1), 2, "pending")
    assert late.place.endswith("2026-11-26T17:00:00")


async def test_an_escalated_case_is_due_anew_and_does_not_expire_before(bench: Bench) -> None:
    _, _, case = await held_image(bench)
    # Friday, when the office closes: a day of work ends on the Wednesday after.
    bench.clock.moment = at(27, 17)
    await decide(bench.platform, bench.caller, case, "escalate", desk="policy")
    (moved,) = await reviews(bench)
    assert (moved.state, moved.desk) == ("pending", "policy")
    assert moved.due_at == datetime(2026, 12, 2, 17, tzinfo=UTC)
    assert moved.expires_at >= moved.due_at > case.expires_at


async def test_an_appeal_is_due_in_working_hours(bench: Bench) -> None:
    rules(bench, "block")
    (image,) = await bench.images(await bench.make())
    appeal = await review_appeal.appeal_image(bench.platform, bench.caller, image.id)
    assert (appeal.warn_at, appeal.due_at) == (at(26, 11), at(26, 17))


async def test_what_an_escalated_case_was_raised_to_holds_after_it_is_late(bench: Bench) -> None:
    _, _, case = await held_image(bench)
    await decide(bench.platform, bench.caller, case, "escalate", desk="legal")
    await after_grace(bench)
    (moved,) = await reviews(bench)
    bench.clock.moment = moved.due_at + timedelta(seconds=1)
    await review_upkeep.look_after(bench.platform)
    (late,) = await reviews(bench)
    assert (late.level, late.place) == (3, moved.place)


async def test_the_setting_becomes_the_calendar(tmp_path: Path) -> None:
    async with open_bench(tmp_path / "berlin", review_hours=BERLIN) as bench:
        hours = bench.platform.limits.reviews.hours
        assert hours is not None
        assert (hours.zone.key, hours.week[0], hours.week[6]) == ("Europe/Berlin", ((540, 1020),), ())
        assert hours.holidays == {date(2026, 12, 25)}
        assert hours.always == {"MINOR_SAFETY", "KNOWN_HASH_MATCH", "NCII"}
