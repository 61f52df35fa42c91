"""What is wrong with a bundle before anybody is judged by it: slips, dead and relaxing rules, failed tests."""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date

from platemark.core.errors import Misconfigured
from platemark.core.moderation import REASON_CODES
from platemark.core.policy import Problem
from platemark.policy import conditions, trial, typecheck
from platemark.policy.builtin import default_bundle, misnamed
from platemark.policy.bundle import Bundle, Rule
from platemark.policy.vocabulary import DETECTORS, LEARNED
from platemark.yamlfile import locator, read_yaml

Where = tuple[int | str, ...]
Slip = tuple[Where, str, str]
_PLACE = re.compile(r".*?, line (?P<line>\d+)(?:, (?P<field>[^:]+))?: (?P<message>.*)", re.DOTALL)
_CODES = frozenset(REASON_CODES)
_BOUND = re.compile(r"(?P<name>[\w.\[\]'\"]+)\s*(?P<sign><=|>=|<|>)\s*(?P<number>\d+(?:\.\d+)?)")
_INSPECTED = re.compile(r"\binspection\b")
# What stands on a file, a signature or a statement of the file: never on a classifier.
_ASKED = re.compile(
    r"""\binspection(?:\.|\[\s*['"])(?:verdict|tier)(?:['"]\s*\])?\s*==\s*"""
    r"""['"](?:ai_generated|ai_claimed|camera_claimed|conclusive|asserted)['"]"""
)
UNCHECKED = (
    "the types of conditions were not checked: cel-expr-python is not installed here. They were compiled and their "
    "tests were run; check again where `platemark[server]` is whole"
)


def lint(text: str, *, today: date | None = None, typed: bool = typecheck.AVAILABLE) -> tuple[Problem, ...]:
    """Everything that is wrong with a bundle, in the order of the file. Without `today`, no date is too late.

    `typed`: types are checked, too; where they are not, a note says so.
    """
    try:
        bundle = read_yaml(text, Bundle, where="bundle")
    except Misconfigured as error:
        return (_unreadable(error),)
    place = locator(text)
    slips = [slip for check in _CHECKS for slip in check(bundle)]
    slips += _expired(bundle, today)
    if not any(code == "condition" for _, code, _ in slips):
        slips += _failed_tests(bundle)
    found = [_problem(place, slip) for slip in slips]
    if not typed and any(rule.when for rule in bundle.rules):
        found.append(Problem(level="note", line=1, field="rules", code="types_not_checked", message=UNCHECKED))
    return tuple(sorted(found, key=lambda one: one.line))


def _problem(place: Callable[[Sequence[int | str]], tuple[int, str]], slip: Slip) -> Problem:
    where, code, said = slip
    line, field = place(where)
    return Problem(line=line, field=field, code=code, message=said)


def _unreadable(error: Misconfigured) -> Problem:
    found = _PLACE.fullmatch(error.detail)
    if found is None:
        return Problem(line=1, field="the whole file", code="unreadable", message=error.detail)
    field = found["field"] or "the whole file"
    return Problem(
        line=int(found["line"]), field=field, code="unreadable", message=found["message"].strip().rstrip(".")
    )


def _names(bundle: Bundle) -> Iterator[Slip]:
    for index, field, said in misnamed(bundle.rules, [rule for rule in default_bundle().rules if rule.hard]):
        yield ("rules", index, field), "duplicate_id" if "twice" in said else "hard_id", said


def _codes(bundle: Bundle) -> Iterator[Slip]:
    for name, code in bundle.aliases.items():
        if code not in _CODES:
            yield ("aliases", name), "unknown_code", _unknown(code)
    for index, rule in enumerate(bundle.rules):
        for number, code in enumerate(rule.categories):
            if code not in _CODES:
                yield ("rules", index, "categories", number), "unknown_code", _unknown(code)
        if rule.reason_code is not None and rule.reason_code not in _CODES:
            yield ("rules", index, "reason_code"), "unknown_code", _unknown(rule.reason_code)
        for number, case in enumerate(rule.tests):
            side = "fires" if case.fires else "stays"
            given = {**case.situation.scores, **{c: 0 for by in case.situation.by.values() for c in by}}
            for code in given.keys() - _CODES:
                yield ("rules", index, "tests", number, side), "unknown_code", _unknown(code)


def _unknown(code: str) -> str:
    return f"{code} is no reason code; there are {', '.join(REASON_CODES)}"


def _detectors(bundle: Bundle) -> Iterator[Slip]:
    known = {*DETECTORS, *bundle.detectors}
    said = "is no detector that is known here; there are {}. Name one of your own under detectors"
    for where, names in _required(bundle):
        for number, name in enumerate(names):
            if name not in known:
                yield (*where, number), "unknown_detector", f"{name} {said.format(', '.join(sorted(known)))}"
    for index, rule in enumerate(bundle.rules):
        for name, _ in conditions.reads(rule.when or ""):
            if name is not None and name not in known:
                yield ("rules", index, "when"), "unknown_detector", f"{name} {said.format(', '.join(sorted(known)))}"


def _required(bundle: Bundle) -> Iterator[tuple[Where, tuple[str, ...]]]:
    for stage, names in bundle.required.items():
        yield ("required", stage), names
    for audience, stages in bundle.required_for.items():
        for stage, names in stages.items():
            yield ("required_for", audience, stage), names


def _conditions(bundle: Bundle) -> Iterator[Slip]:
    for index, rule in enumerate(bundle.rules):
        if rule.when is None:
            continue
        where: Where = ("rules", index, "when")
        try:
            conditions.condition(rule.when)
        except conditions.NoCondition as error:
            yield where, "condition", f"the condition {error}"
            continue
        if error := typecheck.type_error(rule.when):
            yield where, "condition", f"the condition does not fit: {error}"
        for _, code in conditions.reads(rule.when):
            if code not in _CODES:
                yield where, "unknown_code", _unknown(code)


def _relaxing(bundle: Bundle) -> Iterator[Slip]:
    for index, rule in enumerate(bundle.rules):
        if rule.decision == "allow":
            said = "no rule can allow what another one forbids; leave the rule out, or narrow the other one"
            yield ("rules", index, "decision"), "relaxes", said
        if rule.hard and (rule.starts or rule.expires):
            yield ("rules", index, "hard"), "hard_with_dates", "a hard rule holds on every day; take its dates away"
        if rule.decision == "block" and _guesses(rule):
            said = (
                f"{', '.join(sorted(LEARNED))} and p_ai guess where a picture comes from, and nothing is blocked for "
                "that alone; decide review, ask for a verdict that is asserted or conclusive, or join it with a "
                "finding of another detector"
            )
            yield ("rules", index, "decision"), "learned_alone", said


def _guesses(rule: Rule) -> bool:
    """Whether any way to fulfil the rule asks for a guess, and for nothing that was measured otherwise."""
    return not rule.categories and any(map(_guesses_alone, (rule.when or "").split("||")))


def _guesses_alone(text: str) -> bool:
    read = {name for name, _ in conditions.reads(text)}
    if read - LEARNED or "flags" in text:
        return False
    return bool(read) or "p_ai" in text or (_INSPECTED.search(text) is not None and not _certain(text))


def _certain(text: str) -> bool:
    """Every comparison with the inspection asks for what no guess leads to, and none is turned round."""
    asked = _INSPECTED.findall(text)
    return "!" not in text and len(_ASKED.findall(text)) == len(asked)


def _dead(bundle: Bundle) -> Iterator[Slip]:
    for index, rule in enumerate(bundle.rules):
        if rule.starts and rule.expires and rule.expires <= rule.starts:
            yield ("rules", index, "expires"), "dead_rule", "it expires before it starts, so it can never fire"
        if (name := _contradiction(rule)) is not None:
            yield ("rules", index, "when"), "dead_rule", f"asks {name} to be high and low at once: it can never fire"


def _contradiction(rule: Rule) -> str | None:
    """What a chain of `&&` asks to lie in an empty span."""
    text = rule.when or ""
    if "||" in text or "!" in text or "?" in text:
        return None
    low = {f"scores.{code}": rule.at_least or 0 for code in rule.categories if len(rule.categories) == 1}
    high: dict[str, float] = {}
    for found in _BOUND.finditer(text):
        name, number = found["name"], float(found["number"])
        if found["sign"].startswith(">"):
            low[name] = max(low.get(name, 0), number)
        else:
            high[name] = min(high.get(name, 2), number)
    return next((name for name, most in high.items() if low.get(name, -1) > most), None)


def _expired(bundle: Bundle, today: date | None) -> Iterator[Slip]:
    for index, rule in enumerate(bundle.rules):
        if today is not None and rule.expires is not None and rule.expires <= today:
            yield ("rules", index, "expires"), "dead_rule", f"it expired on {rule.expires}; take it out or move the day"


def _untested(bundle: Bundle) -> Iterator[Slip]:
    for index, rule in enumerate(bundle.rules):
        for side in ("fires", "stays"):
            if not any(getattr(case, side) for case in rule.tests):
                said = f"{rule.id} has no test that says {side}: add one, so that a slip is found before it judges"
                yield ("rules", index, "tests"), "missing_test", said


def _failed_tests(bundle: Bundle) -> Iterator[Slip]:
    for one in trial.outcomes(bundle):
        if not one.passed:
            rule = bundle.rules[one.rule]
            wanted, did = ("fire", "stayed silent") if one.expects else ("stay silent", "fired")
            said = f"{rule.id} should {wanted} here and {did if one.error is None else f'failed: {one.error}'}"
            yield ("rules", one.rule, "tests", one.case), "failed_test", said


_CHECKS = (_names, _codes, _detectors, _conditions, _relaxing, _dead, _untested)
