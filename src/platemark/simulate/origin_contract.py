"""The contract suite of origin detectors; `platemark.testing` gives it out with the others."""

from collections.abc import Awaitable, Callable, Sequence
from typing import get_args

from platemark.core.inspection import UNSEEN, Finding, FindingKind
from platemark.core.ports import OriginDetector

_BYTES = (b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(64), b"\xff\xd8\xff" * 10)


async def exercise_origin_detector(detector: OriginDetector, picture: bytes) -> None:
    """Run every check of ORIGIN_DETECTOR_CHECKS. `picture`: a whole PNG, JPEG or WebP."""
    for check in ORIGIN_DETECTOR_CHECKS:
        await check(detector, picture)


async def origin_is_looked_at_without_errors(detector: OriginDetector, picture: bytes) -> None:
    """A picture gives a finding of the detector's kind; bytes that are none one that says why nothing could look."""
    _check(detector, await detector.look(picture, "image/png"))
    for data in _BYTES:
        finding = await detector.look(data, "image/png")
        _check(detector, finding)
        _expect(finding.status in UNSEEN, "something was found in bytes that are no picture")


async def origin_leaves_name_and_version_alone(detector: OriginDetector, picture: bytes) -> None:
    """Inspections are kept with name, kind and version: looking changes none of them."""
    before = detector.name, detector.version, detector.kind
    await detector.look(picture, "image/png")
    _expect(before == (detector.name, detector.version, detector.kind), "looking changed name, version or kind")


ORIGIN_DETECTOR_CHECKS: Sequence[Callable[[OriginDetector, bytes], Awaitable[None]]] = (
    origin_is_looked_at_without_errors,
    origin_leaves_name_and_version_alone,
)


def _check(detector: OriginDetector, finding: Finding) -> None:
    score = finding.detail.get("score")
    _expect(detector.kind in get_args(FindingKind), f"{detector.kind} is no kind of finding")
    _expect(finding.kind == detector.kind, f"a finding of kind {finding.kind}")
    if finding.looked:
        _expect(score is None or 0 <= score <= 1, "a score outside 0 to 1")
        _expect(finding.weight in ("weak", "none"), "a guess never weighs more than weak")
        return
    _expect(bool(finding.detail.get("reason")), "a finding that was not evaluated says no reason")
    _expect(score is None, "a score although nobody looked")
    _expect((finding.direction, finding.weight) == ("none", "none"), "a direction although nobody looked")


def _expect(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
