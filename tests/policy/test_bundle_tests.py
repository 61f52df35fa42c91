"""The tests that stand beside the rules: those of the built-in bundle pass, and a wrong one is told."""

from datetime import date

import pytest

from platemark.policy import trial
from platemark.policy.builtin import DEFAULT_TEXT, default_bundle
from platemark.policy.bundle import Rule
from platemark.policy.lint import lint

BUNDLE = default_bundle()
TODAY = date(2026, 11, 23)


def test_the_built_in_bundle_has_nothing_wrong() -> None:
    assert lint(DEFAULT_TEXT, today=TODAY) == ()


@pytest.mark.parametrize("index", range(len(BUNDLE.rules)), ids=[rule.id for rule in BUNDLE.rules])
def test_every_rule_of_the_built_in_bundle_fires_and_stays_as_it_says(index: int) -> None:
    rule = BUNDLE.rules[index]
    ended = [one for one in trial.outcomes(BUNDLE) if one.rule == index]
    assert {one.expects for one in ended} == {True, False}, rule.id
    assert [one for one in ended if not one.passed] == []
    assert rule.owner
    assert rule.note


def test_a_test_that_the_rule_does_not_keep_is_told() -> None:
    wrong = DEFAULT_TEXT.replace("- fires: {scores: {NCII: 0.5}}", "- fires: {scores: {NCII: 0.4}}")
    (problem,) = lint(wrong, today=TODAY)
    assert (problem.code, problem.field) == ("failed_test", "rules[3].tests[0]")
    assert "should fire here and stayed silent" in problem.message
    assert wrong.splitlines()[problem.line - 1].strip() == "- fires: {scores: {NCII: 0.4}}"


def test_a_rule_is_tried_where_it_holds_and_while_it_is_awake() -> None:
    case = {"fires": {"scores": {"HATE": 0.9}}}
    rule = Rule.model_validate_json(
        '{"id": "autumn", "stages": ["before_publish"], "audiences": ["public"], "roles": ["editor"],'
        ' "categories": ["HATE"], "at_least": 0.5, "decision": "review", "starts": "2026-09-01"}'
    ).model_copy(update={"tests": ()})
    where = trial.circumstances(rule, trial.Situation.model_validate(case["fires"]))
    assert (where.stage, where.audience, where.role) == ("before_publish", "public", "editor")
    assert where.now is not None
    assert where.now.date() == date(2026, 9, 1)
