"""Detector: an output that is black, one colour, or blurred, as some providers return instead of a refusal."""

from collections.abc import Sequence

import anyio

from platemark.core.errors import InvalidRequest
from platemark.core.limits import Limits
from platemark.core.moderation import Signal
from platemark.imaging.blank import find_blankness

_DEFAULTS = Limits()


class Blankness:
    """Measures one encoded image: PROVIDER_OUTPUT_DEGRADED, score 0 (a picture) to 1 (none)."""

    name = "blankness"
    version = "1"

    def __init__(self, *, max_bytes: int = _DEFAULTS.max_image_bytes, max_pixels: int = _DEFAULTS.max_pixels) -> None:
        self._max_bytes, self._max_pixels = max_bytes, max_pixels

    async def look(self, data: bytes) -> Sequence[Signal]:
        """One signal; not evaluated where the bytes are no picture within the bounds."""
        return [await anyio.to_thread.run_sync(self._measure, data)]

    def _measure(self, data: bytes) -> Signal:
        try:
            found = find_blankness(data, max_bytes=self._max_bytes, max_pixels=self._max_pixels)
        except InvalidRequest as error:
            return blankness_signal(None, {"reason": error.detail})
        return blankness_signal(found.score, {"kind": found.kind} if found.kind else {})


def blankness_signal(score: float | None, evidence: dict[str, str]) -> Signal:
    """What this detector says of a picture that somebody else measured. Not evaluated where `score` is None."""
    return Signal(
        detector=Blankness.name,
        version=Blankness.version,
        category="PROVIDER_OUTPUT_DEGRADED",
        evaluated=score is not None,
        score=score,
        evidence=dict(evidence),
    )
