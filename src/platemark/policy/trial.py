"""The tests that stand beside a rule: situations in which it fires, and in which it stays silent."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from platemark.core.moderation import Signal, Stage
from platemark.core.ports import Circumstances
from platemark.policy.bundle import Bundle, Rule, Situation
from platemark.policy.lattice import LatticePolicy

_BY = "test"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one test of one rule ended. `said` is what the rule did; `error` what stood in the way of it."""

    rule: int
    case: int
    expects: bool
    said: bool
    error: str | None = None

    @property
    def passed(self) -> bool:
        """The rule did what the test says."""
        return self.expects == self.said and self.error is None


def outcomes(bundle: Bundle) -> Iterator[Outcome]:
    """Every test of every rule. Raises NoCondition."""
    for index, rule in enumerate(bundle.rules):
        if not rule.tests:
            continue
        # By itself, so that a rule of the same name cannot speak for it.
        policy = LatticePolicy(bundle.model_copy(update={"rules": (rule,)}), whole=False)
        for number, case in enumerate(rule.tests):
            reasons = policy.explain(signals(case.situation), circumstances(rule, case.situation))
            told = [reason for reason in reasons if reason.rule == rule.id]
            error = next((reason.error for reason in told if reason.error), None)
            yield Outcome(index, number, case.fires is not None, bool(told) and error is None, error)


def signals(given: Situation) -> list[Signal]:
    """The signals that a situation stands for."""
    found = [_signal(_BY, code, score) for code, score in given.scores.items()]
    found += [_signal(name, code, score) for name, by in given.by.items() for code, score in by.items()]
    found += [_signal("provider:test", flag, 1.0) for flag in given.flags]
    return found + [_signal(name, "not_evaluated", None) for name in given.not_evaluated]


def circumstances(rule: Rule, given: Situation) -> Circumstances:
    """Where a rule is tried: what the test says, else what the rule asks for."""
    stages: tuple[Stage, ...] = (*rule.stages, "before_request")
    return Circumstances(
        stage=given.stage or stages[0],
        audience=given.audience or next(iter(rule.audiences), None),
        role=given.role or next(iter(rule.roles), None),
        operation=given.operation,
        model=given.model,
        inspection=given.inspection,
        now=_noon(given.day or _waking(rule)),
    )


def _waking(rule: Rule) -> date | None:
    return rule.starts or (rule.expires - timedelta(days=1) if rule.expires else None)


def _noon(day: date | None) -> datetime | None:
    return datetime.combine(day, time(12), UTC) if day else None


def _signal(detector: str, category: str, score: float | None) -> Signal:
    return Signal(detector=detector, version="test", category=category, evaluated=score is not None, score=score)
