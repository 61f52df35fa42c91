"""The verdict on findings: a table of what each combination amounts to, and what no combination may ever amount to."""

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platemark.core.inspection import UNSEEN, Finding, FindingKind
from platemark.flows.fuse import Fused, fuse


def c2pa(status: str = "valid_untrusted", direction: str = "none", **detail: Any) -> Finding:
    weight = {"trusted": "strong", "valid_untrusted": "weak"}.get(status, "none") if direction != "none" else "none"
    return finding("c2pa", status, direction, weight, **detail)


def finding(kind: str, status: str, direction: str = "none", weight: str = "none", **detail: Any) -> Finding:
    return Finding.model_validate(
        {"kind": kind, "status": status, "direction": direction, "weight": weight, "detail": detail}
    )


def learned(score: float, kind: str = "learned", **detail: Any) -> Finding:
    """As a detector with the thresholds 0.3 and 0.7 says it."""
    high, band = score >= 0.7, 0.3 < score < 0.7
    fields = {"score": score, "abstained": band, **detail}
    return finding(kind, "evaluated", "ai" if high else "none", "weak" if high else "none", **fields)


NOTHING = (finding("registry", "none"), c2pa("none"), finding("metadata", "none"))
EXACT = finding("registry", "exact", "ai", "conclusive", image="img_1")
NEAR = finding("registry", "near", "ai", "strong", image="img_1", pdq_distance=12)
AI_TEXT = finding("metadata", "found", "ai", "weak", fields={"generator": "comfyui"})
CAMERA_TEXT = finding("metadata", "found", "camera", "weak")
MARK = finding("own_watermark", "id_resolved", "ai", "strong", image="img_1")
BROKEN = c2pa("invalid")
UNREAD = c2pa("remote_not_fetched")
OWN = finding("c2pa", "valid_untrusted", "ai", "conclusive", own=True)
SDXL = finding("third_party_watermark", "present", "ai", "weak", scheme="sdxl_dwtdct48")
TABLE: list[tuple[str, tuple[Finding, ...], str, str]] = [
    ("nothing", NOTHING, "no_evidence_of_ai", "none"),
    ("nobody looked", (), "inconclusive", "none"),
    ("all off", (finding("c2pa", "off"), finding("registry", "not_evaluated")), "inconclusive", "none"),
    ("all broke off", (finding("c2pa", "error"), finding("metadata", "error")), "inconclusive", "none"),
    ("remote manifest", (finding("registry", "none"), UNREAD), "inconclusive", "none"),
    ("unreadable manifest", (finding("registry", "none"), finding("c2pa", "error")), "inconclusive", "none"),
    ("our file", (EXACT,), "generated_by_us", "conclusive"),
    (
        "photograph that a trusted signature says AI was used on",
        (c2pa("trusted", "ai"), CAMERA_TEXT),
        "ai_generated",
        "asserted",
    ),
    ("an untrusted word beside a camera's", (c2pa("valid_untrusted", "ai"), CAMERA_TEXT), "conflicting", "conflicting"),
    ("our file with a broken credential", (EXACT, BROKEN), "generated_by_us", "conclusive"),
    ("our signature", (OWN,), "generated_by_us", "conclusive"),
    ("our broken signature", (finding("c2pa", "invalid", own=True),), "conflicting", "conflicting"),
    ("our signature under an upload", (c2pa(own=True),), "no_evidence_of_ai", "none"),
    ("mark and registry", (NEAR, MARK), "generated_by_us", "conclusive"),
    (
        "mark, confirmed by its finder",
        (finding("own_watermark", "id_resolved", confirmed=True),),
        "generated_by_us",
        "conclusive",
    ),
    (
        "mark, denied by its finder",
        (finding("own_watermark", "id_resolved", confirmed=False),),
        "conflicting",
        "conflicting",
    ),
    (
        "mark of another image",
        (NEAR, finding("own_watermark", "id_resolved", "ai", "strong", image="img_2")),
        "conflicting",
        "conflicting",
    ),
    (
        "mark on what is too flat to compare",
        (finding("registry", "none"), finding("own_watermark", "id_resolved", confirmed=None)),
        "generated_by_us",
        "inferred",
    ),
    ("mark that the registry does not know", (finding("registry", "none"), MARK), "conflicting", "conflicting"),
    ("mark without a registry", (finding("registry", "not_evaluated"), MARK), "generated_by_us", "inferred"),
    ("mark that leads nowhere", (finding("own_watermark", "present", "ai", "weak"),), "likely_ai", "inferred"),
    ("mark with a wrong sum", (finding("own_watermark", "crc_failed"),), "no_evidence_of_ai", "none"),
    ("mark and registry, broken credential", (NEAR, MARK, BROKEN), "generated_by_us", "conclusive"),
    ("near", (NEAR,), "generated_by_us", "inferred"),
    ("near, broken credential", (NEAR, BROKEN), "conflicting", "conflicting"),
    ("aligned crop", (finding("registry", "near", "ai", "strong", how="crop"),), "generated_by_us", "inferred"),
    ("trusted AI", (c2pa("trusted", "ai"),), "ai_generated", "asserted"),
    (
        "trusted AI over a broken ingredient",
        (c2pa("trusted", "ai", ingredient_failures=["x"]),),
        "ai_claimed",
        "asserted",
    ),
    ("untrusted AI", (c2pa("valid_untrusted", "ai"),), "ai_claimed", "asserted"),
    ("generator text", (AI_TEXT,), "ai_claimed", "asserted"),
    ("generator text, unlikely", (AI_TEXT, learned(0.1)), "ai_claimed", "asserted"),
    ("somebody else's mark", (SDXL,), "ai_claimed", "asserted"),
    ("trusted camera", (c2pa("trusted", "camera"),), "camera_claimed", "asserted"),
    ("camera in words", (CAMERA_TEXT,), "camera_claimed", "asserted"),
    ("camera against generator", (CAMERA_TEXT, c2pa("valid_untrusted", "ai")), "conflicting", "conflicting"),
    ("camera against our mark", (c2pa("trusted", "camera"), NEAR, MARK), "conflicting", "conflicting"),
    ("camera against near", (c2pa("trusted", "camera"), NEAR), "conflicting", "conflicting"),
    ("camera in words against the classifier", (CAMERA_TEXT, learned(0.9)), "conflicting", "conflicting"),
    ("trusted camera against the classifier", (c2pa("trusted", "camera"), learned(0.9)), "camera_claimed", "asserted"),
    ("broken credential", (BROKEN, AI_TEXT), "conflicting", "conflicting"),
    ("likely", (*NOTHING, learned(0.9)), "likely_ai", "inferred"),
    ("undecided", (*NOTHING, learned(0.5)), "inconclusive", "none"),
    ("unlikely", (*NOTHING, learned(0.1)), "no_evidence_of_ai", "none"),
    ("likely, says somebody else", (*NOTHING, learned(0.9, "remote")), "likely_ai", "inferred"),
    ("they disagree", (*NOTHING, learned(0.9), learned(0.1, "remote")), "inconclusive", "none"),
    ("likely, but nobody else could look", (learned(0.9), finding("remote", "not_evaluated")), "likely_ai", "inferred"),
]


@pytest.mark.parametrize(("evidence", "verdict", "tier"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_the_table(evidence: tuple[Finding, ...], verdict: str, tier: str) -> None:
    for given_so in (evidence, evidence[::-1]):
        fused = fuse(given_so)
        assert (fused.verdict, fused.tier) == (verdict, tier)


def test_the_number_is_that_of_the_classifier_with_its_interval() -> None:
    ours = learned(0.9, low=0.8, high=0.95, calibration="cal-1")
    confidence = fuse((*NOTHING, learned(0.99, "remote"), ours)).confidence
    assert confidence.model_dump() == {
        "p_ai": 0.9,
        "low": 0.8,
        "high": 0.95,
        "calibration": "cal-1",
        "abstained": False,
    }
    assert fuse((*NOTHING, learned(0.5))).confidence.abstained is True
    assert fuse((*NOTHING, learned(0.1))).confidence.p_ai == 0.1
    assert fuse((AI_TEXT, learned(0.1))).confidence.p_ai is None
    assert fuse(NOTHING).confidence.p_ai is None
    assert fuse((EXACT,)).confidence.p_ai == 1.0


def test_what_could_not_be_decoded_whole_is_never_without_evidence() -> None:
    assert fuse(NOTHING, whole=False).verdict == "inconclusive"


KINDS: tuple[FindingKind, ...] = get_args(FindingKind)
DIRECTIONS, WEIGHTS = ("ai", "camera", "none"), ("conclusive", "strong", "weak", "none")
STATUSES = (
    *sorted(UNSEEN),
    *("none", "found", "exact", "near", "trusted", "valid_untrusted", "invalid", "remote_not_fetched"),
    *("present", "id_resolved", "crc_failed", "evaluated", "scored", "abstained"),
)


@st.composite
def findings(draw: st.DrawFn, kinds: tuple[str, ...] = KINDS, weights: tuple[str, ...] = WEIGHTS) -> Finding:
    detail: dict[str, Any] = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "own": st.booleans(),
                "image": st.sampled_from(["img_1", "img_2"]),
                "score": st.floats(0, 1),
                "abstained": st.booleans(),
                "confirmed": st.sampled_from([True, False, None]),
                "ingredient_failures": st.sampled_from([[], ["assertion.dataHash.mismatch"]]),
            },
        )
    )
    return finding(
        draw(st.sampled_from(kinds)),
        draw(st.sampled_from(STATUSES)),
        draw(st.sampled_from(DIRECTIONS)),
        draw(st.sampled_from(weights)),
        **detail,
    )


def amounts_to(evidence: list[Finding]) -> tuple[str, str]:
    fused: Fused = fuse(evidence)
    return fused.verdict, fused.tier


@given(st.lists(findings(kinds=("learned", "remote")), max_size=6))
def test_detectors_alone_never_assert_anything(evidence: list[Finding]) -> None:
    verdict, tier = amounts_to(evidence)
    assert verdict in ("likely_ai", "inconclusive", "no_evidence_of_ai")
    assert tier in ("inferred", "none")


@given(st.lists(findings(kinds=("metadata", "third_party_watermark", "learned", "remote")), max_size=8))
def test_what_anybody_can_forge_never_makes_it_certain(evidence: list[Finding]) -> None:
    verdict, tier = amounts_to(evidence)
    assert verdict not in ("generated_by_us", "ai_generated")
    assert tier != "conclusive"


@given(st.lists(findings(), max_size=8), st.lists(findings(), max_size=3))
def test_what_did_not_look_changes_nothing_but_doubt(evidence: list[Finding], more: list[Finding]) -> None:
    blind = [one.model_copy(update={"status": "not_evaluated"}) for one in more]
    assert amounts_to([*evidence, *blind]) == amounts_to(evidence)


@given(st.lists(findings(), max_size=8))
def test_not_looking_is_never_the_same_as_finding_nothing(evidence: list[Finding]) -> None:
    unseen = [one.model_copy(update={"status": "not_evaluated"}) for one in evidence]
    assert amounts_to(unseen) == ("inconclusive", "none")


@given(st.lists(findings(), max_size=8))
def test_every_verdict_has_its_tier(evidence: list[Finding]) -> None:
    verdict, tier = amounts_to(evidence)
    assert (
        tier
        in {
            "generated_by_us": ("conclusive", "inferred"),
            "ai_generated": ("asserted",),
            "ai_claimed": ("asserted",),
            "camera_claimed": ("asserted",),
            "likely_ai": ("inferred",),
            "conflicting": ("conflicting",),
            "inconclusive": ("none",),
            "no_evidence_of_ai": ("none",),
        }[verdict]
    )


@given(st.lists(findings(), max_size=8))
def test_only_trusted_signatures_say_that_it_is_ai(evidence: list[Finding]) -> None:
    trusted = any(one.kind == "c2pa" and one.status == "trusted" for one in evidence)
    assert trusted or amounts_to(evidence)[0] != "ai_generated"
