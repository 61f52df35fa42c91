"""Lint: each kind of mistake is found, on its line and under its field."""

from datetime import date

import pytest

from platemark.policy import typecheck
from platemark.policy.lint import UNCHECKED, lint

TODAY = date(2026, 11, 23)
GOOD = """\
version: "mine"
rules:
  - id: brands
    categories: [IP_TRADEMARK]
    at_least: 0.3
    when: 'operation == "inpaint" && scores.PII_IN_PROMPT < 0.5'
    decision: review
    tests:
      - fires: {scores: {IP_TRADEMARK: 0.4}, operation: inpaint}
      - stays: {scores: {IP_TRADEMARK: 0.4}}
"""


def test_a_good_bundle_has_nothing_wrong() -> None:
    assert lint(GOOD, today=TODAY) == ()


@pytest.mark.parametrize(
    ("old", "new", "code", "field", "line"),
    [
        ("rules:", "rules: [", "unreadable", "the whole file", 3),
        ("decision: review", "decision: maybe", "unreadable", "rules[0].decision", 7),
        ("[IP_TRADEMARK]", "[IP_TRADEMARKS]", "unknown_code", "rules[0].categories[0]", 4),
        ("PII_IN_PROMPT", "PII", "unknown_code", "rules[0].when", 6),
        ("scores.PII_IN_PROMPT", "by.lexikon.PII_IN_PROMPT", "unknown_detector", "rules[0].when", 6),
        ("decision: review", "decision: allow", "relaxes", "rules[0].decision", 7),
        ("id: brands", "id: minor-safety", "hard_id", "rules[0].id", 3),
        ("decision: review", "decision: review\n    expires: 2026-11-23", "dead_rule", "rules[0].expires", 8),
        (
            "scores.PII_IN_PROMPT < 0.5",
            "scores.PII_IN_PROMPT > 0.5 && scores.PII_IN_PROMPT < 0.4",
            "dead_rule",
            "rules[0].when",
            6,
        ),
        ("scores.PII_IN_PROMPT < 0.5", "scores.IP_TRADEMARK < 0.2", "dead_rule", "rules[0].when", 6),
        ("scores.PII_IN_PROMPT < 0.5", 'audience.matches("(a+)+$")', "condition", "rules[0].when", 6),
        ("scores.PII_IN_PROMPT < 0.5", "nobody > 0.5", "condition", "rules[0].when", 6),
        ("scores.PII_IN_PROMPT < 0.5", "scores.PII_IN_PROMPT <", "condition", "rules[0].when", 6),
        (
            "- fires: {scores: {IP_TRADEMARK: 0.4}, operation: inpaint}",
            "- stays: {}",
            "missing_test",
            "rules[0].tests",
            9,
        ),
        (
            "- stays: {scores: {IP_TRADEMARK: 0.4}}",
            "- fires: {scores: {IP_TRADEMARK: 0.4}}",
            "failed_test",
            "rules[0].tests[1]",
            10,
        ),
        (
            'version: "mine"',
            'version: "mine"\nrequired: {before_publish: [nobody]}',
            "unknown_detector",
            "required.before_publish[0]",
            2,
        ),
        ('version: "mine"', 'version: "mine"\naliases: {nsfw: SEXY}', "unknown_code", "aliases.nsfw", 2),
        (
            "decision: review",
            "decision: block\n    hard: true\n    starts: 2026-01-01",
            "hard_with_dates",
            "rules[0].hard",
            8,
        ),
    ],
)
def test_each_mistake_is_told_with_line_and_field(old: str, new: str, code: str, field: str, line: int) -> None:
    found = lint(GOOD.replace(old, new), today=TODAY)
    assert (code, field, line) in {(one.code, one.field, one.line) for one in found}


def test_two_rules_of_one_name_are_told() -> None:
    assert "duplicate_id" in {one.code for one in lint(GOOD + GOOD.split("rules:\n")[1], today=TODAY)}


@pytest.mark.skipif(not typecheck.AVAILABLE, reason="cel-expr-python is not installed")
@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("scores.GORE > 1", "no matching overload"),
        ("audience > 0.5", "no matching overload"),
        ("audience", "gives STRING"),
    ],
)
def test_types_that_do_not_fit_are_told_though_they_would_run(condition: str, said: str) -> None:
    found = lint(GOOD.replace("scores.PII_IN_PROMPT < 0.5'", f"({condition})'"), today=TODAY)
    wrong = [one for one in found if one.code == "condition"]
    assert len(wrong) == 1
    whole = GOOD.replace('operation == "inpaint" && scores.PII_IN_PROMPT < 0.5', condition)
    assert any(said in one.message for one in (*wrong, *lint(whole, today=TODAY)))


def test_what_guesses_may_not_block_alone() -> None:
    alone = """\
version: "guess"
rules:
  - id: drawn
    when: by.ai_image_classifier.PROVIDER_UNSPECIFIED > 0.9
    reason_code: PUBLIC_FIGURE_DECEPTION
    decision: block
    tests:
      - fires: {by: {ai_image_classifier: {PROVIDER_UNSPECIFIED: 0.95}}}
      - stays: {by: {ai_image_classifier: {PROVIDER_UNSPECIFIED: 0.5}}}
"""
    assert [one.code for one in lint(alone, today=TODAY)] == ["learned_alone"]
    assert lint(alone.replace("decision: block", "decision: review"), today=TODAY) == ()
    joined = alone.replace("> 0.9\n", "> 0.9 && scores.PUBLIC_FIGURE_DECEPTION > 0.5\n").replace(
        "PROVIDER_UNSPECIFIED: 0.95}}", "PROVIDER_UNSPECIFIED: 0.95}}, scores: {PUBLIC_FIGURE_DECEPTION: 0.6}"
    )
    assert lint(joined, today=TODAY) == ()


INSPECTED = """\
version: "inspected"
rules:
  - id: drawn
    stages: [before_publish]
    when: {when}
    reason_code: PUBLIC_FIGURE_DECEPTION
    decision: {decision}
    tests:
      - fires: {{inspection: {{verdict: {verdict}, tier: {tier}, p_ai: 0.95}}, scores: {{GORE: 0.9}}}}
      - stays: {{inspection: {{verdict: no_evidence_of_ai, tier: none, p_ai: 0.1}}}}
"""


def found_in(when: str, *, decision: str = "block", verdict: str = "likely_ai", tier: str = "inferred") -> list[str]:
    text = INSPECTED.format(when=f"'{when}'", decision=decision, verdict=verdict, tier=tier)
    return [one.code for one in lint(text, today=TODAY)]


@pytest.mark.parametrize(
    "when",
    [
        "p_ai > 0.9",
        'p_ai > 0.9 && audience == ""',
        'inspection.verdict == "likely_ai"',
        'inspection["verdict"] == "likely_ai"',
        'inspection.verdict in ["likely_ai", "ai_generated"]',
        'inspection.verdict != "no_evidence_of_ai"',
        '!(inspection.tier == "none")',
        'inspection.tier == "inferred" && p_ai > 0.5',
        "scores.GORE > 0.95 || p_ai > 0.9",
    ],
)
def test_an_inspection_that_guesses_may_not_block_alone(when: str) -> None:
    assert found_in(when) == ["learned_alone"]
    assert found_in(when, decision="review") == []


@pytest.mark.parametrize(
    ("when", "verdict", "tier"),
    [
        ('inspection.verdict == "ai_generated"', "ai_generated", "asserted"),
        ('inspection.tier == "asserted" && stage == "before_publish"', "ai_claimed", "asserted"),
        ("p_ai > 0.9 && scores.GORE > 0.5", "likely_ai", "inferred"),
        ('inspection.verdict == "likely_ai" && scores.GORE > 0.5', "likely_ai", "inferred"),
    ],
)
def test_what_was_asserted_or_measured_otherwise_may_block(when: str, verdict: str, tier: str) -> None:
    assert found_in(when, verdict=verdict, tier=tier) == []


def test_that_types_were_not_checked_is_said() -> None:
    (note,) = lint(GOOD, today=TODAY, typed=False)
    assert (note.level, note.message) == ("note", UNCHECKED)
