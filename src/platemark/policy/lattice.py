"""Rules over signals, joined by block > review > label > allow: no rule and no signal can relax another."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from platemark.core.moderation import LATTICE, NOTHING_FOUND, Decision, Ruling, Signal, strictest
from platemark.core.ports import Circumstances
from platemark.policy.bundle import Bundle, Rule

UNAVAILABLE, UNKNOWN = "MODERATION_UNAVAILABLE", "PROVIDER_UNSPECIFIED"


@dataclass(frozen=True, slots=True)
class Fired:
    """One reason for the ruling."""

    rule: str
    decision: Decision
    code: str
    severity: int


class LatticePolicy:
    """Implements `core.ports.Policy` for one bundle."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._version = bundle.digest
        self._known = frozenset(code for rule in bundle.rules for code in rule.categories)

    @property
    def version(self) -> str:
        """The bundle's content address."""
        return self._version

    def rule(self, signals: Sequence[Signal], circumstances: Circumstances) -> Ruling:
        """The strictest outcome of all rules that fire.

        A signal that no rule can read counts as *review*. A detector that could not look, or that had to and is not
        among the signals, is never taken for a pass: before publication it holds the image, and blocks it for education
        (promise P5); at other stages the draft goes on, and `secondary_codes` say that something did not look.
        """
        fired = [reason for signal in signals for reason in self._reasons(signal, circumstances)]
        if self._unseen(signals, circumstances):
            fired.append(_not_evaluated(circumstances))
        fired.sort(key=lambda reason: (LATTICE.index(reason.decision), reason.severity), reverse=True)
        codes = list(dict.fromkeys(reason.code for reason in fired))
        decisions: list[Decision] = [reason.decision for reason in fired]
        decision = strictest(*decisions)
        reason_code = codes[0] if codes and decision != "allow" else None
        return Ruling(
            decision=decision,
            reason_code=reason_code,
            secondary_codes=tuple(code for code in codes if code != reason_code),
            severity=max((reason.severity for reason in fired), default=0),
            rule_ids=tuple(dict.fromkeys(reason.rule for reason in fired)),
            policy_version=self._version,
        )

    def _reasons(self, signal: Signal, circumstances: Circumstances) -> Iterator[Fired]:
        if not signal.evaluated:
            return
        category = self._bundle.aliases.get(signal.category, signal.category)
        if signal.score is None or math.isnan(signal.score):
            yield Fired("unreadable-signal", "review", UNAVAILABLE, 1)
        elif category not in self._known and category != NOTHING_FOUND:
            yield Fired("unknown-category", "review", UNKNOWN, 1)
        else:
            for rule in self._bundle.rules:
                if _applies(rule, category, signal.score, circumstances):
                    yield Fired(rule.id, rule.decision, category, rule.severity)

    def _unseen(self, signals: Sequence[Signal], circumstances: Circumstances) -> bool:
        needed = set(self._bundle.required.get(circumstances.stage, ()))
        return not all(signal.evaluated for signal in signals) or bool(needed - {s.detector for s in signals})


def _applies(rule: Rule, category: str, score: float, circumstances: Circumstances) -> bool:
    return (
        category in rule.categories
        and score >= rule.at_least
        and (not rule.stages or circumstances.stage in rule.stages)
        and (not rule.audiences or circumstances.audience in rule.audiences)
    )


def _not_evaluated(circumstances: Circumstances) -> Fired:
    if circumstances.stage != "before_publish":
        return Fired("not-evaluated", "allow", UNAVAILABLE, 0)
    return Fired("not-evaluated", "block" if circumstances.audience == "education" else "review", UNAVAILABLE, 1)
