"""Timing: when a case is due, and where it stands in its queue. Timers escalate and expire, they never approve."""

from datetime import datetime, timedelta
from typing import TypedDict, Unpack

from platemark.core.hours import WorkingHours, due
from platemark.core.limits import Limits, ReviewLimits
from platemark.core.review import DECEPTION_CODES, Desk, Review, place

_WARN_AT = 0.75
# Where somebody is misled about an election or a person, a newsroom cannot wait for its turn.
_URGENT_DESKS: frozenset[str] = frozenset({"legal", "child_safety"})


class Said(TypedDict):
    """What the periods of a case depend on."""

    code: str | None
    audience: str | None
    hard: bool


class Timing(TypedDict):
    """The fields of a case that follow from its risk."""

    level: int
    desk: Desk
    place: str
    due_at: datetime
    warn_at: datetime | None
    breached_at: datetime | None


def timing(
    limits: ReviewLimits,
    now: datetime,
    *,
    code: str | None,
    audience: str | None,
    severity: int,
    hard: bool,
    level: int = 1,
    desk: Desk = "general",
) -> Timing:
    """Due after the shortest period that fits, in working hours; a warning when three quarters of it have passed.

    The safety of children, and what the calendar names, is due by the clock.
    """
    span, hours = _period(limits, code, audience, hard)
    due_at = due(hours, now, span)
    return Timing(
        level=level,
        desk=desk,
        place=_place(code, audience, severity, hard, level, desk, due_at),
        due_at=due_at,
        warn_at=due(hours, now, span * _WARN_AT),
        breached_at=None,
    )


def expiry(limits: Limits, now: datetime, schedule: Timing, **case: Unpack[Said]) -> datetime:
    """When a case of this timing expires: as long after it is due as it would be if people worked round the clock."""
    span, _ = _period(limits.reviews, **case)
    return schedule["due_at"] - span + limits.review_expires_after


def _period(
    limits: ReviewLimits, code: str | None, audience: str | None, hard: bool
) -> tuple[timedelta, WorkingHours | None]:
    """The shortest period that fits a case, and the hours in which it runs; None: by the clock."""
    names = {code or "", f"audience:{audience}"}
    span = min((limits.sla[name] for name in names if name in limits.sla), default=limits.sla["default"])
    by_clock = limits.hours is None or hard or names & limits.hours.always
    return span, None if by_clock else limits.hours


def _place(
    code: str | None, audience: str | None, severity: int, hard: bool, level: int, desk: Desk, due_at: datetime
) -> str:
    return place(
        severity=severity + (code in DECEPTION_CODES and audience == "newsroom"),
        level=level,
        urgent=hard or desk in _URGENT_DESKS,
        due=f"{due_at:%Y-%m-%dT%H:%M:%S}",
    )


def raised(limits: ReviewLimits, now: datetime, case: Review, *, level: int, desk: Desk | None = None) -> Timing:
    """The timing of a case that goes to a higher level, or to another desk, now."""
    return timing(
        limits,
        now,
        code=case.reason_code,
        audience=case.audience,
        severity=case.severity,
        hard=case.hard,
        level=level,
        desk=desk or case.desk,
    )


def late_place(case: Review, level: int) -> str:
    """Where a case stands once it is of a higher level and due when it was."""
    return _place(case.reason_code, case.audience, case.severity, case.hard, level, case.desk, case.due_at)
