"""Signals and verdicts: what was measured, and what the policy made of it."""

from typing import Literal

from platemark.core.base import JsonObject, Noun, Part, Timestamp
from platemark.core.image import ModerationState
from platemark.core.inspection import Inspected

Decision = Literal["allow", "label", "review", "block"]
# `off`: the project's profile has no such check. It is no pass, and no policy gives it.
Ruled = Decision | Literal["off"]
Stage = Literal["before_request", "after_response", "before_publish"]
ReviewStatus = Literal[
    "not_required",
    "pending",
    "claimed",
    "approved",
    "rejected",
    "sent_back",
    "expired",
    "appealed",
    "upheld",
    "overturned",
]
LATTICE: tuple[Decision, ...] = ("allow", "label", "review", "block")
# Stable: policies, detectors and adapters speak of subjects by these names.
REASON_CODES: tuple[str, ...] = (
    "MINOR_SAFETY",
    "SEXUAL_EXPLICIT",
    "SEXUAL_SUGGESTIVE",
    "NUDITY_NON_EXPLICIT",
    "NCII",
    "VIOLENCE",
    "GORE",
    "EXTREMISM",
    "HATE",
    "HARASSMENT",
    "SELF_HARM",
    "ILLICIT_DANGEROUS",
    "REGULATED_GOODS",
    "PUBLIC_FIGURE_DECEPTION",
    "ELECTION_INTEGRITY",
    "PRIVATE_PERSON_LIKENESS",
    "PII_IN_PROMPT",
    "IP_COPYRIGHT",
    "IP_TRADEMARK",
    "EVASION_SUSPECTED",
    "KNOWN_HASH_MATCH",
    "REPEAT_OFFENDER",
    "PROVIDER_UNSPECIFIED",
    "PROVIDER_OUTPUT_DEGRADED",
    "MODERATION_UNAVAILABLE",
    "PROFILE_OFF",
)
# A picture that is refused for one of these before publication is closed for everybody, not for this audience alone.
CLOSING_CODES: frozenset[str] = frozenset({"MINOR_SAFETY", "KNOWN_HASH_MATCH", "NCII"})
# The category of a signal from a detector that looked and found nothing.
NOTHING_FOUND = "none"
STATE_OF: dict[Ruled, ModerationState] = {
    "off": "not_evaluated",
    "allow": "allowed",
    "label": "labelled",
    "review": "in_review",
    "block": "blocked",
}


def strictest(*decisions: Decision) -> Decision:
    """The join of the lattice block > review > label > allow; `allow` of nothing."""
    return LATTICE[max(map(LATTICE.index, decisions), default=0)]


def rank(decision: Ruled) -> int:
    """How strict a decision is: 0 for `off`, then as in the lattice."""
    return 0 if decision == "off" else LATTICE.index(decision) + 1


class Signal(Part):
    """One measurement. `evaluated` is False when the detector could not look (promise P5); then `score` is None."""

    detector: str
    version: str
    category: str
    evaluated: bool = True
    score: float | None = None
    evidence: JsonObject = {}


class Ruling(Part):
    """What a policy makes of signals. `severity` 0 to 3: none, low, medium, high. `shadow`: see `Verdict`."""

    decision: Decision
    reason_code: str | None = None
    secondary_codes: tuple[str, ...] = ()
    severity: int = 0
    rule_ids: tuple[str, ...] = ()
    policy_version: str
    shadow: JsonObject | None = None


class Verdict(Noun):
    """A ruling on one subject at one stage, as it is kept. `input_sha256` names what was looked at.

    `role`, `audience`, `model`, `inspection`: the circumstances that it was given in; the last is what the policy could
    read of the picture's. `shadow`: what the policy in shadow, which decides nothing, would have ruled
    (`policy_version`, `decision`, `reason_code`, `rule_ids`).
    """

    project: str
    generation: str | None
    image: str | None = None
    stage: Stage
    decision: Ruled
    blocked_by_provider: bool = False
    blocked_by_app_policy: bool = False
    reason_code: str | None = None
    secondary_codes: tuple[str, ...] = ()
    severity: int = 0
    review_status: ReviewStatus = "not_required"
    signals: tuple[Signal, ...] = ()
    rule_ids: tuple[str, ...] = ()
    policy_version: str
    input_sha256: str
    role: str | None = None
    audience: str | None = None
    model: str | None = None
    inspection: Inspected | None = None
    shadow: JsonObject | None = None
    created_at: Timestamp


def refuses(ruled: Verdict) -> bool:
    """Whether it stands in the way: a block, or what a person rejected, that nobody has undone."""
    if ruled.review_status in ("approved", "overturned"):
        return False
    return ruled.decision == "block" or ruled.review_status in ("rejected", "sent_back", "upheld", "appealed")
