"""One table per noun. Columns are named as the noun's fields; nested values are JSON. A test compares the two."""

from dataclasses import dataclass, field

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
)

from platemark.core.attempt import ATTEMPT_MOVES, Attempt, Output
from platemark.core.base import Noun
from platemark.core.delivery import DELIVERY_MOVES, Delivery
from platemark.core.detector_report import DetectorReport
from platemark.core.event import TRANSIENT, Event
from platemark.core.generation import GENERATION_MOVES, Generation, IdempotencyKey, PromptText
from platemark.core.hashlist import ENTRY_MOVES, IMPORT_MOVES, LIST_MOVES, HashEntry, HashImport, HashList
from platemark.core.hold import Hold
from platemark.core.image import MODERATION_MOVES, PUBLICATION_MOVES, Blob, Fingerprint, Image, Publication
from platemark.core.inspection import Inspection
from platemark.core.moderation import Verdict
from platemark.core.money import Usage
from platemark.core.policy import POLICY_MOVES, Policy
from platemark.core.project import ApiKey, Person, Project
from platemark.core.registry import RegistryEntry
from platemark.core.rendition import Rendition
from platemark.core.review import DECISION_MOVES, REVIEW_MOVES, Decision, Reveal, Review, ReviewerChoice, ReviewNote
from platemark.core.takedown import TAKEDOWN_MOVES, Takedown, TakedownImage
from platemark.core.upload import UPLOAD_MOVES, Upload
from platemark.core.watermark import WatermarkNumber
from platemark.store.columns import json as _json
from platemark.store.columns import key as _key
from platemark.store.columns import metadata
from platemark.store.columns import refers as _refers
from platemark.store.columns import serial as _serial
from platemark.store.columns import text as _text
from platemark.store.columns import time as _time
from platemark.store.columns import whole as _whole
from platemark.store.registry_tables import registry_entries
from platemark.store.release_tables import deliveries, renditions
from platemark.store.report_tables import detector_reports
from platemark.store.watermark_tables import watermarks

projects = Table(
    "projects", metadata, _key(), *_text("name profile"), *_time("created_at"), *_time("disabled_at", null=True)
)
people = Table(
    "people",
    metadata,
    _key(),
    *_text("name password_hash"),
    *_json("roles"),
    *_time("created_at"),
    *_time("disabled_at", null=True),
)
api_keys = Table(
    "api_keys",
    metadata,
    _key(),
    *_text("project name secret_sha256 hint"),
    *_text("person replaced_by", null=True),
    *_json("scopes"),
    *_time("created_at"),
    *_time("expires_at revoked_at", null=True),
    UniqueConstraint("secret_sha256"),
    Index(None, "project"),
)
prompt_texts = Table(
    "prompt_texts",
    metadata,
    _key(),
    *_text("project"),
    *_text("salt", null=True),
    *_json("body", null=True),
    *_time("created_at"),
    *_time("erased_at", null=True),
)
generations = Table(
    "generations",
    metadata,
    _key(),
    *_text("project key status operation lane model text_sha256 response_format output_format cost_status cost_basis"),
    *_text("profile watermark"),
    *_text("requested_model model_revision user_sha256 role audience", null=True),
    _refers("text", "prompt_texts.id"),
    *_json("parameters inputs route tags warnings dropped"),
    *_json("error", null=True),
    *_time("created_at start_by"),
    *_time("started_at finished_at retry_at cancel_requested_at", null=True),
    Column("needs_attention", Boolean, nullable=False),
    *_whole("runs failures crashes"),
    *_whole("cost_micro_usd", null=True),
    Index(None, "project", "id"),
    Index(None, "project", "status", "id"),
    Index(None, "project", "user_sha256"),
    Index(None, "project", "needs_attention", "id"),
    Index(None, "status", "start_by"),
    Index(None, "text"),
)
# The tags again, one row each, so that a list can be filtered by them on both databases.
generation_tags = Table(
    "generation_tags",
    metadata,
    Column("generation", Text, ForeignKey("generations.id", ondelete="CASCADE")),
    Column("name", Text),
    *_text("project value"),
    PrimaryKeyConstraint("generation", "name"),
    Index(None, "project", "name", "value", "generation"),
)
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    _key(),
    *_text("project body_sha256"),
    _refers("generation", "generations.id"),
    *_time("created_at"),
    Index(None, "created_at"),
    Index(None, "generation"),
)
attempts = Table(
    "attempts",
    metadata,
    _key(),
    *_text("project provider state cost_status cost_basis"),
    _refers("generation", "generations.id"),
    *_whole("number"),
    *_text("model ticket provider_request_id", null=True),
    *_time("created_at"),
    *_time("sent_at finished_at forget_at forget_by forgotten_at", null=True),
    *_json("response error", null=True),
    *_whole("cost_micro_usd", null=True),
    Index(None, "generation", "number"),
    Index(None, "state", "created_at"),
    Index(None, "forget_at"),
)
outputs = Table(
    "outputs",
    metadata,
    _key(),
    *_text("project generation sha256 media_type"),
    _refers("attempt", "attempts.id"),
    *_whole("index"),
    *_whole("seed", null=True),
    *_json("flags"),
    Index(None, "attempt", "index"),
    Index(None, "generation"),
)
images = Table(
    "images",
    metadata,
    _key(),
    *_text("project origin media_type sha256 original_sha256 moderation_state credential_state"),
    _refers("generation", "generations.id", null=True),
    *_whole("index width height"),
    *_whole("seed", null=True),
    *_text("reason_code inspection credential_signer", null=True),
    *_json("parents"),
    *_time("created_at"),
    *_time("deleted_at", null=True),
    Index(None, "project", "id"),
    Index(None, "project", "sha256"),
    Index(None, "project", "original_sha256"),
    Index(None, "project", "generation"),
    Index(None, "generation"),
    Index(None, "moderation_state", "created_at"),
)
blobs = Table(
    "blobs",
    metadata,
    _key(),
    *_text("project sha256 media_type"),
    *_whole("size"),
    *_time("created_at"),
    *_time("doomed_at", null=True),
    Index(None, "project", "sha256"),
    Index(None, "doomed_at"),
)
publications = Table(
    "publications",
    metadata,
    _key(),
    *_text("project state"),
    _refers("image", "images.id"),
    *_text("audience verdict", null=True),
    *_time("created_at changed_at"),
    *_text("disclosure"),
    *_text("label_text alt_text", null=True),
    Column("burn_label", Boolean, nullable=False),
    *_json("wanted targets"),
    *_whole("attempts"),
    *_json("error", null=True),
    *_time("next_at published_at purged_at", null=True),
    Index(None, "image"),
    Index(None, "project", "state", "id"),
    Index(None, "state", "changed_at"),
    Index(None, "state", "next_at"),
)
fingerprints = Table(
    "fingerprints",
    metadata,
    _key(),
    *_text("project sha256 pdq"),
    *_text("core", null=True),
    *_whole("quality"),
    Index(None, "project", "sha256"),
)
verdicts = Table(
    "verdicts",
    metadata,
    _key(),
    *_text("project stage decision review_status policy_version input_sha256"),
    *_text("generation image reason_code", null=True),
    Column("blocked_by_provider", Boolean, nullable=False),
    Column("blocked_by_app_policy", Boolean, nullable=False),
    *_whole("severity"),
    *_text("role audience model", null=True),
    *_json("secondary_codes signals rule_ids"),
    *_json("inspection shadow", null=True),
    *_time("created_at"),
    Index(None, "generation"),
    Index(None, "image"),
    Index(None, "project", "created_at"),
    Index(None, "project", "input_sha256"),
)
reviews = Table(
    "reviews",
    metadata,
    _key(),
    *_text("project state"),
    _refers("verdict", "verdicts.id"),
    *_text("generation image reason_code", null=True),
    *_text("kind desk stage place"),
    *_text("of audience requester user_sha256 claimed_by", null=True),
    *_whole("level severity version"),
    Column("hard", Boolean, nullable=False),
    *_json("barred"),
    *_time("created_at due_at expires_at"),
    *_time("claimed_at lease_until warn_at breached_at decided_at", null=True),
    Index(None, "project", "state", "id"),
    Index(None, "project", "state", "place", "id"),
    Index(None, "state", "expires_at"),
    Index(None, "state", "due_at"),
    Index(None, "state", "lease_until"),
    Index(None, "state", "warn_at"),
    Index(None, "generation"),
    Index(None, "image"),
    Index(None, "verdict"),
    Index(None, "of"),
)
review_decisions = Table(
    "review_decisions",
    metadata,
    _key(),
    *_text("project by key action state second reason_code"),
    _refers("review", "reviews.id"),
    *_text("desk audience message note", null=True),
    Column("override", Boolean, nullable=False),
    Column("single_operator", Boolean, nullable=False),
    *_whole("reveals seconds"),
    *_time("decided_at effective_at"),
    *_time("settled_at", null=True),
    Index(None, "review"),
    Index(None, "state", "effective_at"),
    Index(None, "project", "decided_at"),
)
review_notes = Table(
    "review_notes",
    metadata,
    _key(),
    *_text("project by"),
    _refers("review", "reviews.id"),
    *_text("salt body", null=True),
    *_time("created_at"),
    *_time("erased_at", null=True),
    Index(None, "review"),
)
reveals = Table(
    "reveals",
    metadata,
    _key(),
    *_text("project image by"),
    _refers("review", "reviews.id"),
    *_text("reason_code", null=True),
    Column("severe", Boolean, nullable=False),
    *_time("at"),
    Index(None, "review"),
    Index(None, "by", "at"),
)
reviewer_choices = Table(
    "reviewer_choices", metadata, _key(), *_text("project by"), *_json("opted_out"), *_time("changed_at")
)
policies = Table(
    "policies",
    metadata,
    _key(),
    *_text("project state content author"),
    *_text("approver note", null=True),
    *_time("created_at changed_at"),
    Index(None, "project", "state"),
)
inspections = Table(
    "inspections",
    metadata,
    _key(),
    *_text("project verdict tier input_sha256 media_type"),
    *_text("image", null=True),
    *_whole("width height"),
    *_json("confidence evidence limits versions timings_ms"),
    *_time("created_at"),
    Index(None, "image"),
    Index(None, "project", "id"),
    Index(None, "project", "verdict", "id"),
    Index(None, "project", "input_sha256"),
)
usages = Table(
    "usages",
    metadata,
    _key(),
    *_text("project cost_status basis"),
    _refers("generation", "generations.id"),
    _refers("attempt", "attempts.id"),
    *_whole("micro_usd", null=True),
    *_time("created_at"),
    Index(None, "project", "created_at"),
    Index(None, "generation"),
    Index(None, "attempt"),
)
events = Table(
    "events",
    metadata,
    Column("seq", _serial, primary_key=True, autoincrement=True),
    *_text("id project type"),
    *_text("generation image", null=True),
    *_time("at"),
    *_json("data"),
    UniqueConstraint("id"),
    Index(None, "project", "seq"),
    Index(None, "generation", "seq"),
    # Numbers of dropped progress events are not given out again: a stream resumes by them.
    sqlite_autoincrement=True,
)
# Written out rather than bound, or SQLite would not see that the index fits.
TRANSIENT_EVENTS = events.c.type.in_([literal_column(f"'{name}'") for name in sorted(TRANSIENT)])
Index("ix_events_transient", events.c.generation, sqlite_where=TRANSIENT_EVENTS, postgresql_where=TRANSIENT_EVENTS)
audit_lines = Table(
    "audit_lines",
    metadata,
    *_text("project"),
    Column("seq", BigInteger, autoincrement=False),
    *_text("prev hash"),
    *_json("body"),
    # Copies from the body, for looking up; the hash covers the body alone.
    *_text("generation image", null=True),
    PrimaryKeyConstraint("project", "seq"),
    Index(None, "project", "generation", "seq"),
    Index(None, "project", "image", "seq"),
)
holds = Table(
    "holds",
    metadata,
    _key(),
    *_text("project reason_code created_by"),
    *_text("image generation user_sha256 note_sha256 released_by", null=True),
    _refers("note", "prompt_texts.id", null=True),
    *_time("created_at until"),
    *_time("released_at", null=True),
    Index(None, "project", "id"),
    Index(None, "image"),
    Index(None, "generation"),
    Index(None, "project", "user_sha256"),
    Index(None, "until"),
    Index(None, "note"),
)
takedowns = Table(
    "takedowns",
    metadata,
    _key(),
    *_text("project kind state statement_sha256 created_by"),
    _refers("statement", "prompt_texts.id"),
    *_text("decided_by reason_code", null=True),
    *_time("created_at due_at warn_at"),
    *_time("warned_at breached_at decided_at", null=True),
    Index(None, "project", "state", "id"),
    Index(None, "state", "due_at"),
    Index(None, "state", "warn_at"),
    Index(None, "statement"),
)
takedown_images = Table(
    "takedown_images",
    metadata,
    _key(),
    *_text("project image how"),
    _refers("takedown", "takedowns.id"),
    *_whole("distance"),
    *_text("user_sha256", null=True),
    *_time("done_at", null=True),
    UniqueConstraint("takedown", "image"),
    Index(None, "image"),
    Index(None, "project", "user_sha256"),
)
uploads = Table(
    "uploads",
    metadata,
    _key(),
    *_text("project key state sha256"),
    *_whole("size received"),
    *_text("text_sha256 user_sha256 role audience image replay_key body_sha256", null=True),
    _refers("text", "prompt_texts.id", null=True),
    *_json("pieces tags"),
    *_time("created_at expires_at"),
    *_time("finished_at", null=True),
    UniqueConstraint("replay_key"),
    Index(None, "project", "sha256"),
    Index(None, "image"),
    Index(None, "text"),
    Index(None, "state", "expires_at"),
)
hash_lists = Table(
    "hash_lists",
    metadata,
    _key(),
    *_text("name source purpose action reason_code state created_by"),
    *_text("signed", null=True),
    *_json("kinds"),
    *_whole("version entries"),
    *_time("created_at changed_at"),
)
hash_imports = Table(
    "hash_imports",
    metadata,
    _key(),
    _refers("list", "hash_lists.id"),
    *_text("state sha256 proposed_by"),
    *_text("signed confirmed_by", null=True),
    Column("replaces", Boolean, nullable=False),
    *_whole("rows added known withdrawals invalid"),
    *_time("created_at"),
    *_time("decided_at", null=True),
    Index(None, "list", "state"),
)
hash_entries = Table(
    "hash_entries",
    metadata,
    _key(),
    _refers("list", "hash_lists.id"),
    _refers("batch", "hash_imports.id"),
    *_text("kind status"),
    *_text("hash", null=True),
    *_time("added_at"),
    *_time("withdrawn_at", null=True),
    Index(None, "list", "hash"),
    Index(None, "batch", "status", "id"),
)
workers = Table("workers", metadata, _key("executor_id"), *_text("boot_id role"), *_time("heartbeat_at"))


@dataclass(frozen=True, slots=True)
class Kind:
    """How one noun is kept. `state` is the field that transitions are checked by, None where there are none."""

    name: str
    table: Table
    state: str | None = None
    moves: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])


KINDS: dict[type[Noun], Kind] = {
    Project: Kind("project", projects),
    Person: Kind("person", people),
    ApiKey: Kind("API key", api_keys),
    PromptText: Kind("prompt text", prompt_texts),
    Generation: Kind("generation", generations, "status", GENERATION_MOVES),
    IdempotencyKey: Kind("idempotency key", idempotency_keys),
    Attempt: Kind("attempt", attempts, "state", ATTEMPT_MOVES),
    Output: Kind("output", outputs),
    Image: Kind("image", images, "moderation_state", MODERATION_MOVES),
    Blob: Kind("blob", blobs),
    Publication: Kind("publication", publications, "state", PUBLICATION_MOVES),
    Rendition: Kind("rendition", renditions),
    Delivery: Kind("delivery", deliveries, "state", DELIVERY_MOVES),
    Fingerprint: Kind("fingerprint", fingerprints),
    RegistryEntry: Kind("registry entry", registry_entries),
    WatermarkNumber: Kind("watermark", watermarks),
    Verdict: Kind("verdict", verdicts),
    Review: Kind("review", reviews, "state", REVIEW_MOVES),
    Decision: Kind("decision", review_decisions, "state", DECISION_MOVES),
    ReviewNote: Kind("note", review_notes),
    Reveal: Kind("reveal", reveals),
    ReviewerChoice: Kind("choice of a reviewer", reviewer_choices),
    Policy: Kind("policy", policies, "state", POLICY_MOVES),
    Inspection: Kind("inspection", inspections),
    DetectorReport: Kind("detector report", detector_reports),
    Usage: Kind("usage line", usages),
    Hold: Kind("hold", holds),
    Takedown: Kind("takedown notice", takedowns, "state", TAKEDOWN_MOVES),
    TakedownImage: Kind("image of a notice", takedown_images),
    Upload: Kind("upload", uploads, "state", UPLOAD_MOVES),
    HashList: Kind("hash list", hash_lists, "state", LIST_MOVES),
    HashImport: Kind("import", hash_imports, "state", IMPORT_MOVES),
    HashEntry: Kind("hash", hash_entries, "status", ENTRY_MOVES),
    Event: Kind("event", events),
}
