"""The record: everything about one image, one document (design: the record outlives the image, promise P8)."""

from typing import Any

from platemark.core.base import JsonObject, Part, Timestamp
from platemark.core.generation import Warning
from platemark.core.money import Cost


class RecordImage(Part):
    """The picture itself. `stored` is False once the bytes were deleted."""

    id: str
    index: int
    origin: str
    created_at: Timestamp
    seed: int | None
    sha256: str
    original_sha256: str
    media_type: str
    width: int
    height: int
    stored: bool
    deleted_at: Timestamp | None
    parents: tuple[str, ...]
    moderation_state: str
    reason_code: str | None


class RecordInput(Part):
    """A picture that the request started from. `sha256` is of the stored file."""

    role: str
    index: int
    image: str
    sha256: str


class RecordHop(Part):
    """One model of the route that was requested. `code` and `reason`: why it was left or skipped."""

    model: str
    state: str
    code: str | None
    reason: str | None
    left_at: Timestamp | None
    estimate: Cost | None


class RecordRequest(Part):
    """What was asked. Prompt and user are None once erased. `revised_prompts`: what a provider made of it, by index."""

    generation: str
    project: str
    user: str | None
    role: str | None
    audience: str | None
    key: str
    operation: str
    lane: str
    profile: str = "standard"
    prompt: str | None
    negative_prompt: str | None
    revised_prompts: dict[str, str] = {}
    text_sha256: str
    text_erased_at: Timestamp | None
    prompt_version: str | None
    parameters: JsonObject
    inputs: tuple[RecordInput, ...] = ()
    requested_model: str | None
    route: tuple[RecordHop, ...] = ()
    model: str
    model_revision: str | None
    tags: dict[str, str]
    dropped: tuple[str, ...]
    warnings: tuple[Warning, ...]
    accepted_at: Timestamp


class RecordUpload(Part):
    """What was said with an uploaded picture. File name, caption and user are None once erased."""

    upload: str
    project: str
    key: str
    user: str | None
    role: str | None
    audience: str | None
    filename: str | None
    caption: str | None
    tags: dict[str, str]
    text_sha256: str | None
    text_erased_at: Timestamp | None
    accepted_at: Timestamp
    stored_at: Timestamp | None


class RecordAttempt(Part):
    """One call to the provider, with its raw answer."""

    id: str
    provider: str
    model: str | None = None
    ticket: str | None
    state: str
    sent_at: Timestamp | None
    finished_at: Timestamp | None
    provider_request_id: str | None
    response: JsonObject | None
    error: JsonObject | None
    forgotten_at: Timestamp | None = None
    cost: Cost


class RecordUsage(Part):
    """Times in milliseconds, and what it cost in all."""

    queue_ms: int | None
    run_ms: int | None
    attempts: int
    cost: Cost


class RecordChain(Part):
    """Where the audit chain speaks of it. `verified` is the result of recomputing the chain up to `last_seq`."""

    first_seq: int | None
    last_seq: int | None
    head: str
    verified: bool


class Record(Part):
    """`request` is None for an uploaded image, which has `upload` instead. What is not built or switched on says so."""

    image: RecordImage
    request: RecordRequest | None
    upload: RecordUpload | None = None
    attempts: tuple[RecordAttempt, ...]
    moderation: tuple[JsonObject, ...]
    inspection: JsonObject | None
    reviews: tuple[JsonObject, ...]
    publications: tuple[JsonObject, ...]
    credential: JsonObject | None
    watermark: dict[str, Any] | None
    holds: tuple[JsonObject, ...] = ()
    takedowns: tuple[JsonObject, ...] = ()
    usage: RecordUsage | None
    licence: JsonObject | None
    chain: RecordChain


class GenerationRecord(Part):
    """The record of a generation: its request and the records of its images."""

    generation: JsonObject
    request: RecordRequest
    attempts: tuple[RecordAttempt, ...]
    moderation: tuple[JsonObject, ...]
    reviews: tuple[JsonObject, ...]
    images: tuple[Record, ...]
    holds: tuple[JsonObject, ...] = ()
    takedowns: tuple[JsonObject, ...] = ()
    usage: RecordUsage
    chain: RecordChain
