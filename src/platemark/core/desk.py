"""The shapes in which the review desk answers. Clients ignore fields that they do not know."""

from platemark.core.base import JsonObject, Timestamp
from platemark.core.resource import Resource


class DecisionResource(Resource):
    """A ruling. `state` is `pending` until `effective_at`, and may be undone until then."""

    id: str
    object: str = "decision"
    review: str
    by: str
    action: str
    state: str
    second: str
    reason_code: str
    desk: str | None
    audience: str | None
    message: str | None
    override: bool
    single_operator: bool
    decided_at: Timestamp
    effective_at: Timestamp
    settled_at: Timestamp | None


class ReviewResource(Resource):
    """A case that waits, or waited, for a person. `version` goes with a decision, so that none is lost."""

    id: str
    object: str = "review"
    generation: str | None
    image: str | None
    verdict: str
    kind: str
    of: str | None
    state: str
    level: int
    desk: str
    reason_code: str | None
    severity: int
    stage: str
    audience: str | None
    hard: bool
    severe: bool
    version: int
    claimed_by: str | None
    lease_until: Timestamp | None
    created_at: Timestamp
    due_at: Timestamp
    breached_at: Timestamp | None
    expires_at: Timestamp
    decided_at: Timestamp | None
    decision: DecisionResource | None = None


class AppealResource(Resource):
    """An appeal as its author sees it."""

    id: str
    object: str = "appeal"
    generation: str | None
    image: str | None
    of: str | None
    state: str
    reason_code: str | None
    created_at: Timestamp
    decided_at: Timestamp | None


class PreviewResource(Resource):
    """What a decision would do and say."""

    action: str
    second: str
    effective_at: Timestamp
    message: str | None
    note_required: bool


class ContextResource(Resource):
    """Everything that is known about a case: its texts with what was matched, pictures, verdict, rules, history."""

    review: JsonObject
    told: str
    request: JsonObject | None
    pictures: tuple[JsonObject, ...]
    verdict: JsonObject
    rules: tuple[JsonObject, ...]
    attempts: tuple[JsonObject, ...]
    user: JsonObject
    near: tuple[JsonObject, ...]
    decisions: tuple[JsonObject, ...]
    notes: tuple[JsonObject, ...]
    messages: dict[str, str]


class QueueResource(Resource):
    """Cases that wait, by reason code, desk and level."""

    reason_code: str | None
    desk: str
    level: int
    pending: int
    claimed: int
    late: int
    oldest_seconds: int
    next_due_at: Timestamp


class AgreementResource(Resource):
    """How often two people said the same. `kappa` is null where it says nothing."""

    reason_code: str
    pairs: int
    percent: float | None
    kappa: float | None


class DeskReportResource(Resource):
    """Backlog, times and overturned rules of the review desk."""

    backlog: int
    oldest_seconds: int
    late: int
    decided: int
    median_seconds: float | None
    by_reason_code: dict[str, JsonObject]
    overturned_by_rule: tuple[JsonObject, ...]


class ItemResource(Resource):
    """What became of one case of many."""

    review: str
    state: str
    code: str | None
    detail: str | None


class ExposureResource(Resource):
    """Severe pictures that the caller was shown, and how many more may follow now."""

    hour: int
    shift: int
    left: int


class ChoiceResource(Resource):
    """Which categories a reviewer does not want to be given."""

    by: str
    opted_out: tuple[str, ...]


class ErasedResource(Resource):
    """How many notes of a review were erased."""

    review: str
    erased: int


class StatementResource(Resource):
    """The statement of reasons for a restriction, without personal data."""

    review: str
    subject: JsonObject
    restriction: str
    territorial_scope: str
    duration: str
    imposed_at: Timestamp
    facts: str
    reason_code: str | None
    detection: str
    decision: str
    ground: JsonObject
    redress: JsonObject
