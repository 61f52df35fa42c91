"""Lists of known pictures: hashes that came from somewhere, and the imports that brought them."""

from dataclasses import dataclass
from typing import Literal

from platemark.core.base import Noun, Timestamp

HashKind = Literal["pdq", "sha256", "md5"]
Purpose = Literal["child_safety", "takedown", "brand", "other"]
# What a match asks for; a picture that only nearly matches, by a part of it, never asks for more than `review`.
ListAction = Literal["block", "review"]
EntryState = Literal["active", "withdrawn"]
ListState = Literal["active", "removed"]
ImportState = Literal["reading", "proposed", "confirmed", "refused", "failed", "superseded"]
# Hexadecimal digits of each kind.
DIGITS: dict[HashKind, int] = {"pdq": 64, "sha256": 64, "md5": 32}
KNOWN_HASH_MATCH = "KNOWN_HASH_MATCH"
LIST_MOVES: dict[str, frozenset[str]] = {"active": frozenset({"removed"}), "removed": frozenset()}
ENTRY_MOVES: dict[str, frozenset[str]] = {"active": frozenset({"withdrawn"}), "withdrawn": frozenset({"active"})}
IMPORT_MOVES: dict[str, frozenset[str]] = {
    "reading": frozenset({"proposed", "confirmed", "failed"}),
    "proposed": frozenset({"confirmed", "refused"}),
    "confirmed": frozenset({"superseded"}),
    **{end: frozenset[str]() for end in ("refused", "failed", "superseded")},
}


class HashList(Noun):
    """One list, for the whole installation. `version` grows with every change of what matches; `entries` do match.

    `reason_code` is what a match is for. `signed`: how its last file was proven, by `sha256` or `hmac`, or None.
    """

    name: str
    source: str
    purpose: Purpose
    action: ListAction
    reason_code: str
    kinds: tuple[HashKind, ...]
    state: ListState
    version: int
    entries: int
    signed: str | None = None
    created_by: str
    created_at: Timestamp
    changed_at: Timestamp


class HashEntry(Noun):
    """One hash of a list, brought by the import `batch`. A withdrawn one keeps its row and loses its `hash`."""

    list: str
    batch: str
    kind: HashKind
    hash: str | None
    status: EntryState
    added_at: Timestamp
    withdrawn_at: Timestamp | None = None


class HashImport(Noun):
    """One file that was read into a list. Its entries match from the moment that it is `confirmed`, all at once.

    `sha256` is of the file; `rows` counts its lines or cases, `added` those that are new, `known` those that were
    there, `withdrawals` those that say that a hash is to go, `invalid` those that could not be read. `replaces`: what
    the file does not hold is to go.
    """

    list: str
    state: ImportState
    sha256: str
    replaces: bool
    signed: str | None
    rows: int = 0
    added: int = 0
    known: int = 0
    withdrawals: int = 0
    invalid: int = 0
    proposed_by: str
    confirmed_by: str | None = None
    created_at: Timestamp
    decided_at: Timestamp | None = None


@dataclass(frozen=True, slots=True)
class ListAt:
    """What a detector has to know of a list: which hashes hold at `version`, and what a match means."""

    id: str
    version: int
    purpose: Purpose
    action: ListAction
    reason_code: str
