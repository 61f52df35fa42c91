"""Detector: sexual and graphic content in pictures, by two networks in worker processes, and whether it is a picture.

Its scores are on the scale of policies, a monotone mapping of what the networks said; the raw numbers are evidence.
docs/explanation/image-moderation.md has the table, what was measured, and what these networks cannot see.
"""

from bisect import bisect_right
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from platemark.core.errors import PlatemarkError
from platemark.core.moderation import Signal
from platemark.detectors.absent import NOT_EVALUATED, Absent
from platemark.detectors.blankness import blankness_signal
from platemark.detectors.networks import Networks, Scores, Seen, load, look_at
from platemark.detectors.pool import Pool

NAME = "image_safety"
CLASSIFIER, OPEN_NSFW = f"{NAME}.classifier", f"{NAME}.open_nsfw"
SEXUAL, GRAPHIC = "SEXUAL_EXPLICIT", "GORE"
# What a record has to say, so that a low score is not read as more than it is.
BLIND_TO = ("minors", "hate symbols", "weapons", "self-harm", "public figures")

Look = Callable[[bytes], Awaitable[Seen]]
_Scale = tuple[tuple[float, float], ...]
# (raw, on the scale of policies), linear between: there .5 is worth a review and .85 a block.
_CLASSIFIER: _Scale = ((0.0, 0.0), (0.2, 0.2), (0.35, 0.5), (0.85, 0.85), (1.0, 1.0))
# The second opinion alone is never enough for a block.
_OPEN_NSFW: _Scale = ((0.0, 0.0), (0.5, 0.5), (1.0, 0.8))
# On the lower of the two, from where both call the same view sexual.
_AGREED: _Scale = ((0.5, 0.85), (1.0, 1.0))


class ImageSafety:
    """Implements `core.ports.ImageDetector`. `look` is how a picture is measured: tests bring one of their own."""

    name = NAME

    def __init__(self, look: Look, networks: Networks, warm: Callable[[], Awaitable[None]] | None = None) -> None:
        self._look, self._warm = look, warm
        self._versions = {CLASSIFIER: networks.classifier.short, OPEN_NSFW: networks.open_nsfw.short}
        self.version = "+".join(("1", *self._versions.values()))

    @classmethod
    def in_pool(cls, pool: Pool, networks: Networks, *, max_bytes: int, max_pixels: int) -> "ImageSafety":
        """The real one. Nothing is loaded before the first picture, or `warm`."""

        async def look(data: bytes) -> Seen:
            return await pool.run(look_at, data, networks, max_bytes, max_pixels)

        async def warm() -> None:
            await pool.run(load, networks)

        return cls(look, networks, warm)

    async def warm(self) -> None:
        """Load the networks in one worker. Raises ModelUnavailable, Unavailable."""
        if self._warm is not None:
            await self._warm()

    async def look(self, data: bytes) -> Sequence[Signal]:
        """PROVIDER_OUTPUT_DEGRADED; then one signal a category on which both networks agree, and one a network.

        What cannot be decoded, or not be shown to the networks, is not evaluated.
        """
        try:
            seen = await self._look(data)
        except PlatemarkError as error:
            return [blankness_signal(None, {"reason": error.detail}), self._unseen(error.detail)]
        found = [blankness_signal(seen.blankness.score, {"kind": seen.blankness.kind} if seen.blankness.kind else {})]
        return found + (self._signals(seen.scores) if seen.scores else [self._unseen(seen.trouble or "no scores")])

    def _signals(self, scores: Sequence[Scores]) -> list[Signal]:
        sexual, graphic = max(scores, key=sexual_of), max(scores, key=_graphic_of)
        first = max(scores, key=lambda one: one.sexual)
        second = max(scores, key=lambda one: one.open_nsfw)
        blind = {"blind_to": list(BLIND_TO), "weak_on": "drawings", "views": len(scores)}
        both = {"classifier": round(sexual.sexual, 4), "open_nsfw": round(sexual.open_nsfw, 4)}
        return [
            self._signal(NAME, SEXUAL, sexual_of(sexual), {"view": sexual.view} | both | blind),
            self._signal(NAME, GRAPHIC, _graphic_of(graphic), _raw(graphic, graphic.graphic) | blind),
            self._signal(CLASSIFIER, SEXUAL, scaled(first.sexual, _CLASSIFIER), _raw(first, first.sexual)),
            self._signal(CLASSIFIER, GRAPHIC, _graphic_of(graphic), _raw(graphic, graphic.graphic)),
            self._signal(OPEN_NSFW, SEXUAL, scaled(second.open_nsfw, _OPEN_NSFW), _raw(second, second.open_nsfw)),
        ]

    def _signal(self, detector: str, category: str, score: float, evidence: dict[str, Any]) -> Signal:
        version = self._versions.get(detector, self.version)
        return Signal(detector=detector, version=version, category=category, score=round(score, 4), evidence=evidence)

    def _unseen(self, reason: str) -> Signal:
        return Signal(
            detector=NAME, version=self.version, category=NOT_EVALUATED, evaluated=False, evidence={"reason": reason}
        )


def switched_off() -> Absent:
    """Stands where the detector would, for an operator who does not want it."""
    return Absent(
        NAME,
        "The image classifiers are switched off here (image_classifiers), so nobody looked for sexual "
        "or violent content in the pixels.",
    )


def sexual_of(scores: Scores) -> float:
    """The strictest of: the classifier, the second opinion, and both together where they agree on this view."""
    agreed = min(scores.sexual, scores.open_nsfw)
    return max(
        scaled(scores.sexual, _CLASSIFIER),
        scaled(scores.open_nsfw, _OPEN_NSFW),
        scaled(agreed, _AGREED) if agreed >= _AGREED[0][0] else 0.0,
    )


def scaled(raw: float, scale: _Scale) -> float:
    """`raw`, 0 to 1, on the scale of policies: linear between the points of `scale`."""
    after = min(max(bisect_right(scale, raw, key=lambda point: point[0]), 1), len(scale) - 1)
    (x0, y0), (x1, y1) = scale[after - 1 : after + 1]
    return y0 + (min(max(raw, x0), x1) - x0) * (y1 - y0) / (x1 - x0)


def _graphic_of(scores: Scores) -> float:
    return scaled(scores.graphic, _CLASSIFIER)


def _raw(scores: Scores, value: float) -> dict[str, Any]:
    return {"view": scores.view, "raw": round(value, 4)}
