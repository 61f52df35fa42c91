"""Detectors that are not there: each says so in every record, so that silence is never read as a pass (promise P5)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

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


_ABSENT: dict[str, tuple[Absent, ...]] = {
    "text": (
        Absent(
            "prompt_examples",
            "This release compares prompts with words and rules only; comparing them with labelled examples needs a "
            "sentence model, which it does not load.",
        ),
    ),
    "image": (
        Absent(
            "image_safety",
            "This release loads no image classifier, so nobody looked for sexual or violent content in the pixels.",
        ),
        Absent("hash_list", "No list of known images was imported, so the image was compared with none."),
    ),
}


def absent_detectors(kind: Literal["text", "image"]) -> tuple[Absent, ...]:
    """The detectors of this kind that this release does not have."""
    return _ABSENT[kind]
