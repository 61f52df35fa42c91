"""A policy may read what an inspection amounts to: when a picture is uploaded, and before it is published."""

from typing import Any

import pytest

from pictures import encoded, noise
from platemark.core.inspection import Finding
from platemark.flows import replay
from platemark.flows.publish import publish
from platemark.flows.upload import upload
from platemark.policy.bundles import YamlBundles
from workbench import Bench

pytestmark = pytest.mark.anyio
BUNDLE = """\
version: "origins"
rules:
  - id: likely-drawn
    stages: [{stage}]
    when: 'inspection.verdict == "likely_ai" && p_ai > 0.8'
    reason_code: PUBLIC_FIGURE_DECEPTION
    decision: review
"""


class Guess:
    """Says that every picture is likely AI-made; `seen` counts."""

    name, version = "guess", "1"

    def __init__(self, kind: Any = "learned") -> None:
        self.kind, self.seen = kind, 0

    async def look(self, data: bytes, media_type: str) -> Finding:
        self.seen += 1
        return Finding(kind=self.kind, status="scored", direction="ai", weight="weak", detail={"score": 0.9})


def reading(bench: Bench, stage: str, *, more: str = "") -> None:
    text = BUNDLE.format(stage=stage) + more
    # Detectors that could not look would hold every picture.
    bench.change(policy=YamlBundles().open(text, "origins", whole=True), image_detectors=())


async def test_an_upload_waits_for_a_person_by_what_was_read_from_it(bench: Bench) -> None:
    reading(bench, "before_request")
    plain = await upload(bench.platform, bench.caller, encoded(noise(64, 1)))
    bench.change(origin_detectors=(Guess(),))
    drawn = await upload(bench.platform, bench.caller, encoded(noise(64, 2)))
    assert (plain.moderation_state, drawn.moderation_state) == ("allowed", "in_review")
    assert drawn.reason_code == "PUBLIC_FIGURE_DECEPTION"


async def test_a_publication_waits_for_a_person_by_what_was_read_from_the_picture(bench: Bench) -> None:
    reading(bench, "before_publish")
    bench.change(origin_detectors=(Guess(),))
    drawn = await upload(bench.platform, bench.caller, encoded(noise(64, 2)))
    assert (drawn.moderation_state, drawn.reason_code) == ("allowed", None)
    assert (await publish(bench.platform, bench.caller, drawn.id)).state == "held"


async def test_what_is_blocked_is_not_shown_to_others(bench: Bench) -> None:
    forbids = """\
  - id: none-of-these
    when: stage == "before_request"
    reason_code: GORE
    decision: block
"""
    reading(bench, "before_publish", more=forbids)
    ours, theirs = Guess(), Guess("remote")
    bench.change(origin_detectors=(ours, theirs))
    image = await upload(bench.platform, bench.caller, encoded(noise(64, 3)))
    assert (image.moderation_state, ours.seen, theirs.seen) == ("blocked", 1, 0)


async def test_months_later_the_verdict_still_says_what_was_read(bench: Bench) -> None:
    reading(bench, "before_publish")
    bench.change(origin_detectors=(Guess(),))
    drawn = await upload(bench.platform, bench.caller, encoded(noise(64, 2)))
    await publish(bench.platform, bench.caller, drawn.id)
    told = await replay.explain(bench.platform, bench.caller, drawn.id)
    (held,) = [one for one in told if one.stage == "before_publish"]
    assert [reason.rule for reason in held.reasons] == ["likely-drawn"]
    assert held.inspection is not None
    assert (held.inspection.verdict, held.inspection.tier) == ("likely_ai", "inferred")


async def test_another_policy_is_tried_on_what_was_read(bench: Bench) -> None:
    reading(bench, "before_publish")
    bench.change(origin_detectors=(Guess(),))
    drawn = await upload(bench.platform, bench.caller, encoded(noise(64, 2)))
    await publish(bench.platform, bench.caller, drawn.id)
    milder = BUNDLE.format(stage="before_publish").replace("0.8", "0.99")
    found = await replay.diff(bench.platform, bench.caller, replay.IN_FORCE, milder, installation=True)
    assert [(one.before, one.after, one.stage) for one in found.changes] == [("review", "allow", "before_publish")]
