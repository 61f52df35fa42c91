"""Screen: detectors measure, the policy rules, and what could not look says so (promise P5)."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import TypedDict

import anyio

from platemark.core.moderation import Ruling, Signal, Verdict
from platemark.core.ports import Circumstances, ImageDetector, Platform, TextDetector
from platemark.flows.policies import rule
from platemark.telemetry import logger

log = logger(__name__)


async def _measure(detector: TextDetector | ImageDetector, subject: Mapping[str, str] | bytes) -> Sequence[Signal]:
    try:
        return await detector.look(subject)  # type: ignore[arg-type]  # paired by the callers below
    except Exception as error:
        log.exception("detector.failed", detector=detector.name)
        return [
            Signal(
                detector=detector.name,
                version=detector.version,
                category="not_evaluated",
                evaluated=False,
                evidence={"reason": f"the detector failed: {type(error).__name__}"},
            )
        ]


async def _gather(
    detectors: Sequence[TextDetector | ImageDetector], subject: Mapping[str, str] | bytes
) -> tuple[Signal, ...]:
    found: dict[int, Sequence[Signal]] = {}

    async def run(index: int, detector: TextDetector | ImageDetector) -> None:
        found[index] = await _measure(detector, subject)

    async with anyio.create_task_group() as group:
        for index, detector in enumerate(detectors):
            group.start_soon(run, index, detector)
    return tuple(signal for index in sorted(found) for signal in found[index])


async def screen_text(
    platform: Platform, texts: Mapping[str, str], circumstances: Circumstances
) -> tuple[Ruling, tuple[Signal, ...]]:
    """Ruling and signals for the final strings (`prompt`, `negative_prompt`)."""
    signals = await _gather(platform.text_detectors, texts)
    return await rule(platform, signals, circumstances), signals


async def screen_image(
    platform: Platform, data: bytes, circumstances: Circumstances, *, flags: Sequence[Signal] = ()
) -> tuple[Ruling, tuple[Signal, ...], str]:
    """Ruling, signals and SHA-256 for one picture; `flags` are what the provider said about it."""
    signals = (*flags, *await _gather(platform.image_detectors, data))
    return await rule(platform, signals, circumstances), signals, hashlib.sha256(data).hexdigest()


class About(TypedDict):
    """Whose verdict it is, and on what: a request, one of its sources, an upload or an output."""

    project: str
    generation: str | None
    image: str | None


def verdict(
    platform: Platform,
    ruling: Ruling,
    signals: tuple[Signal, ...],
    input_sha256: str,
    circumstances: Circumstances,
    *,
    project: str,
    generation: str | None,
    image: str | None = None,
) -> Verdict:
    """The ruling as it is kept."""
    return Verdict(
        id=platform.ids.new("vdt"),
        project=project,
        generation=generation,
        image=image,
        stage=circumstances.stage,
        decision=ruling.decision,
        blocked_by_app_policy=ruling.decision == "block",
        reason_code=ruling.reason_code,
        secondary_codes=ruling.secondary_codes,
        severity=ruling.severity,
        review_status="pending" if ruling.decision == "review" else "not_required",
        signals=signals,
        rule_ids=ruling.rule_ids,
        policy_version=ruling.policy_version,
        input_sha256=input_sha256,
        role=circumstances.role,
        audience=circumstances.audience,
        model=circumstances.model,
        shadow=ruling.shadow,
        created_at=platform.clock.now(),
    )
