"""The answer of `POST /v1/moderations`: the form that OpenAI's clients read, with our ruling beside it."""

from platemark.core.base import JsonObject
from platemark.core.moderation import Decision, Stage
from platemark.core.resource import Resource

# OpenAI's 13 categories, each with the codes of ours that it stands for.
CATEGORIES: dict[str, tuple[str, ...]] = {
    "harassment": ("HARASSMENT",),
    "harassment/threatening": (),
    "hate": ("HATE",),
    "hate/threatening": (),
    "illicit": ("ILLICIT_DANGEROUS", "REGULATED_GOODS"),
    "illicit/violent": ("EXTREMISM",),
    "self-harm": ("SELF_HARM",),
    "self-harm/instructions": (),
    "self-harm/intent": (),
    "sexual": ("SEXUAL_EXPLICIT", "SEXUAL_SUGGESTIVE", "NUDITY_NON_EXPLICIT", "NCII"),
    "sexual/minors": ("MINOR_SAFETY",),
    "violence": ("VIOLENCE", "GORE"),
    "violence/graphic": ("GORE",),
}


class ModerationResult(Resource):
    """One input. `category_scores` are 1 and 0, and `signals` have no scores, without the scope `moderation:manage`.

    `categories` say which codes stood behind the decision; a code that OpenAI has no category for only sets `flagged`.
    `input_sha256` is of the image, or of the answer's `salt` followed by the text.
    """

    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, list[str]]
    decision: Decision
    reason_code: str | None = None
    secondary_codes: tuple[str, ...] = ()
    severity: int = 0
    sentence: str
    signals: tuple[JsonObject, ...] = ()
    rule_ids: tuple[str, ...] = ()
    policy_version: str
    audience: str | None = None
    stage: Stage = "before_request"
    input_sha256: str


class ModerationResource(Resource):
    """One answer, with one result an input in their order. `model` names the policy that ruled."""

    id: str
    object: str = "moderation"
    model: str
    salt: str
    results: tuple[ModerationResult, ...]
