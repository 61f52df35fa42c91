"""Review: cases that wait for a person, what people decide, and what they were shown."""

from datetime import timedelta
from typing import Literal

from platemark.core.base import Noun, Timestamp

ReviewState = Literal[
    "pending",
    "claimed",
    "decided",
    "seconding",
    "approved",
    "rejected",
    "sent_back",
    "expired",
    "upheld",
    "overturned",
]
# `second`: the same question to another person; `sample`: the same, blind and without effect; `adjudication`: where
# two differ; `appeal`: the question whether an earlier no was right.
ReviewKind = Literal["first", "second", "sample", "adjudication", "appeal"]
Desk = Literal["general", "policy", "legal", "child_safety"]
Action = Literal[
    "approve",
    "approve_with_label",
    "restrict_audience",
    "send_back",
    "reject",
    "escalate",
    "needs_second",
    "uphold",
    "overturn",
]
DecisionState = Literal["pending", "effected", "undone"]
Seconding = Literal["none", "required", "sample"]

# The first four wait for something; a case in one of the others has ended.
OPEN: tuple[ReviewState, ...] = ("pending", "claimed", "decided", "seconding")
OUTCOME: dict[str, ReviewState] = {
    "approve": "approved",
    "approve_with_label": "approved",
    "restrict_audience": "approved",
    "send_back": "sent_back",
    "reject": "rejected",
    "uphold": "upheld",
    "overturn": "overturned",
}
_ENDS: frozenset[str] = frozenset(OUTCOME.values())
# `decided` is a decision in its grace, which `claimed` takes back; it becomes `pending` where it asks for somebody
# else. `seconding` waits for a second person.
REVIEW_MOVES: dict[str, frozenset[str]] = {
    "pending": frozenset({"claimed", "expired"}),
    "claimed": frozenset({"pending", "decided", "expired"}),
    "decided": frozenset({"claimed", "pending", "seconding", *_ENDS}),
    "seconding": frozenset({"expired", *_ENDS}),
    **{end: frozenset[str]() for end in ("expired", *sorted(_ENDS))},
}
DECISION_MOVES: dict[str, frozenset[str]] = {
    "pending": frozenset({"effected", "undone"}),
    "effected": frozenset(),
    "undone": frozenset(),
}
# What a person may say beside the reason codes: that there is no reason, or that the context is one to allow it.
CLEARED: tuple[str, ...] = ("NO_VIOLATION", "CONTEXT_ALLOWED")
SEVERE_CODES: frozenset[str] = frozenset({"MINOR_SAFETY", "NCII", "EXTREMISM", "KNOWN_HASH_MATCH"})
DECEPTION_CODES: frozenset[str] = frozenset({"PUBLIC_FIGURE_DECEPTION", "ELECTION_INTEGRITY"})
APPEAL_WITHIN = timedelta(days=183)


class Review(Noun):
    """A case for a person. Timers escalate or expire it, never approve.

    `of`: the case that this one looks at again. `place` sorts a queue: risk first, then due time. `requester`: the
    person or key that asked for what is judged. `hard`: a matter of child safety, never shown and never restored.
    `barred`: persons or keys that may not take it. `version` grows with every claim, release and decision.
    """

    project: str
    generation: str | None
    image: str | None
    verdict: str
    kind: ReviewKind = "first"
    of: str | None = None
    state: ReviewState
    level: int = 1
    desk: Desk = "general"
    reason_code: str | None
    severity: int = 0
    stage: str = "before_request"
    audience: str | None = None
    requester: str | None = None
    user_sha256: str | None = None
    hard: bool = False
    place: str
    barred: tuple[str, ...] = ()
    version: int = 1
    claimed_by: str | None = None
    claimed_at: Timestamp | None = None
    lease_until: Timestamp | None = None
    created_at: Timestamp
    due_at: Timestamp
    warn_at: Timestamp | None = None
    breached_at: Timestamp | None = None
    expires_at: Timestamp
    decided_at: Timestamp | None = None

    @property
    def severe(self) -> bool:
        """What needs two people, a note to be approved, and no bulk."""
        return self.hard or self.severity >= 3 or self.reason_code in SEVERE_CODES


class Decision(Noun):
    """A ruling by a person. Its effects start at `effective_at`; until then its author may undo it.

    `second`: whether another person has to confirm it, or looks at the same case as a sample. `message`: the key of
    what the user is told. `reveals`: pictures shown to the reviewer. `seconds`: from claim to decision. `override`: it
    undoes what a machine decided.
    """

    project: str
    review: str
    by: str
    key: str
    action: Action
    state: DecisionState = "pending"
    second: Seconding = "none"
    reason_code: str
    desk: Desk | None = None
    audience: str | None = None
    message: str | None = None
    note: str | None = None
    override: bool = False
    single_operator: bool = False
    reveals: int = 0
    seconds: int = 0
    decided_at: Timestamp
    effective_at: Timestamp
    settled_at: Timestamp | None = None


class ReviewNote(Noun):
    """Free text of a case: a reviewer's note, or what somebody says who appeals. Erasing sets `salt` and `body`."""

    project: str
    review: str
    by: str
    salt: str | None
    body: str | None
    created_at: Timestamp
    erased_at: Timestamp | None = None


class Reveal(Noun):
    """One time that a withheld picture was shown to a person unveiled."""

    project: str
    review: str
    image: str
    by: str
    reason_code: str | None
    severe: bool
    at: Timestamp


class ReviewerChoice(Noun):
    """Which categories a person does not want to be given. `id` is project and actor."""

    project: str
    by: str
    opted_out: tuple[str, ...]
    changed_at: Timestamp


def place(*, severity: int, level: int, urgent: bool, due: str) -> str:
    """The sort key of a queue: what is urgent (child safety, legal), then the gravest, then what is due first."""
    return f"{1 - urgent}{9 - min(severity, 9)}{9 - min(level, 9)} {due}"
