"""Attempts: one call to one provider, written down before it is sent (promise P2)."""

from typing import Literal

from platemark.core.base import JsonObject, Noun, Timestamp

AttemptState = Literal[
    "prepared", "sent", "accepted", "succeeded", "partial", "refused", "failed", "unknown", "canceled"
]
_ENDS = frozenset({"succeeded", "partial", "refused", "failed", "unknown", "canceled"})
ATTEMPT_MOVES: dict[str, frozenset[str]] = {
    "prepared": frozenset({"sent"}) | _ENDS,
    "sent": frozenset({"accepted"}) | _ENDS,
    "accepted": _ENDS,
    "unknown": _ENDS - {"unknown"},
    **{end: frozenset() for end in _ENDS - {"unknown"}},
}
ATTEMPT_OPEN = frozenset({"prepared", "sent", "accepted"})


class Attempt(Noun):
    """One try at `model` (None in rows of earlier versions).

    `ticket` is the provider's own id for accepted work: a restart resumes by it and does not pay twice.
    `forget_at`: when the vendor is next asked to delete what it keeps of this, until `forget_by`; None: it is not.
    `forgotten_at`: when it said that it has.
    """

    project: str
    generation: str
    number: int
    provider: str
    model: str | None = None
    state: AttemptState
    ticket: str | None = None
    created_at: Timestamp
    sent_at: Timestamp | None = None
    finished_at: Timestamp | None = None
    provider_request_id: str | None = None
    response: JsonObject | None = None
    error: JsonObject | None = None
    cost_status: Literal["estimated", "settled", "unknown"] = "unknown"
    cost_micro_usd: int | None = None
    cost_basis: str = "not known yet"
    forget_at: Timestamp | None = None
    forget_by: Timestamp | None = None
    forgotten_at: Timestamp | None = None


class Output(Noun):
    """The provider's bytes for one picture, kept as they came. `id` is `attempt/index`."""

    project: str
    generation: str
    attempt: str
    index: int
    sha256: str
    media_type: str
    seed: int | None
    flags: JsonObject
