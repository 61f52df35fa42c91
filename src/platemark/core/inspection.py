"""What was read from an image: evidence first, then a verdict with its tier."""

from typing import Literal

from platemark.core.base import JsonObject, Noun, Part, Timestamp

InspectionVerdict = Literal[
    "generated_by_us",
    "ai_generated",
    "ai_claimed",
    "camera_claimed",
    "likely_ai",
    "conflicting",
    "inconclusive",
    "no_evidence_of_ai",
]
Tier = Literal["conclusive", "asserted", "inferred", "conflicting", "none"]
FindingKind = Literal["registry", "c2pa", "metadata", "own_watermark", "third_party_watermark", "learned", "remote"]
CredentialState = Literal["off", "absent", "well_formed", "valid", "trusted", "invalid"]
LIMITS = ("Absence of evidence is not evidence of authenticity.", "A verdict is an input to a decision, not proof.")


class Finding(Part):
    """One piece of evidence. `detail` holds the kind's own fields.

    `status` is `not_evaluated` when nothing could look, `off` when the project's profile has nothing look.
    """

    kind: FindingKind
    status: str
    direction: Literal["ai", "camera", "none"] = "none"
    weight: Literal["conclusive", "strong", "weak", "none"] = "none"
    detail: JsonObject = {}


class Confidence(Part):
    """Probability that the image is AI-made, 0 to 1; None where nothing supports a number."""

    p_ai: float | None


class Inspection(Noun):
    """The verifier's answer for one file."""

    project: str
    image: str | None
    verdict: InspectionVerdict
    tier: Tier
    confidence: Confidence
    evidence: tuple[Finding, ...]
    limits: tuple[str, ...] = LIMITS
    input_sha256: str
    media_type: str
    width: int
    height: int
    versions: dict[str, str]
    timings_ms: dict[str, float]
    created_at: Timestamp


class Match(Part):
    """A registry entry that is the same file (`exact`), or nearly the same picture (PDQ distance, 0 to 256)."""

    image: str
    project: str
    exact: bool
    distance: int
