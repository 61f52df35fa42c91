"""The policy that comes with Platemark: a bundle of rules, joined by the lattice block > review > label > allow."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from platemark.core.moderation import LATTICE, NOTHING_FOUND, Ruling, Signal, strictest
from platemark.core.ports import Circumstances
from platemark.policy.bundle import Bundle, Condition, read_bundle, version_of

_UNREADABLE = "unreadable-signal"


@dataclass(frozen=True, slots=True)
class Fired:
    """A rule that fired, and the reason that it gives."""

    rule: Condition
    code: str

    @property
    def weight(self) -> tuple[int, int]:
        """The strictest decision first, then the highest severity."""
        return LATTICE.index(self.rule.decision), self.rule.severity


class BundlePolicy:
    """Rules of one bundle. `version` names their content."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self._known = {rule.category for rule in bundle.rules}
        self.version = version_of(bundle)

    def rule(self, signals: Sequence[Signal], circumstances: Circumstances) -> Ruling:
        """Every rule that fires counts, so more signals never relax a decision."""
        fired = [one for signal in signals for one in self._fired(signal, circumstances)]
        fired.sort(key=lambda one: one.weight, reverse=True)
        codes = tuple(dict.fromkeys(one.code for one in fired if one.rule.decision != "allow"))
        return Ruling(
            decision=strictest(*(one.rule.decision for one in fired)),
            reason_code=codes[0] if codes else None,
            secondary_codes=codes[1:],
            severity=max((one.rule.severity for one in fired), default=0),
            rule_ids=tuple(dict.fromkeys(one.rule.id for one in fired)),
            policy_version=self.version,
        )

    def _fired(self, signal: Signal, circumstances: Circumstances) -> Iterator[Fired]:
        if not signal.evaluated:
            rules = (rule for rule in self._bundle.not_evaluated or () if _applies(rule, circumstances))
            yield from (Fired(rule, "MODERATION_UNAVAILABLE") for rule in rules)
            return
        if signal.category == NOTHING_FOUND:
            return
        category = self._bundle.aliases.get(signal.category, signal.category)
        if category not in self._known or signal.score is None or math.isnan(signal.score):
            yield _unreadable(signal)
            return
        for rule in self._bundle.rules:
            if rule.category == category and signal.score >= rule.at_least and _applies(rule, circumstances):
                yield Fired(rule, category)


def load_policy(path: Path | None) -> BundlePolicy:
    """The built-in policy, or that of a file. Raises Misconfigured naming file, line and field."""
    return BundlePolicy(read_bundle(path))


def _applies(rule: Condition, circumstances: Circumstances) -> bool:
    stage_fits = not rule.stages or circumstances.stage in rule.stages
    return stage_fits and (not rule.audiences or circumstances.audience in rule.audiences)


def _unreadable(signal: Signal) -> Fired:
    """A measurement that these rules do not understand waits for a person, whatever it was meant to say."""
    code = "PROVIDER_UNSPECIFIED" if signal.detector.startswith("provider:") else "MODERATION_UNAVAILABLE"
    return Fired(Condition(id=_UNREADABLE, decision="review", severity=1), code)
