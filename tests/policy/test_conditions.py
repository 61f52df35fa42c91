"""Conditions: what they read is always there, what they may not do, and what an error in one means."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from platemark.core.moderation import LATTICE, REASON_CODES, Decision, Signal, Stage
from platemark.core.ports import Circumstances
from platemark.flows.policies import ruled
from platemark.policy.builtin import load_policy
from platemark.policy.bundle import LONGEST_CONDITION, Bundle, Rule
from platemark.policy.conditions import NoCondition, condition, context
from platemark.policy.lattice import LatticePolicy
from platemark.policy.vocabulary import DETECTORS, NAMES, Wanted, measured, values

BUILT_IN = load_policy()
STAGES: list[Stage] = ["before_request", "after_response", "before_publish"]
HARD = ("MINOR_SAFETY", "KNOWN_HASH_MATCH", "NCII")
NOTHING = Signal(detector="lexicon", version="1", category="none", score=0.0)


def policy(when: str, *, decision: Decision = "block", whole: bool = True) -> LatticePolicy:
    rule = Rule(id="own", when=when, decision=decision, reason_code="HATE")
    return LatticePolicy(Bundle(version="1", rules=(rule,)), whole=whole)


def holds(when: str, *signals: Signal, **where: object) -> bool:
    at = Circumstances(**{"stage": "before_request", **where})  # type: ignore[arg-type]
    return condition(when).holds(context(values(Wanted(frozenset(NAMES)), measured(signals, {}), at)))


def signal(category: str, score: float | None, detector: str = "lexicon") -> Signal:
    return Signal(detector=detector, version="1", category=category, score=score, evaluated=score is not None)


@pytest.mark.parametrize(
    "when",
    [
        *(f"scores.{code} == 0.0" for code in REASON_CODES),
        *(f'by["{name}"].GORE == 0.0' for name in DETECTORS),
        'stage == "before_request" && audience == "" && role == "" && operation == "" && model == "" && provider == ""',
        "size(flags) == 0 && size(evaluated) == 0 && size(not_evaluated) == 0",
        'inspection.verdict == "" && inspection.tier == "" && p_ai == 0.0',
        'now < timestamp("2000-01-01T00:00:00Z")',
    ],
)
def test_every_declared_name_is_filled_even_when_there_is_nothing(when: str) -> None:
    assert holds(when)


def test_conditions_read_what_is_there() -> None:
    seen = (signal("GORE", 0.4), signal("GORE", 0.7, "image_safety"), signal("x", None, "hash_list"))
    said = signal("nsfw", 1.0, "provider:att_1")
    assert holds("scores.GORE == 0.7 && by.lexicon.GORE == 0.4 && by.image_safety.GORE == 0.7", *seen)
    assert holds('"hash_list" in not_evaluated && "lexicon" in evaluated', *seen)
    assert holds('"nsfw" in flags && by.provider.GORE == 0.0', said)
    assert holds('flags.exists(f, f.startsWith("ns"))', said)
    assert holds('provider == "local" && model.endsWith("pocket")', model="local/pocket")
    assert holds("now.getFullYear() == 2026", now=datetime(2026, 11, 23, tzinfo=UTC))


@pytest.mark.parametrize(
    "when",
    [
        "scores.GORE > 0.5 && by.image_safety.GORE > 0.5 && by.lexicon.HATE < 0.1",
        'scores["GORE"] > 0.5 && by["image_safety"]["GORE"] > 0.5',
        "by.image_safety.GORE > 0.5 && scores.exists(code, scores[code] > 0.5)",
        'by.exists(name, by[name]["GORE"] > 0.5)',
        "by.of_our_own.GORE == 0.0 && scores.GORE > 0.5",
    ],
)
def test_a_policy_hands_over_all_that_its_conditions_read(when: str) -> None:
    found = [NOTHING, signal("GORE", 0.7, "image_safety"), signal("GORE", 0.2)]
    reasons = policy(when, whole=False).explain(found, Circumstances(stage="before_request"))
    assert [(one.rule, one.error, one.decision) for one in reasons] == [("own", None, "block")]


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("1 +", "is not CEL"),
        ("nobody > 1.0", "reads nobody"),
        ('audience.matches("a")', "may not"),
        ("(" * 21 + "true" + ")" * 21, "nests deeper"),
        ("!" * 30 + "true", "nests deeper"),
        ("flags.all(a, flags.all(b, a == b))", "more than one list"),
    ],
)
def test_what_a_condition_may_not_do(when: str, said: str) -> None:
    with pytest.raises(NoCondition, match=said):
        condition(when)


def test_a_condition_has_a_length() -> None:
    with pytest.raises(ValueError, match="at most"):
        Rule(id="own", when="true || " * LONGEST_CONDITION + "true", decision="block", reason_code="HATE")


@pytest.mark.parametrize("when", ["scores.NOT_A_CODE > 0.5", "audience", "1 / 0 > 1"])
@pytest.mark.parametrize("whole", [True, False])
def test_an_error_is_reviewed_and_names_its_rule(when: str, whole: bool) -> None:
    where = Circumstances(stage="before_request")
    own = policy(when, whole=whole)
    ruling = own.rule([NOTHING], where)
    assert (ruling.decision, ruling.reason_code, ruling.rule_ids) == ("review", "MODERATION_UNAVAILABLE", ("own",))
    (reason,) = own.explain([NOTHING], where)
    assert reason.error


def test_rules_with_dates_sleep_and_wake() -> None:
    rule = Rule.model_validate_json(
        '{"id": "vote", "categories": ["ELECTION_INTEGRITY"], "at_least": 0.1, "decision": "block",'
        ' "starts": "2026-10-01", "expires": "2026-11-10"}'
    )
    own = LatticePolicy(Bundle(version="1", rules=(rule,)), whole=False)
    found = [signal("ELECTION_INTEGRITY", 0.2)]

    def on(month: int, day: int) -> str:
        now = datetime(2026, month, day, 12, tzinfo=UTC)
        return own.rule(found, Circumstances(stage="before_request", now=now)).decision

    assert [on(9, 30), on(10, 1), on(11, 9), on(11, 10)] == ["allow", "block", "block", "allow"]


def test_roles_and_audiences_narrow_a_rule() -> None:
    rule = Rule(
        id="own", categories=("HATE",), at_least=0.1, decision="block", roles=("intern",), audiences=("public",)
    )
    own = LatticePolicy(Bundle(version="1", rules=(rule,)), whole=False)
    for role, audience, decision in (
        ("intern", "public", "block"),
        ("editor", "public", "allow"),
        ("intern", None, "allow"),
    ):
        where = Circumstances(stage="before_request", role=role, audience=audience)
        assert own.rule([signal("HATE", 0.9)], where).decision == decision


def test_what_an_audience_requires_is_required_on_top() -> None:
    bundle = Bundle(
        version="1",
        required_for={"public": {"before_publish": ("hash_list",)}},
        rules=(Rule(id="own", categories=("HATE",), at_least=0.5, decision="block"),),
    )
    own = LatticePolicy(bundle, whole=False)
    for audience, decision in (("public", "review"), ("internal", "allow")):
        assert own.rule([NOTHING], Circumstances(stage="before_publish", audience=audience)).decision == decision


# What a tenant may write, good and bad: conditions, thresholds, any decision.
WHENS = st.sampled_from(
    [None, "true", "false", "scores.GORE > 0.5", "scores.HATE < 0.5", "audience", "1 / 0 == 1", 'role == "admin"']
)


@st.composite
def tenants(draw: st.DrawFn) -> LatticePolicy:
    """A bundle of a project: one to five rules, of which some cannot be evaluated and some would relax."""
    rules: list[Rule] = []
    for number in range(draw(st.integers(1, 5))):
        codes = tuple(draw(st.lists(st.sampled_from(REASON_CODES), max_size=3)))
        rule = Rule(
            id=f"rule-{number}",
            categories=codes,
            at_least=draw(st.floats(0.01, 1)) if codes else None,
            when=draw(WHENS) if codes else draw(WHENS) or "true",
            reason_code="HATE",
            decision=draw(st.sampled_from(LATTICE)),
            audiences=draw(st.sampled_from(((), ("education",), ("newsroom",)))),
            roles=draw(st.sampled_from(((), ("admin",)))),
        )
        rules.append(rule)
    return LatticePolicy(Bundle(version="1", rules=tuple(rules)), version="pol_tenant", whole=False)


TENANTS = tenants()
SIGNALS = st.builds(
    Signal,
    detector=st.sampled_from(["lexicon", "image_safety", "provider:x"]),
    version=st.just("1"),
    category=st.sampled_from([*REASON_CODES, "none", "SOMETHING_NEW"]),
    evaluated=st.booleans(),
    score=st.one_of(st.none(), st.floats(allow_nan=True), st.floats(0, 1)),
)
SOMEWHERE = st.builds(
    Circumstances,
    stage=st.sampled_from(STAGES),
    role=st.sampled_from([None, "admin", "editor"]),
    audience=st.sampled_from([None, "education", "newsroom", "marketplace", "internal", "other"]),
    operation=st.sampled_from([None, "inpaint"]),
)


@settings(max_examples=150)
@given(st.lists(SIGNALS, max_size=5), TENANTS, SOMEWHERE)
def test_a_tenants_bundle_never_loosens(found: list[Signal], tenant: LatticePolicy, where: Circumstances) -> None:
    alone, joined = BUILT_IN.rule(found, where), ruled((BUILT_IN, tenant), found, where)
    assert LATTICE.index(joined.decision) >= LATTICE.index(alone.decision)
    assert joined.severity >= alone.severity
    assert set(alone.rule_ids) <= set(joined.rule_ids)


@settings(max_examples=150)
@given(st.sampled_from(HARD), st.floats(0.5, 1), st.lists(SIGNALS, max_size=5), TENANTS, SOMEWHERE, st.integers(0, 5))
def test_nothing_with_a_hard_code_is_ever_allowed(
    code: str, score: float, found: list[Signal], tenant: LatticePolicy, where: Circumstances, place: int
) -> None:
    signals = [*found[:place], signal(code, score), *found[place:]]
    # What only resembles a known picture waits for a person; everything else of these is refused.
    resembles = code == "KNOWN_HASH_MATCH" and score < 0.9
    assert ruled((BUILT_IN, tenant), signals, where).decision in ({"review", "block"} if resembles else {"block"})


@settings(max_examples=100)
@given(st.lists(SIGNALS, max_size=4), SOMEWHERE)
def test_an_evaluation_error_is_never_allowed(found: list[Signal], where: Circumstances) -> None:
    ruling = policy("1 / 0 == 1", whole=False).rule(found, where)
    assert LATTICE.index(ruling.decision) >= LATTICE.index("review")
