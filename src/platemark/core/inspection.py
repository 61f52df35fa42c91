"""What was read from an image: evidence first, then a verdict with its tier."""

from typing import Any, Literal, cast

from pydantic import model_serializer, model_validator

from platemark.core.base import JsonObject, Noun, Part, Timestamp

SCHEMA = "verifier/1"
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
Hint = Literal["label", "review", "none"]
LIMITS = ("Absence of evidence is not evidence of authenticity.", "A verdict is an input to a decision, not proof.")
# Nothing could look, nothing was to look, or what looked could not finish: no evidence, in neither direction.
UNSEEN = frozenset({"not_evaluated", "off", "skipped", "error"})
_HINTS: dict[InspectionVerdict, Hint] = {
    "generated_by_us": "label",
    "ai_generated": "label",
    "ai_claimed": "label",
    "likely_ai": "label",
    "conflicting": "review",
    "inconclusive": "review",
    "camera_claimed": "none",
    "no_evidence_of_ai": "none",
}
_HEAD = ("kind", "status", "direction", "weight")
# A verifier that answers in full precision teaches those who want to get past it.
_SCORES = frozenset({"score", "p_ai", "low", "high", "rho", "strength", "cosine", "clip_cosine"})


class Finding(Part):
    """One piece of evidence. `detail` holds the kind's own fields; written out, they stand beside the others.

    `status` is `not_evaluated` when nothing could look, `off` when the project's profile has nothing look, `skipped`
    when the answer was known or the caller wanted it so, `error` when a look broke off.

    A detector (`learned`, `remote`) says in `detail`: `score` 0 to 1, and where it has them `low`, `high`,
    `calibration`, `abstained` (the score lies between its two thresholds), `thresholds` {`t_lo`, `t_hi`}, `warnings`.
    """

    kind: FindingKind
    status: str
    direction: Literal["ai", "camera", "none"] = "none"
    weight: Literal["conclusive", "strong", "weak", "none"] = "none"
    detail: JsonObject = {}

    @property
    def looked(self) -> bool:
        """Whether anything was looked at: only then is finding nothing a finding."""
        return self.status not in UNSEEN

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, value: Any) -> Any:
        # Rows of before schema verifier/1 hold `detail` apart; newer ones are flat.
        if not isinstance(value, dict):
            return value
        given = cast(JsonObject, value)
        detail = given.get("detail", {})
        rest = {name: each for name, each in given.items() if name not in (*_HEAD, "detail")}
        return {name: given[name] for name in _HEAD if name in given} | {"detail": {**detail, **rest}}

    @model_serializer
    def _flat(self) -> JsonObject:
        return {**self.detail, **{name: getattr(self, name) for name in _HEAD}}


class Confidence(Part):
    """Probability that the image is AI-made, 0 to 1, with the interval that its calibration supports.

    `p_ai` is None where nothing supports a number. `abstained`: there is one, but it decides nothing.
    """

    p_ai: float | None
    low: float | None = None
    high: float | None = None
    calibration: str | None = None
    abstained: bool = False


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

    @property
    def policy_hint(self) -> Hint:
        """What a policy without rules of its own may do. Never to block: a verdict is not proof."""
        return _HINTS[self.verdict]


class Inspected(Part):
    """What a policy may read of an inspection. `p_ai`: 0 to 1, None where nothing supports a number."""

    verdict: InspectionVerdict
    tier: Tier
    p_ai: float | None = None


class Match(Part):
    """An image of ours that is the same file (`exact`), or nearly the same picture (PDQ distance, 0 to 256).

    `how`: the very file, the picture, the picture turned or mirrored, or a part of it. `box`: where that part lies in
    the image, left, top, right and bottom as shares of its width and height; `turned`: it is mirrored there.
    """

    image: str
    project: str
    exact: bool
    distance: int
    how: Literal["file", "picture", "turned", "crop"] = "picture"
    box: tuple[float, float, float, float] | None = None
    turned: bool = False


def inspected(inspection: Inspection | None) -> Inspected | None:
    """What a policy may read of it; None where no picture was looked at."""
    if inspection is None or not any(finding.looked for finding in inspection.evidence):
        return None
    return Inspected(verdict=inspection.verdict, tier=inspection.tier, p_ai=inspection.confidence.p_ai)


def document(inspection: Inspection) -> JsonObject:
    """The one form in which inspections are shown: schema `verifier/1`, scores rounded to two digits."""
    values = inspection.model_dump(mode="json")
    return {
        "id": values["id"],
        "schema": SCHEMA,
        "image": values["image"],
        "verdict": values["verdict"],
        "tier": values["tier"],
        "confidence": _rounded(values["confidence"]),
        "policy_hint": inspection.policy_hint,
        "is_proof": False,
        "evidence": [_rounded(finding) for finding in values["evidence"]],
        "limits": values["limits"],
        "input": {
            "sha256": values["input_sha256"],
            "media_type": values["media_type"],
            "width": values["width"],
            "height": values["height"],
        },
        "timings_ms": values["timings_ms"],
        "versions": values["versions"],
        "created_at": values["created_at"],
    }


def _rounded(fields: JsonObject) -> JsonObject:
    return {
        name: round(value, 2) if name in _SCORES and isinstance(value, float) else value
        for name, value in fields.items()
    }
