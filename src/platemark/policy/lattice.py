"""Rules over signals, joined by block > review > label > allow: no rule and no signal can relax another."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from platemark.core.moderation import LATTICE, NOTHING_FOUND, Decision, Ruling, Signal, Stage
from platemark.core.policy import Reason
from platemark.core.ports import Circumstances
from platemark.policy.bundle import Bundle, Rule
from platemark.policy.conditions import Condition, all_wanted, condition, context
from platemark.policy.vocabulary import Measured, Wanted, measured, values
from platemark.telemetry import logger

log = logger(__name__)
UNAVAILABLE, UNKNOWN = "MODERATION_UNAVAILABLE", "PROVIDER_UNSPECIFIED"
_RANK = {decision: rank for rank, decision in enumerate(LATTICE)}
# What no rule of a bundle says, and why it is so.
_OWN_NOTES = {
    "not-evaluated": "A check did not look; that is never taken for a pass.",
    "unreadable-signal": "A detector gave a score that is no number.",
    "unknown-category": "No rule speaks of this category.",
}


@dataclass(slots=True)
class Fired:
    """One reason for the ruling. `rule` is None where no rule of the bundle gave it."""

    id: str
    decision: Decision
    code: str
    severity: int
    rule: Rule | None = None
    signals: tuple[Signal, ...] = ()
    error: str | None = None

    @property
    def weight(self) -> tuple[int, int, int]:
        """Strict before mild, grave before light; then what the bundle wants to be told first."""
        return _RANK[self.decision], self.severity, self.rule.priority if self.rule else 0


@dataclass(frozen=True, slots=True)
class _Corner:
    """The rules that can fire at one stage for one audience and role, and what has to be known to ask them."""

    plain: dict[str, tuple[tuple[float, Rule], ...]]
    guarded: dict[str, tuple[Rule, ...]]
    free: tuple[Rule, ...]
    wanted: Wanted
    required: frozenset[str]


class LatticePolicy:
    """Implements `core.ports.Policy` for one bundle. `whole`: it rules on everything, else it adds to one that does.

    Raises NoCondition for a condition that cannot be compiled.
    """

    def __init__(self, bundle: Bundle, *, version: str | None = None, whole: bool = True) -> None:
        self._bundle = bundle
        self._version = version or bundle.digest
        self._whole = whole
        self._conditions = {id(rule): condition(rule.when) for rule in bundle.rules if rule.when is not None}
        self._known = known_codes(bundle.rules, self._conditions.values())
        self._audiences = {one for rule in bundle.rules for one in rule.audiences} | {"education", *bundle.required_for}
        self._roles = {one for rule in bundle.rules for one in rule.roles}
        self._corners: dict[tuple[Stage, str | None, str | None], _Corner] = {}

    @property
    def version(self) -> str:
        """The bundle's content address, or the id that it is kept under."""
        return self._version

    def rule(self, signals: Sequence[Signal], circumstances: Circumstances) -> Ruling:
        """The strictest outcome of all rules that fire.

        A signal that no rule can read, and a condition that cannot be evaluated, count as *review*. A detector that
        could not look, or that had to and is not among the signals, is never taken for a pass: before publication it
        holds the image, and blocks it for education (promise P5); at other stages the draft goes on, and
        `secondary_codes` say that something did not look.
        """
        fired = self._fired(signals, circumstances)
        codes = list(dict.fromkeys(reason.code for reason in fired))
        decision = fired[0].decision if fired else "allow"
        reason_code = codes[0] if codes and decision != "allow" else None
        return Ruling(
            decision=decision,
            reason_code=reason_code,
            secondary_codes=tuple(code for code in codes if code != reason_code),
            severity=max((reason.severity for reason in fired), default=0),
            rule_ids=tuple(dict.fromkeys(reason.id for reason in fired)),
            policy_version=self._version,
        )

    def explain(self, signals: Sequence[Signal], circumstances: Circumstances) -> tuple[Reason, ...]:
        """Every reason for the ruling, the gravest first, a rule with all the signals that met it."""
        found: dict[tuple[str, str], Reason] = {}
        for fired in self._fired(signals, circumstances):
            before = found.get((fired.id, fired.code))
            reason = before or _reason(fired, self._version)
            more = fired.signals if before else ()
            found[fired.id, fired.code] = reason.model_copy(update={"signals": reason.signals + more})
        return tuple(found.values())

    def _fired(self, signals: Sequence[Signal], where: Circumstances) -> list[Fired]:
        corner = self._corner(where)
        seen = measured(signals, self._bundle.aliases)
        fired = list(self._by_threshold(corner, seen, where.now.date() if where.now else None))
        fired += self._by_condition(corner, seen, where)
        if self._whole:
            fired += self._unread(signals)
        if corner.required - set(seen.evaluated) or (self._whole and seen.not_evaluated):
            fired.append(_not_evaluated(where))
        fired.sort(key=lambda reason: reason.weight, reverse=True)
        return fired

    def _corner(self, where: Circumstances) -> _Corner:
        # Names that no rule speaks of are one and the same, so that strangers cannot fill the memory.
        audience = where.audience if where.audience in self._audiences else None
        role = where.role if where.role in self._roles else None
        key = where.stage, audience, role
        if key not in self._corners:
            self._corners[key] = self._furnish(*key)
        return self._corners[key]

    def _furnish(self, stage: Stage, audience: str | None, role: str | None) -> _Corner:
        here = [rule for rule in self._bundle.rules if _holds_for(rule, stage, audience, role)]
        plain = [rule for rule in here if rule.when is None]
        guarded = [rule for rule in here if rule.when is not None]
        needed = self._bundle.required.get(stage, ()) + self._bundle.required_for.get(audience or "", {}).get(stage, ())
        return _Corner(
            plain={
                code: tuple((rule.at_least or 0.0, rule) for rule in plain if code in rule.categories)
                for code in _categories(plain)
            },
            guarded={code: tuple(rule for rule in guarded if code in rule.categories) for code in _categories(guarded)},
            free=tuple(rule for rule in guarded if not rule.categories),
            wanted=all_wanted(self._conditions[id(rule)] for rule in guarded),
            required=frozenset(needed),
        )

    def _by_threshold(self, corner: _Corner, seen: Measured, today: date | None) -> Iterator[Fired]:
        for code, score, signal in seen.signals:
            for at_least, rule in corner.plain.get(code, ()):
                if score >= at_least and _awake(rule, today):
                    yield Fired(rule.id, rule.decision, rule.reason_code or code, rule.severity, rule, (signal,))

    def _by_condition(self, corner: _Corner, seen: Measured, where: Circumstances) -> Iterator[Fired]:
        today = where.now.date() if where.now else None
        asked: dict[int, tuple[Rule, list[tuple[str, Signal]]]] = {id(rule): (rule, []) for rule in corner.free}
        for code, score, signal in seen.signals:
            for rule in corner.guarded.get(code, ()):
                if score >= (rule.at_least or 0.0):
                    asked.setdefault(id(rule), (rule, []))[1].append((code, signal))
        awake = [(rule, met) for rule, met in asked.values() if _awake(rule, today)]
        if not awake:
            return
        try:
            facts = context(values(corner.wanted, seen, where))
        except Exception as error:  # a value that the evaluator cannot take
            yield from (_failed(rule, error) for rule, _ in awake)
            return
        for rule, met in awake:
            one = self._conditions[id(rule)]
            try:
                holds = one.holds(facts)
            except Exception as error:  # whatever the evaluator raises: it is never taken for a no
                yield _failed(rule, error)
                continue
            if holds:
                yield from _met(rule, met, one, seen)

    def _unread(self, signals: Sequence[Signal]) -> Iterator[Fired]:
        for signal in signals:
            if not signal.evaluated:
                continue
            category = self._bundle.aliases.get(signal.category, signal.category)
            if signal.score is None or math.isnan(signal.score):
                yield Fired("unreadable-signal", "review", UNAVAILABLE, 1, signals=(signal,))
            elif category not in self._known and category != NOTHING_FOUND:
                yield Fired("unknown-category", "review", UNKNOWN, 1, signals=(signal,))


def known_codes(rules: Iterable[Rule], conditions: Iterable[Condition]) -> frozenset[str]:
    """The reason codes that these rules rule on."""
    spoken = frozenset[str]().union(*(one.codes for one in conditions))
    return spoken | {code for rule in rules for code in rule.categories}


def _categories(rules: Iterable[Rule]) -> set[str]:
    return {code for rule in rules for code in rule.categories}


def _holds_for(rule: Rule, stage: str, audience: str | None, role: str | None) -> bool:
    return (
        (not rule.stages or stage in rule.stages)
        and (not rule.audiences or audience in rule.audiences)
        and (not rule.roles or role in rule.roles)
    )


def _awake(rule: Rule, today: date | None) -> bool:
    if rule.starts is not None and (today is None or today < rule.starts):
        return False
    return rule.expires is None or today is None or today < rule.expires


def _met(rule: Rule, met: Sequence[tuple[str, Signal]], one: Condition, seen: Measured) -> Iterator[Fired]:
    for code, signal in met:
        yield Fired(rule.id, rule.decision, rule.reason_code or code, rule.severity, rule, (signal,))
    if not met:
        told = tuple(signal for code, score, signal in seen.signals if code in one.codes and score > 0)
        yield Fired(rule.id, rule.decision, rule.reason_code or UNKNOWN, rule.severity, rule, told)


def _failed(rule: Rule, error: Exception) -> Fired:
    log.warning("policy.condition_failed", rule=rule.id, error=type(error).__name__)
    return Fired(rule.id, "review", UNAVAILABLE, 1, rule, error=f"{type(error).__name__}: {error}"[:300])


def _not_evaluated(where: Circumstances) -> Fired:
    if where.stage != "before_publish":
        return Fired("not-evaluated", "allow", UNAVAILABLE, 0)
    return Fired("not-evaluated", "block" if where.audience == "education" else "review", UNAVAILABLE, 1)


def _reason(fired: Fired, policy: str) -> Reason:
    rule = fired.rule
    return Reason(
        rule=fired.id,
        decision=fired.decision,
        reason_code=fired.code,
        severity=fired.severity,
        hard=rule is not None and rule.hard,
        at_least=rule.at_least if rule else None,
        when=rule.when if rule else None,
        owner=rule.owner if rule else "",
        note=rule.note if rule else _OWN_NOTES.get(fired.id, ""),
        signals=fired.signals,
        error=fired.error,
        policy=policy,
    )
