"""Image safety: how scores become signals, and that what nobody could see is never taken for clean.

Pictures that must not be shown are stood in for by scores that a scripted network gives.
"""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pictures import house
from platemark.core.errors import InvalidImage, PlatemarkError, TooLarge, Unavailable
from platemark.core.moderation import Signal
from platemark.core.ports import Circumstances
from platemark.detectors.image_safety import (
    BLIND_TO,
    CLASSIFIER,
    OPEN_NSFW,
    ImageSafety,
    sexual_of,
    switched_off,
)
from platemark.detectors.networks import Networks, Scores, Seen
from platemark.detectors.onnx import Weights
from platemark.imaging.blank import blankness_of
from platemark.policy.builtin import load_policy

NETWORKS = Networks(
    Weights("moderation/safety-classifier", Path("absent"), "c" * 64),
    Weights("moderation/open-nsfw", Path("absent"), "d" * 64),
)
PICTURE = blankness_of(house())
LEVEL = st.floats(0, 1)


def answering(*scores: Scores, trouble: str | None = None, error: PlatemarkError | None = None) -> ImageSafety:
    """A detector whose networks say this of every picture."""

    async def look(_: bytes) -> Seen:
        if error is not None:
            raise error
        return Seen(PICTURE, scores, trouble)

    return ImageSafety(look, NETWORKS)


async def signals_of(*scores: Scores) -> dict[tuple[str, str], Signal]:
    return {(signal.detector, signal.category): signal for signal in await answering(*scores).look(b"")}


def seen(sexual: float = 0.0, graphic: float = 0.0, open_nsfw: float = 0.0, view: str = "whole") -> Scores:
    return Scores(view, sexual, graphic, open_nsfw)


async def test_every_network_speaks_for_itself_and_both_together() -> None:
    found = await signals_of(seen(0.1, 0.2, 0.05))

    assert {key: signal.score for key, signal in found.items()} == {
        ("blankness", "PROVIDER_OUTPUT_DEGRADED"): 0.0,
        ("image_safety", "SEXUAL_EXPLICIT"): 0.1,
        ("image_safety", "GORE"): 0.2,
        (CLASSIFIER, "SEXUAL_EXPLICIT"): 0.1,
        (CLASSIFIER, "GORE"): 0.2,
        (OPEN_NSFW, "SEXUAL_EXPLICIT"): 0.05,
    }
    assert all(signal.evaluated for signal in found.values())


async def test_a_record_names_the_weights_and_what_the_networks_are_blind_to() -> None:
    found = await signals_of(seen(0.1))

    fused = found["image_safety", "SEXUAL_EXPLICIT"]
    assert fused.version == f"1+{'c' * 12}+{'d' * 12}"
    assert found[CLASSIFIER, "GORE"].version == "c" * 12
    assert found[OPEN_NSFW, "SEXUAL_EXPLICIT"].version == "d" * 12
    assert fused.evidence["blind_to"] == list(BLIND_TO)
    assert fused.evidence["weak_on"] == "drawings"


async def test_the_view_that_scores_highest_counts_and_is_named() -> None:
    views = seen(0.1, 0.9), seen(0.6, 0.1, view="top left"), seen(0.2, 0.1, 0.4, view="bottom right")
    found = await signals_of(*views)

    assert found["image_safety", "SEXUAL_EXPLICIT"].evidence["view"] == "top left"
    assert found["image_safety", "SEXUAL_EXPLICIT"].evidence["classifier"] == 0.6
    assert found["image_safety", "SEXUAL_EXPLICIT"].evidence["views"] == 3
    assert found["image_safety", "GORE"].evidence["view"] == "whole"
    assert found[CLASSIFIER, "SEXUAL_EXPLICIT"].evidence == {"view": "top left", "raw": 0.6}
    assert found[OPEN_NSFW, "SEXUAL_EXPLICIT"].evidence == {"view": "bottom right", "raw": 0.4}


@given(sexual=LEVEL, open_nsfw=LEVEL)
def test_the_scale_says_review_and_block_exactly_where_the_documented_rule_does(
    sexual: float, open_nsfw: float
) -> None:
    score = sexual_of(seen(sexual, open_nsfw=open_nsfw))

    assert (score >= 0.85) == (sexual >= 0.85 or (sexual >= 0.5 and open_nsfw >= 0.5))
    assert (score >= 0.5) == (sexual >= 0.35 or open_nsfw >= 0.5)
    assert (score >= 0.2) == (sexual >= 0.2 or open_nsfw >= 0.2)


@given(low=st.tuples(LEVEL, LEVEL), more=st.tuples(LEVEL, LEVEL))
def test_a_higher_output_of_a_network_never_lowers_the_score(
    low: tuple[float, float], more: tuple[float, float]
) -> None:
    high = tuple(max(pair) for pair in zip(low, more, strict=True))

    assert sexual_of(seen(high[0], open_nsfw=high[1])) >= sexual_of(seen(low[0], open_nsfw=low[1]))


@pytest.mark.parametrize(
    ("scores", "audience", "decision", "code"),
    [
        (seen(0.01, 0.01, 0.01), None, "allow", None),
        (seen(0.4), None, "review", "SEXUAL_EXPLICIT"),
        (seen(0.9), None, "block", "SEXUAL_EXPLICIT"),
        (seen(0.5, 0.0, 0.5), None, "block", "SEXUAL_EXPLICIT"),
        (seen(0.0, 0.0, 0.99), None, "review", "SEXUAL_EXPLICIT"),
        (seen(0.0, 0.4), None, "review", "GORE"),
        (seen(0.0, 0.86), None, "block", "GORE"),
        (seen(0.21), "education", "review", "SEXUAL_EXPLICIT"),
    ],
)
async def test_the_built_in_policy_reads_the_scale(
    scores: Scores, audience: str | None, decision: str, code: str | None
) -> None:
    signals = await answering(scores).look(b"")
    ruling = load_policy(None).rule(signals, Circumstances(stage="after_response", audience=audience))

    assert (ruling.decision, ruling.reason_code) == (decision, code)


@pytest.mark.parametrize(
    "error",
    [InvalidImage("This image is animated."), TooLarge("Too many pixels."), Unavailable("A worker died.")],
    ids=["invalid", "large", "worker"],
)
async def test_what_could_not_be_looked_at_is_not_evaluated_and_never_clean(error: PlatemarkError) -> None:
    await _is_unseen(answering(error=error).look, error.detail)


async def test_a_picture_is_told_from_a_blank_even_where_no_network_looked() -> None:
    blankness, safety = await answering(trouble="The weights are missing.").look(b"")

    assert (blankness.detector, blankness.evaluated, blankness.score) == ("blankness", True, 0.0)
    assert (safety.detector, safety.evaluated, safety.score) == ("image_safety", False, None)
    assert safety.evidence == {"reason": "The weights are missing."}


async def test_a_detector_that_is_switched_off_says_so() -> None:
    (signal,) = await switched_off().look(b"")

    assert (signal.detector, signal.evaluated) == ("image_safety", False)
    assert "image_classifiers" in signal.evidence["reason"]


async def _is_unseen(look: Callable[[bytes], Awaitable[Sequence[Signal]]], reason: str) -> None:
    signals = await look(b"")

    assert [(signal.detector, signal.evaluated, signal.score) for signal in signals] == [
        ("blankness", False, None),
        ("image_safety", False, None),
    ]
    assert all(signal.evidence["reason"] == reason for signal in signals)
