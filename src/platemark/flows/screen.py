"""Screen: detectors measure, the policy rules, and what could not look says so (promise P5)."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

import anyio

from platemark.core.image import Image
from platemark.core.moderation import Ruling, Signal, Verdict
from platemark.core.ports import Circumstances, ImageDetector, Platform, TextDetector
from platemark.flows.policies import rule
from platemark.telemetry import logger

log = logger(__name__)
# How the detector is called that a provider is, where it speaks about its own work.
PROVIDER = "provider:"
# Stands in the evidence of what was measured on a part of a picture.
REGION = "region"


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


async def measure_text(platform: Platform, texts: Mapping[str, str]) -> tuple[Signal, ...]:
    """What the detectors find in named strings; no policy has ruled on it yet."""
    return await _gather(platform.text_detectors, texts)


async def measure_image(platform: Platform, data: bytes, known: Sequence[Signal] = ()) -> tuple[Signal, ...]:
    """What the detectors find in one picture. `known`: signals of the same pixels, which stand where they still hold.

    Measurements are kept by content and version of the detector, and taken again where either is another. Rulings are
    never kept: policy, role and audience change.
    """
    kept = {detector.name: _same(detector, known) for detector in platform.image_detectors}
    fresh = await _gather([each for each in platform.image_detectors if not kept[each.name]], data)
    return (*(signal for signals in kept.values() for signal in signals), *fresh)


def _same(detector: ImageDetector, known: Sequence[Signal]) -> tuple[Signal, ...]:
    """What this very version found before; nothing where it could not look at all of it."""
    found = tuple(each for each in known if (each.detector, each.version) == (detector.name, detector.version))
    return found if all(each.evaluated for each in found) else ()


async def known_of(platform: Platform, image: Image) -> tuple[tuple[Signal, ...], tuple[Signal, ...]]:
    """What was measured on an image before, and what its provider said about it; the newest of each detector."""
    async with platform.store.reading() as read:
        verdicts = await read.all(Verdict, project=image.project, image=image.id, order_by="id")
    return _measured(verdicts), _said(verdicts)


async def known_by_content(platform: Platform, project: str, sha256: str) -> tuple[Signal, ...]:
    """What was measured in this project on the very same bytes before."""
    async with platform.store.reading() as read:
        return _measured(await read.all(Verdict, project=project, input_sha256=sha256, order_by="id"))


def _measured(verdicts: Sequence[Verdict]) -> tuple[Signal, ...]:
    return tuple(signal for signal in _newest(verdicts) if not signal.detector.startswith(PROVIDER))


def _said(verdicts: Sequence[Verdict]) -> tuple[Signal, ...]:
    return tuple(signal for signal in _newest(verdicts) if signal.detector.startswith(PROVIDER))


def _newest(verdicts: Sequence[Verdict]) -> tuple[Signal, ...]:
    """Of each detector in each version what it found last on the whole picture."""
    newest = dict[tuple[str, str], tuple[Signal, ...]]()
    for ruled in verdicts:
        of_whole = [signal for signal in ruled.signals if REGION not in signal.evidence]
        for detector in {(signal.detector, signal.version) for signal in of_whole}:
            newest[detector] = tuple(each for each in of_whole if (each.detector, each.version) == detector)
    return tuple(signal for found in newest.values() for signal in found)


async def screen_text(
    platform: Platform, texts: Mapping[str, str], circumstances: Circumstances, *, flags: Sequence[Signal] = ()
) -> tuple[Ruling, tuple[Signal, ...]]:
    """Ruling and signals for the final strings (`prompt`, `negative_prompt`); `flags` count with them."""
    signals = (*flags, *await measure_text(platform, texts))
    return await rule(platform, signals, circumstances), signals


async def screen_image(
    platform: Platform,
    data: bytes,
    circumstances: Circumstances,
    *,
    flags: Sequence[Signal] = (),
    known: Sequence[Signal] = (),
) -> tuple[Ruling, tuple[Signal, ...]]:
    """Ruling and signals for one picture. `flags` count with what is found; `known`: see `measure_image`."""
    signals = (*flags, *await measure_image(platform, data, known))
    return await rule(platform, signals, circumstances), signals


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
        inspection=circumstances.inspection,
        shadow=ruling.shadow,
        created_at=platform.clock.now(),
    )
