"""Detector: how likely a picture is AI-made, learned from examples. Never proof, and it abstains where it is unsure.

docs/explanation/learned-classifier.md says what it was trained on, what was measured, and where it is wrong.
"""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from platemark.core.errors import Misconfigured, PlatemarkError
from platemark.core.inspection import Finding, FindingKind
from platemark.detectors.ai_image_head import SHIPPED, Head, probability, read_head
from platemark.detectors.encoder import features
from platemark.detectors.onnx import Weights
from platemark.detectors.pool import Pool
from platemark.imaging.blank import blankness_of
from platemark.imaging.canonical import flat
from platemark.imaging.content import Content, traits_of, warnings_of
from platemark.imaging.decode import open_picture

NAME = "ai_image"
# Of these the score says nothing: there is too little to see, or it is no picture of anything.
_MUTE: frozenset[Content] = frozenset({"flat_image", "small_image", "screenshot_like"})
Band = Literal["below", "between", "above"]
Look = Callable[[bytes], Awaitable["Seen"]]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a worker measured: a score of 0 to 1 with its interval, and what makes it worth less."""

    score: float
    low: float
    high: float
    warnings: tuple[Content, ...]


class AiImage:
    """Implements `core.ports.OriginDetector`. `look` is how a picture is measured: tests bring one of their own."""

    name = NAME
    kind: FindingKind = "learned"

    def __init__(self, look: Look, head: Head) -> None:
        self._look, self._head = look, head
        self.version = f"1+{head.sha256[:12]}"

    @classmethod
    def in_pool(
        cls, pool: Pool, weights: Weights, *, max_bytes: int, max_pixels: int, head: Path = SHIPPED
    ) -> "AiImage":
        """The real one. Blocks to read the head. Raises Misconfigured where that is none, or one of other weights."""
        found = read_head(head)
        if found.encoder_sha256 != weights.sha256:
            raise Misconfigured(
                f"The head {head} was trained on an encoder with the SHA-256 {found.encoder_sha256[:12]}…, and this "
                f"one has {weights.sha256[:12]}…. Train it again: platemark detector train."
            )

        async def look(data: bytes) -> Seen:
            return await pool.run(look_at, data, weights, head, max_bytes, max_pixels)

        return cls(look, found)

    async def look(self, data: bytes, _: str, /) -> Finding:
        """`scored`, or `abstained` between the thresholds and where pictures of this kind cannot be told apart.

        What cannot be decoded or not be shown to the network is `not_evaluated`. Scores have two digits: one in full
        precision teaches those who want to get past it.
        """
        try:
            seen = await self._look(data)
        except PlatemarkError as error:
            return Finding(kind="learned", status="not_evaluated", detail={"reason": error.detail} | self._made_with)
        where = band(seen.score, self._head)
        abstained = where == "between" or not _MUTE.isdisjoint(seen.warnings)
        sure = where == "above" and not abstained
        return Finding(
            kind="learned",
            status="abstained" if abstained else "scored",
            direction="ai" if sure else "none",
            weight="weak" if sure else "none",
            detail=self._made_with | self._measured(seen) | {"abstained": abstained, "band": where},
        )

    @property
    def _made_with(self) -> dict[str, Any]:
        head = self._head
        return {"detector": NAME, "model": head.name, "model_sha256": head.sha256, "calibration": head.calibration.id}

    def _measured(self, seen: Seen) -> dict[str, Any]:
        held = self._head.calibration
        return {
            "score": _rounded(seen.score),
            "low": _rounded(seen.low),
            "high": _rounded(seen.high),
            "thresholds": {"t_lo": round(held.t_lo, 2), "t_hi": round(held.t_hi, 2)},
            "fpr_at_t_hi": round(held.fpr_at_t_hi, 3),
            "warnings": list(seen.warnings),
        }


def band(score: float, head: Head) -> Band:
    """Where a score lies: below both thresholds, between them, or above."""
    if score > head.calibration.t_hi:
        return "above"
    return "between" if score > head.calibration.t_lo else "below"


def look_at(data: bytes, weights: Weights, head: Path, max_bytes: int, max_pixels: int) -> Seen:
    """Decode and measure; runs in a worker. Raises as `decode.inspect_bytes`, and ModelUnavailable, Misconfigured."""
    picture = open_picture(data, max_bytes=max_bytes, max_pixels=max_pixels)
    shown = flat(picture)
    warnings = warnings_of(traits_of(shown))
    if blankness_of(picture).kind in ("black", "constant") and "flat_image" not in warnings:
        warnings = ("flat_image", *warnings)
    found = read_head(head)
    score, low, high = probability(found.calibration, found.logit(features(shown, weights)))
    return Seen(score, low, high, warnings)


def _rounded(share: float) -> float:
    """Two digits, and never certain."""
    return min(max(math.floor(share * 100 + 0.5) / 100, 0.01), 0.99)
