"""What the fakes of services that look find: words in texts, red in pictures; blue is what they are unsure of."""

from collections.abc import Mapping

from platemark.core.errors import InvalidRequest
from platemark.imaging.small import shrink

HIGH, LOW = 0.97, 0.0004
NEW = "brand_new_category"
_WORDS = {"sexual": "sexual", "violence": "violence", "hate": "hatred", "self-harm": "self-harm", "minors": "minors"}


def subjects_of_text(text: str) -> frozenset[str]:
    """`sexual`, `violence`, `hate`, `self-harm`, `minors`: those whose word is in the text."""
    return frozenset(subject for subject, word in _WORDS.items() if word in text.lower())


def subjects_of_picture(data: bytes) -> frozenset[str] | None:
    """`violence` for a picture that is mostly red; None for bytes that are no picture."""
    try:
        red, green, blue = shrink(data, 1, 1).data[:3]
    except InvalidRequest:
        return None
    return frozenset({"violence"} if red > 150 and green < 90 and blue < 90 else ())


def scored(named: Mapping[str, str], found: frozenset[str], trouble: str | None) -> dict[str, float]:
    """A number for each category of `named`, whose values are subjects; one more where that is the trouble."""
    scores = {category: HIGH if subject in found else LOW for category, subject in named.items()}
    return {**scores, NEW: HIGH} if trouble == "unknown_category" else scores


def share_of(data: bytes) -> float | None:
    """How AI-made a picture is: 0.97 where it is mostly red, 0.5 where mostly blue, else 0.03; None for no picture."""
    try:
        red, green, blue = shrink(data, 1, 1).data[:3]
    except InvalidRequest:
        return None
    if red > 150 and green < 90 and blue < 90:
        return 0.97
    return 0.5 if blue > 150 and red < 90 and green < 90 else 0.03
