"""Policy files without a server: looked over, tried with their own tests, asked about a situation."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from pydantic import ValidationError

from platemark.core.errors import InvalidRequest, Misconfigured
from platemark.core.moderation import Ruling, Signal
from platemark.core.policy import Explanation, Problem, Reason
from platemark.policy import trial
from platemark.policy.builtin import DEFAULT_TEXT, default_bundle, load_policy, open_policy
from platemark.policy.bundle import Bundle, Rule, Situation
from platemark.policy.conditions import NoCondition
from platemark.policy.lint import lint
from platemark.yamlfile import read_text, read_yaml, read_yaml_file

if TYPE_CHECKING:
    from platemark.core.ports import Circumstances

_ANY_RULE = Rule(id="situation", categories=("HATE",), at_least=1.0, decision="review")


def content(file: Path | None) -> tuple[str, str]:
    """Text and name of a policy file, or of the built-in policy. Raises Misconfigured."""
    if file is None:
        return DEFAULT_TEXT, "built-in policy"
    return read_text(file.expanduser(), setting="policy file"), str(file)


def problems(file: Path | None) -> tuple[str, tuple[Problem, ...]]:
    """What is wrong with it, and its name."""
    text, name = content(file)
    return name, lint(text, today=datetime.now(UTC).date())


def trials(file: Path | None) -> list[dict[str, Any]]:
    """How each test of each rule ended."""
    text, name = content(file)
    bundle = read_yaml(text, Bundle, where=name) if file else default_bundle()
    try:
        ended = list(trial.outcomes(bundle))
    except NoCondition as error:
        raise Misconfigured(f"{name}: a condition {error}. `platemark policy lint` names the line.") from error
    return [
        {
            "rule": bundle.rules[one.rule].id,
            "test": one.case,
            "expects": "fires" if one.expects else "stays",
            "passed": one.passed,
            "error": one.error,
        }
        for one in ended
    ]


def situation(given: Path | None, fields: dict[str, Any], scores: Sequence[str]) -> Situation:
    """What a policy is asked about: from a YAML file, with options over it. Raises BadParameter, Misconfigured."""
    found = read_yaml_file(given.expanduser(), Situation, setting="situation") if given else Situation()
    named = {**found.scores, **dict(_score(text) for text in scores)}
    wanted = {name: value for name, value in fields.items() if value not in (None, (), [])}
    try:
        return Situation.model_validate({**found.model_dump(), **wanted, "scores": named})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise typer.BadParameter(f"{first['loc'][0]}: {first['msg']}") from error


def _score(text: str) -> tuple[str, float]:
    code, equals, number = text.partition("=")
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    if not equals or not 0 <= value <= 1:
        raise typer.BadParameter(f"{text} is not of the form CODE=SCORE with a score of 0 to 1", param_hint="--score")
    return code, value


def simulate(file: Path | None, asked: Situation, text: str | None, *, beside: bool) -> tuple[Ruling, Explanation]:
    """What a policy rules, and why. `beside`: as a project's own, together with the built-in one."""
    where = trial.circumstances(_ANY_RULE, asked.model_copy(update={"day": asked.day or datetime.now(UTC).date()}))
    signals = (*trial.signals(asked), *_measured(text))
    if not signals:
        raise InvalidRequest("There is nothing to rule on. Give --score, --flag, --not-evaluated, --given or --text.")
    policies = [load_policy()] if file is None or beside else []
    if file is not None:
        policies.append(open_policy(content(file)[0], where=str(file), whole=not beside))
    from platemark.flows.policies import ruled

    ruling = ruled(policies, signals, where)
    reasons = [reason for policy in policies for reason in policy.explain(signals, where)]
    return ruling, _explanation(ruling, where, signals, reasons)


def _measured(text: str | None) -> Sequence[Signal]:
    from platemark.detectors.lexicon import Lexicon

    return () if text is None else asyncio.run(Lexicon.load(None).look({"prompt": text}))


def _explanation(
    ruling: Ruling, where: "Circumstances", signals: tuple[Signal, ...], reasons: Sequence[Reason]
) -> Explanation:
    return Explanation(
        verdict="simulated",
        generation=None,
        image=None,
        stage=where.stage,
        audience=where.audience,
        role=where.role,
        decision=ruling.decision,
        reason_code=ruling.reason_code,
        policy_version=ruling.policy_version,
        reasons=tuple(reasons),
        signals=signals,
    )


def day_of(text: str | None) -> date | None:
    """From YYYY-MM-DD. Raises BadParameter."""
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text} is not a day of the form YYYY-MM-DD", param_hint="--day") from error
