"""Detectors that are not there: each says so in every record, so that silence is never read as a pass (promise P5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from platemark.core.moderation import Signal

NOT_EVALUATED = "not_evaluated"


@dataclass(frozen=True, slots=True)
class Absent:
    """A place that is kept for a detector. `reason` says what has to be there before it can look."""

    name: str
    reason: str
    version: str = "absent"

    async def look(self, _: Mapping[str, str] | bytes, /) -> Sequence[Signal]:
        """One signal that was not evaluated."""
        return [
            Signal(
                detector=self.name,
                version=self.version,
                category=NOT_EVALUATED,
                evaluated=False,
                evidence={"reason": self.reason},
            )
        ]
