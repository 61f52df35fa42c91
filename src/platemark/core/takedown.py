"""Takedown notices: somebody says that pictures of ours must go, and a clock that runs."""

from datetime import timedelta
from typing import Literal

from platemark.core.base import Noun, Timestamp

TakedownKind = Literal["intimate_image", "copyright", "trademark", "privacy", "other"]
TakedownState = Literal["received", "acting", "actioned", "rejected", "withdrawn"]
Found = Literal["named", "exact", "near"]
TAKEDOWN_MOVES: dict[str, frozenset[str]] = {
    "received": frozenset({"acting", "rejected", "withdrawn"}),
    "acting": frozenset({"actioned"}),
    **{end: frozenset[str]() for end in ("actioned", "rejected", "withdrawn")},
}
OPEN: tuple[TakedownState, ...] = ("received", "acting")
# What the picture is blocked for; the policy's own codes.
CODES: dict[TakedownKind, str] = {
    "intimate_image": "NCII",
    "copyright": "IP_COPYRIGHT",
    "trademark": "IP_TRADEMARK",
    "privacy": "PRIVATE_PERSON_LIKENESS",
    "other": "KNOWN_HASH_MATCH",
}
# The first is the law's (TAKE IT DOWN Act, 48 hours); the others are our own aims.
WITHIN: dict[TakedownKind, timedelta] = {
    "intimate_image": timedelta(hours=48),
    "copyright": timedelta(days=7),
    "trademark": timedelta(days=7),
    "privacy": timedelta(days=7),
    "other": timedelta(days=14),
}
WARN_AT = 0.75
# Whoever is found to infringe in several notices of these kinds is counted.
COUNTED: frozenset[str] = frozenset({"copyright", "trademark"})


class Takedown(Noun):
    """One notice. `statement` is a PromptText id: who claims what, and how they signed; `statement_sha256` its digest.

    `warned_at` and `breached_at` are set by the clock; nothing but a person rejects a notice.
    """

    project: str
    kind: TakedownKind
    state: TakedownState
    statement: str
    statement_sha256: str
    created_by: str
    created_at: Timestamp
    due_at: Timestamp
    warn_at: Timestamp
    warned_at: Timestamp | None = None
    breached_at: Timestamp | None = None
    decided_by: str | None = None
    decided_at: Timestamp | None = None
    reason_code: str | None = None


class TakedownImage(Noun):
    """One picture that a notice is about: named in it, or a copy that was found (`distance`: PDQ, 0 to 256).

    `user_sha256`: the end user that it was made or uploaded for. `done_at`: when it was taken down.
    """

    project: str
    takedown: str
    image: str
    how: Found
    distance: int = 0
    user_sha256: str | None = None
    done_at: Timestamp | None = None
