"""The contract suite of detectors; `platemark.testing` gives it out with the others."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from platemark.core.moderation import NOTHING_FOUND, REASON_CODES, Signal
from platemark.core.ports import ImageDetector, TextDetector

_TEXTS = {
    "plain": "a red house in a green meadow at sunset",
    "empty": "",
    "blank": " \n\t",
    "marks": "…!?—\u200b\u202e\x00",
    "emoji": "🏡" * 50,
    "half": "\ud800",
    "long": "a long street with many houses " * 600,
}
_BYTES = (b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(64), b"\xff\xd8\xff" * 10)


async def exercise_text_detector(detector: TextDetector) -> None:
    """Run every check of TEXT_DETECTOR_CHECKS."""
    for check in TEXT_DETECTOR_CHECKS:
        await check(detector)


async def exercise_image_detector(detector: ImageDetector, picture: bytes) -> None:
    """Run every check of IMAGE_DETECTOR_CHECKS. `picture`: a whole, harmless PNG, JPEG or WebP."""
    for check in IMAGE_DETECTOR_CHECKS:
        await check(detector, picture)


async def texts_are_looked_at_without_errors(detector: TextDetector) -> None:
    """Whatever the text is: signals of this detector and version, never an exception and never nothing."""
    for name, text in _TEXTS.items():
        _check(detector, await detector.look({"prompt": text}), name)
    _check(detector, await detector.look({"prompt": "a house", "negative_prompt": "people"}), "two fields")
    _check(detector, await detector.look({}) or [_nothing(detector)], "no field")


async def texts_leave_name_and_version_alone(detector: TextDetector) -> None:
    """Name and version are what scores are kept under: looking changes neither."""
    before = detector.name, detector.version
    await detector.look({"prompt": "a house"})
    _expect(before == (detector.name, detector.version), "looking changed name or version")


async def pictures_are_looked_at_without_errors(detector: ImageDetector, picture: bytes) -> None:
    """A picture gives signals; bytes that are none give a signal that was not evaluated, never *clean*."""
    _check(detector, await detector.look(picture), "the picture")
    for data in _BYTES:
        signals = await detector.look(data)
        _check(detector, signals, "no picture")
        _expect(not any(signal.evaluated for signal in signals), "something was found in bytes that are no picture")


async def pictures_leave_name_and_version_alone(detector: ImageDetector, picture: bytes) -> None:
    """As for texts."""
    before = detector.name, detector.version
    await detector.look(picture)
    _expect(before == (detector.name, detector.version), "looking changed name or version")


TEXT_DETECTOR_CHECKS: Sequence[Callable[[TextDetector], Awaitable[None]]] = (
    texts_are_looked_at_without_errors,
    texts_leave_name_and_version_alone,
)
IMAGE_DETECTOR_CHECKS: Sequence[Callable[[ImageDetector, bytes], Awaitable[None]]] = (
    pictures_are_looked_at_without_errors,
    pictures_leave_name_and_version_alone,
)


def unseen(signals: Sequence[Signal]) -> list[str]:
    """The reasons of the signals that were not evaluated; each must have one."""
    reasons: list[Any] = [signal.evidence.get("reason") for signal in signals if not signal.evaluated]
    _expect(all(reasons), "a signal that was not evaluated says no reason")
    return [str(reason) for reason in reasons]


def _check(detector: TextDetector | ImageDetector, signals: Sequence[Signal], about: str) -> None:
    _expect(bool(signals), f"{about}: no signal at all")
    for signal in signals:
        _expect((signal.detector, signal.version) == (detector.name, detector.version), f"{about}: {signal!r}")
        if signal.evaluated:
            _expect(signal.score is not None and 0 <= signal.score <= 1, f"{about}: a score outside 0 to 1")
            _expect(signal.category in (*REASON_CODES, NOTHING_FOUND), f"{about}: {signal.category} is no code")
        else:
            _expect(signal.score is None, f"{about}: a score although nobody looked")
    unseen(signals)


def _nothing(detector: TextDetector) -> Signal:
    return Signal(detector=detector.name, version=detector.version, category=NOTHING_FOUND, score=0.0)


def _expect(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
