"""Timing: when a case is due, and where it stands in its queue. Timers escalate and expire, they never approve."""

from datetime import datetime
from typing import TypedDict

from platemark.core.limits import ReviewLimits
from platemark.core.review import DECEPTION_CODES, Desk, Review, place

_WARN_AT = 0.75
# Where somebody is misled about an election or a person, a newsroom cannot wait for its turn.
_URGENT_DESKS: frozenset[str] = frozenset({"legal", "child_safety"})


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
    """Due after the shortest period that fits; a warning when three quarters of it have passed."""
    named = [limits.sla[name] for name in (code or "", f"audience:{audience}") if name in limits.sla]
    span = min(named, default=limits.sla["default"])
    return Timing(
        level=level,
        desk=desk,
        place=place(
            severity=severity + (code in DECEPTION_CODES and audience == "newsroom"),
            level=level,
            urgent=hard or desk in _URGENT_DESKS,
            due=f"{now + span:%Y-%m-%dT%H:%M:%S}",
        ),
        due_at=now + span,
        warn_at=now + span * _WARN_AT,
        breached_at=None,
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
