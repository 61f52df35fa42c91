"""Events: append-only facts that feed SSE, webhooks and the audit chain."""

from typing import Literal, get_args

from platemark.core.base import JsonObject, Noun, Timestamp

EventType = Literal[
    "generation.accepted",
    "generation.started",
    "generation.progress",
    "generation.preview",
    "generation.delayed",
    "generation.rerouted",
    "generation.succeeded",
    "generation.failed",
    "generation.blocked",
    "generation.canceled",
    "generation.expired",
    "generation.cancel_requested",
    "generation.retried",
    "generation.dismissed",
    "generation.released",
    "attempt.opened",
    "attempt.accepted",
    "attempt.ended",
    "image.stored",
    "image.uploaded",
    "image.inspected",
    "inspection.made",
    "detector.evaluated",
    "image.deleted",
    "image.moderated",
    "image.blocked",
    "review.opened",
    "review.expired",
    "review.claimed",
    "review.released",
    "review.decided",
    "review.undone",
    "review.effected",
    "review.escalated",
    "review.warned",
    "review.breached",
    "review.appealed",
    "review.read",
    "review.revealed",
    "review.exported",
    "review.note_erased",
    "publication.published",
    "publication.held",
    "publication.rejected",
    "publication.withdrawn",
    "publication.cleared",
    "publication.delayed",
    "delivery.made",
    "delivery.failed",
    "delivery.retried",
    "key.created",
    "key.rotated",
    "key.revoked",
    "project.created",
    "project.profile_changed",
    "person.created",
    "person.changed",
    "person.disabled",
    "hash_list.created",
    "hash_list.removed",
    "hash_list.proposed",
    "hash_list.imported",
    "hash_list.refused",
    "hash_list.withdrawn",
    "text.erased",
    "policy.created",
    "policy.shadowed",
    "policy.activated",
    "policy.retired",
    "moderation.asked",
    "hold.placed",
    "hold.released",
    "hold.ended",
    "takedown.received",
    "takedown.acting",
    "takedown.actioned",
    "takedown.rejected",
    "takedown.withdrawn",
    "takedown.due_soon",
    "takedown.breached",
    "response.purged",
    "attempt.forgotten",
    "attempt.not_forgotten",
]
EVENT_TYPES: tuple[str, ...] = get_args(EventType)
# Frequent and worthless afterwards: streamed, never chained.
TRANSIENT: frozenset[str] = frozenset({"generation.progress", "generation.preview"})
ENDINGS: frozenset[str] = frozenset(
    {
        "generation.succeeded",
        "generation.failed",
        "generation.blocked",
        "generation.canceled",
        "generation.expired",
    }
)


class Event(Noun):
    """One fact. `data` holds ids, states, codes, numbers and digests only: never prompts, names or addresses.

    `seq` is given by the store and grows; it is the SSE event id.
    """

    seq: int = 0
    project: str
    type: EventType
    generation: str | None = None
    image: str | None = None
    at: Timestamp
    data: JsonObject = {}
