"""Unchecked: what is written where the profile has a check switched off. It says `off`, never *passed* (promise P5)."""

import hashlib
from collections.abc import Sequence
from typing import get_args

from platemark.core.image import Image
from platemark.core.inspection import Confidence, Finding, FindingKind, Inspection
from platemark.core.moderation import Ruled, Signal, Verdict
from platemark.core.ports import Circumstances, ImageDetector, Platform, TextDetector
from platemark.core.project import Profile, Project
from platemark.flows.policies import rule
from platemark.flows.screen import About, verdict

CODE = "PROFILE_OFF"
_WHY = "the project's profile is pass_through"
# What a provider says about its own picture is heard in every profile, where it is grave.
_GRAVE: frozenset[Ruled] = frozenset({"review", "block"})


async def profile_of(platform: Platform, project: str) -> Profile:
    """Which checks the project's next generations and uploads get. Raises NotFound."""
    async with platform.store.reading() as read:
        return (await read.get(Project, project)).profile


async def unscreened(
    platform: Platform,
    detectors: Sequence[TextDetector | ImageDetector],
    circumstances: Circumstances,
    input_sha256: str,
    *,
    project: str,
    generation: str | None,
    image: str | None = None,
    flags: tuple[Signal, ...] = (),
) -> Verdict:
    """The verdict `off`, with each detector that did not look.

    Where the policy reviews or blocks for `flags`, the provider's own words about its picture, that is the verdict.
    """
    signals = (*flags, *(_silent(detector) for detector in detectors))
    if flags and (ruling := await rule(platform, flags, circumstances)).decision in _GRAVE:
        about = About(project=project, generation=generation, image=image)
        return verdict(platform, ruling, signals, input_sha256, circumstances, **about)
    return Verdict(
        id=platform.ids.new("vdt"),
        project=project,
        generation=generation,
        image=image,
        stage=circumstances.stage,
        decision="off",
        reason_code=CODE,
        signals=signals,
        policy_version="off",
        input_sha256=input_sha256,
        role=circumstances.role,
        audience=circumstances.audience,
        model=circumstances.model,
        created_at=platform.clock.now(),
    )


def uninspected(platform: Platform, image: Image) -> Inspection:
    """The inspection that was not made: every finding is `off`, and so the verdict inconclusive."""
    findings = tuple(Finding(kind=kind, status="off", detail={"reason": _WHY}) for kind in get_args(FindingKind))
    return Inspection(
        id=platform.ids.new("ins"),
        project=image.project,
        image=image.id,
        verdict="inconclusive",
        tier="none",
        confidence=Confidence(p_ai=None),
        evidence=findings,
        input_sha256=image.sha256,
        media_type=image.media_type,
        width=image.width,
        height=image.height,
        versions={},
        timings_ms={},
        created_at=platform.clock.now(),
    )


def digest_of(data: bytes) -> str:
    """SHA-256 of what was not looked at."""
    return hashlib.sha256(data).hexdigest()


def _silent(detector: TextDetector | ImageDetector) -> Signal:
    return Signal(
        detector=detector.name,
        version=detector.version,
        category="not_evaluated",
        evaluated=False,
        evidence={"reason": "off", "detail": _WHY},
    )
