import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platemark.core.errors import Misconfigured
from platemark.core.moderation import LATTICE, REASON_CODES, Decision, Signal, Stage
from platemark.core.ports import Circumstances
from platemark.policy.builtin import default_bundle, load_policy
from platemark.policy.bundle import Rule

POLICY = load_policy()
BUNDLE = default_bundle()
STAGES: list[Stage] = ["before_request", "after_response", "before_publish"]
# Those with a condition are tried by the tests beside them (test_bundle_tests.py).
PLAIN = [rule for rule in BUNDLE.rules if rule.when is None]
CODES = sorted({code for rule in BUNDLE.rules for code in rule.categories})
# What must have spoken before publication, having seen nothing.
CLEAN = Signal(detector="image_safety", version="1", category="none", score=0.0)
OWN = """\
version: "mine"
rules:
  - id: brands
    categories: [IP_TRADEMARK]
    at_least: 0.1
    decision: label
"""


def signal(category: str, score: float | None = 1.0, *, evaluated: bool = True, detector: str = "lexicon") -> Signal:
    return Signal(detector=detector, version="1", category=category, score=score, evaluated=evaluated)


def stages_of(rule: Rule) -> tuple[Stage, ...]:
    return rule.stages or tuple(STAGES)


def fires(rule: Rule, found: Signal, circumstances: Circumstances) -> bool:
    return rule.id in POLICY.rule([CLEAN, found], circumstances).rule_ids


@pytest.mark.parametrize("rule", PLAIN, ids=lambda rule: rule.id)
def test_every_rule_fires_at_its_score_and_decides_at_least_what_it_says(rule: Rule) -> None:
    for stage in stages_of(rule):
        for audience in rule.audiences or (None, "newsroom"):
            for category in rule.categories:
                circumstances = Circumstances(stage=stage, audience=audience)
                ruling = POLICY.rule([CLEAN, signal(category, rule.at_least)], circumstances)
                assert rule.id in ruling.rule_ids
                assert LATTICE.index(ruling.decision) >= LATTICE.index(rule.decision)
                assert ruling.severity >= rule.severity
                assert category in (ruling.reason_code, *ruling.secondary_codes)


@pytest.mark.parametrize("rule", PLAIN, ids=lambda rule: rule.id)
def test_no_rule_fires_below_its_score_on_other_codes_stages_or_audiences(rule: Rule) -> None:
    audience = next(iter(rule.audiences), None)
    here = Circumstances(stage=stages_of(rule)[0], audience=audience)
    category = rule.categories[0]
    assert rule.at_least is not None
    assert not fires(rule, signal(category, math.nextafter(rule.at_least, 0)), here)
    assert not fires(rule, signal(category, 1.0, evaluated=False), here)
    assert not any(fires(rule, signal(other), here) for other in CODES if other not in rule.categories)
    for stage in set(STAGES) - set(stages_of(rule)):
        assert not fires(rule, signal(category), Circumstances(stage=stage, audience=audience))
    if rule.audiences:
        assert not fires(rule, signal(category), Circumstances(stage=here.stage))
        assert not fires(rule, signal(category), Circumstances(stage=here.stage, audience="somebody"))


@pytest.mark.parametrize(
    ("category", "score", "audience", "decision"),
    [
        ("MINOR_SAFETY", 0.01, None, "block"),
        ("MINOR_SAFETY", 0.3, "newsroom", "block"),
        ("GORE", 0.9, None, "block"),
        ("GORE", 0.9, "internal", "block"),
        ("GORE", 0.9, "newsroom", "review"),
        ("PUBLIC_FIGURE_DECEPTION", 0.9, "newsroom", "block"),
        ("PUBLIC_FIGURE_DECEPTION", 0.3, "newsroom", "review"),
        ("PUBLIC_FIGURE_DECEPTION", 0.3, "internal", "label"),
        ("IP_TRADEMARK", 0.3, "marketplace", "review"),
        ("REGULATED_GOODS", 0.3, "marketplace", "review"),
        ("MODERATION_UNAVAILABLE", 0.3, None, "label"),
        ("MODERATION_UNAVAILABLE", 0.3, "education", "review"),
        ("HARASSMENT", 0.6, "education", "block"),
        ("NCII", 1.0, None, "block"),
        ("SEXUAL_EXPLICIT", 1.0, None, "block"),
        ("SEXUAL_EXPLICIT", 0.6, None, "review"),
        ("SEXUAL_EXPLICIT", 0.6, "education", "block"),
        ("SEXUAL_SUGGESTIVE", 0.3, None, "label"),
        ("SEXUAL_SUGGESTIVE", 0.3, "education", "review"),
        ("VIOLENCE", 1.0, None, "review"),
        ("VIOLENCE", 0.3, None, "label"),
        ("EVASION_SUSPECTED", 0.6, None, "review"),
        ("PROVIDER_UNSPECIFIED", 1.0, None, "review"),
        ("none", 0.0, "education", "allow"),
        ("SEXUAL_EXPLICIT", 0.0, "education", "allow"),
    ],
)
def test_what_the_built_in_policy_decides(category: str, score: float, audience: str | None, decision: str) -> None:
    ruling = POLICY.rule([signal(category, score)], Circumstances(stage="before_request", audience=audience))
    assert ruling.decision == decision
    assert ruling.reason_code == (None if decision == "allow" else category)
    assert ruling.policy_version == POLICY.version


def test_a_black_output_is_held_a_plain_one_labelled_and_an_uploaded_mask_allowed() -> None:
    degraded = "PROVIDER_OUTPUT_DEGRADED"
    after = Circumstances(stage="after_response")
    assert POLICY.rule([signal(degraded, 1.0)], after).decision == "review"
    assert POLICY.rule([signal(degraded, 0.5)], after).decision == "label"
    assert POLICY.rule([signal(degraded, 1.0)], Circumstances(stage="before_request")).decision == "allow"


def test_the_reason_is_the_gravest_and_the_others_are_kept() -> None:
    found = [signal("SEXUAL_SUGGESTIVE", 0.3), signal("MINOR_SAFETY"), signal("VIOLENCE", 0.6)]
    ruling = POLICY.rule(found, Circumstances(stage="before_request"))
    assert (ruling.decision, ruling.reason_code, ruling.severity) == ("block", "MINOR_SAFETY", 3)
    assert ruling.secondary_codes == ("VIOLENCE", "SEXUAL_SUGGESTIVE")
    assert ruling.rule_ids[0] == "minor-safety"


@pytest.mark.parametrize("stage", ["before_request", "after_response"])
@pytest.mark.parametrize("audience", [None, "education"])
def test_p5_what_could_not_look_lets_the_draft_go_on_and_says_so(stage: Stage, audience: str | None) -> None:
    ruling = POLICY.rule(
        [signal("none", 0.0), signal("GORE", None, evaluated=False)], Circumstances(stage=stage, audience=audience)
    )
    assert (ruling.decision, ruling.reason_code) == ("allow", None)
    assert ruling.secondary_codes == ("MODERATION_UNAVAILABLE",)
    assert ruling.rule_ids == ("not-evaluated",)


@pytest.mark.parametrize(("audience", "decision"), [(None, "review"), ("newsroom", "review"), ("education", "block")])
@pytest.mark.parametrize(
    "signals", [[], [signal("none", 0.0)], [CLEAN, signal("GORE", None, evaluated=False, detector="image_safety")]]
)
def test_p5_nothing_is_published_that_a_required_check_did_not_see(
    audience: str | None, decision: Decision, signals: list[Signal]
) -> None:
    ruling = POLICY.rule(signals, Circumstances(stage="before_publish", audience=audience))
    assert (ruling.decision, ruling.reason_code) == (decision, "MODERATION_UNAVAILABLE")


def test_p5_a_publication_that_was_seen_is_allowed() -> None:
    assert POLICY.rule([CLEAN], Circumstances(stage="before_publish", audience="education")).decision == "allow"


@pytest.mark.parametrize("score", [None, math.nan])
@pytest.mark.parametrize("category", ["GORE", "none"])
def test_a_signal_that_cannot_be_read_is_reviewed(category: str, score: float | None) -> None:
    ruling = POLICY.rule([signal(category, score)], Circumstances(stage="before_request"))
    assert (ruling.decision, ruling.reason_code) == ("review", "MODERATION_UNAVAILABLE")


@pytest.mark.parametrize("score", [0.0, 0.2, 1.0])
def test_a_category_that_nobody_ruled_on_is_reviewed(score: float) -> None:
    ruling = POLICY.rule([signal("ASTROLOGY", score)], Circumstances(stage="after_response"))
    assert (ruling.decision, ruling.reason_code) == ("review", "PROVIDER_UNSPECIFIED")


def test_every_reason_code_is_ruled_on() -> None:
    # That a check is off says the profile, and no rule.
    assert set(REASON_CODES) - {"PROFILE_OFF"} == set(CODES)


@pytest.mark.parametrize(
    ("category", "decision"),
    [
        ("SEXUAL_EXPLICIT", "block"),
        ("black_picture", "review"),
        ("broken_numbers", "review"),
        ("REGULATED_GOODS", "review"),
        ("content_filtered", "review"),
    ],
)
def test_what_a_provider_said_about_its_picture_counts(category: str, decision: str) -> None:
    said = signal(category, detector="provider:att_1")
    assert POLICY.rule([said], Circumstances(stage="after_response")).decision == decision


SCORES = st.one_of(st.none(), st.floats(allow_nan=True), st.floats(0, 1))
SIGNALS = st.builds(
    Signal,
    detector=st.sampled_from(["lexicon", "image_safety", "provider:x"]),
    version=st.just("1"),
    category=st.sampled_from([*CODES, "none", "SOMETHING_NEW"]),
    evaluated=st.booleans(),
    score=SCORES,
)
SOMEWHERE = st.builds(
    Circumstances,
    stage=st.sampled_from(STAGES),
    role=st.sampled_from([None, "admin"]),
    audience=st.sampled_from([None, "education", "newsroom"]),
)


@given(st.lists(SIGNALS, max_size=6), SIGNALS, SOMEWHERE)
def test_adding_a_signal_never_relaxes_a_decision(signals: list[Signal], more: Signal, where: Circumstances) -> None:
    # A required check that was silent is another matter: once it has spoken, the image is no longer unseen.
    signals = [CLEAN, *signals]
    before, after = POLICY.rule(signals, where), POLICY.rule([*signals, more], where)
    assert LATTICE.index(after.decision) >= LATTICE.index(before.decision)
    assert after.severity >= before.severity
    assert set(before.rule_ids) <= set(after.rule_ids)


@given(
    st.lists(SIGNALS, max_size=6).flatmap(lambda found: st.tuples(st.just(found), st.permutations(found))), SOMEWHERE
)
def test_the_order_of_signals_does_not_matter(orders: tuple[list[Signal], list[Signal]], where: Circumstances) -> None:
    one, other = (POLICY.rule(signals, where) for signals in orders)
    assert (one.decision, one.severity, set(one.rule_ids)) == (other.decision, other.severity, set(other.rule_ids))


@given(st.lists(SIGNALS, max_size=5), SOMEWHERE)
def test_no_role_relaxes_anything(signals: list[Signal], where: Circumstances) -> None:
    for role in (None, "admin", "editor"):
        other = Circumstances(stage=where.stage, role=role, audience=where.audience)
        assert POLICY.rule(signals, other) == POLICY.rule(signals, where)


def test_equal_content_is_the_same_policy_and_other_content_another(tmp_path: Path) -> None:
    assert POLICY.version == load_policy().version
    assert POLICY.version.startswith("pol_")
    assert len(POLICY.version) == 36
    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    one.write_text(OWN)
    other.write_text(f"# the same, elsewhere\n{OWN}")
    assert load_policy(one).version == load_policy(other).version != POLICY.version
    other.write_text(OWN.replace("0.1", "0.2"))
    assert load_policy(one).version != load_policy(other).version


def test_a_policy_of_one_s_own_keeps_the_hard_rules(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(OWN)
    own = load_policy(file)
    here = Circumstances(stage="before_request", role="admin")
    assert own.rule([signal("IP_TRADEMARK", 0.1)], here).decision == "label"
    for code in ("MINOR_SAFETY", "KNOWN_HASH_MATCH", "NCII"):
        assert own.rule([signal(code)], here).decision == "block"


def test_a_hard_rule_cannot_be_rewritten(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(OWN.replace("id: brands", "id: minor-safety"))
    with pytest.raises(
        Misconfigured, match=r"line 3, rules\[0\]\.id: minor-safety is the id of a rule that cannot be changed"
    ):
        load_policy(file)


def test_relaxing_rules_beside_a_hard_one_change_nothing(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(OWN.replace("IP_TRADEMARK", "MINOR_SAFETY").replace("decision: label", "decision: allow"))
    assert load_policy(file).rule([signal("MINOR_SAFETY")], Circumstances(stage="before_publish")).decision == "block"


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("decision: label", "decision: shrug", r"line 6, rules\[0\]\.decision"),
        ("at_least: 0.1", "at_least: 0", r"line 5, rules\[0\]\.at_least"),
        ("at_least: 0.1", "at_least: lots", r"line 5, rules\[0\]\.at_least"),
        ("[IP_TRADEMARK]", "[]", r"line 3, rules\[0\]: categories and at_least belong together"),
        ("[IP_TRADEMARK]", "[lower]", r"line 4, rules\[0\]\.categories\[0\]"),
        ("id: brands", "name: brands", r"line 3, rules\[0\]\.id"),
        ("decision: label", "decision: label\n    stages: [sometime]", r"line 7, rules\[0\]\.stages\[0\]"),
    ],
)
def test_a_bad_policy_file_is_told_with_line_and_field(tmp_path: Path, old: str, new: str, where: str) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(OWN.replace(old, new))
    with pytest.raises(Misconfigured, match=where):
        load_policy(file)


def test_two_rules_of_one_name_are_told(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(OWN + OWN.split("rules:\n")[1])
    with pytest.raises(Misconfigured, match=r"line 7, rules\[1\]\.id: .*used twice: brands"):
        load_policy(file)
