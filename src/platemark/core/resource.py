"""The shapes of the API's answers, shared by server and SDK. Clients ignore fields that they do not know."""

from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from platemark.core import policy
from platemark.core.base import JsonObject, Timestamp
from platemark.core.inspection import SCHEMA
from platemark.core.money import Cost

T = TypeVar("T")


class Resource(BaseModel):
    """Additive within a major version."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class AppealInfo(Resource):
    """How a refusal stands: `possible` until `until` at `url`, else the state of the appeal `review`."""

    state: str
    url: str | None = None
    until: Timestamp | None = None
    review: str | None = None


class ImageModeration(Resource):
    """The state that screening, or a person, left the image in. `message`: one plain sentence for its user."""

    state: str
    reason_code: str | None = None
    message: str | None = None
    appeal: AppealInfo | None = None


class GenerationModeration(Resource):
    """Why a request waits, was refused or has expired; `message` is one plain sentence for its user."""

    reason_code: str | None = None
    message: str
    appeal: AppealInfo | None = None


class ImageInspection(Resource):
    """The inspection's outcome; the whole is under `/v1/inspections/{id}`."""

    id: str
    verdict: str
    tier: str


class ImagePublication(Resource):
    """Where the image stands on its way out."""

    id: str
    state: str


class ImageResource(Resource):
    """A picture. `url` needs the project's key until the image is published; `b64_json` only where it was asked for."""

    id: str
    object: str = "image"
    generation: str | None = None
    origin: str = "generated"
    index: int
    seed: int | None
    width: int
    height: int
    media_type: str
    sha256: str
    created_at: Timestamp
    parents: tuple[str, ...] = ()
    url: str | None
    url_expires_at: Timestamp | None
    b64_json: str | None = None
    moderation: ImageModeration
    inspection: ImageInspection | None
    publication: ImagePublication | None
    deleted_at: Timestamp | None = None


class WarningResource(Resource):
    """Something that was changed or dropped on the way."""

    code: str
    message: str
    field: str | None = None


class Links(Resource):
    """Where to go on; follow these, do not build them."""

    self: str
    events: str
    cancel: str
    record: str


class InputResource(Resource):
    """A picture that a generation starts from. `index` counts within the role."""

    role: str
    index: int
    image: str


class HopResource(Resource):
    """One model of a route: `chosen`, `waiting` behind it, `left` or `skipped`; `code` and `reason` of the last two."""

    model: str
    state: str
    code: str | None = None
    reason: str | None = None
    left_at: Timestamp | None = None


class ProgressResource(Resource):
    """`done` of `total` steps of picture `index`."""

    index: int
    done: int
    total: int


class GenerationResource(Resource):
    """A generation as clients see it. `route` is empty where the requested name stands for one model."""

    id: str
    object: str = "generation"
    status: str
    operation: str
    model: str
    requested_model: str | None
    route: tuple[HopResource, ...] = ()
    lane: str
    profile: str = "standard"
    parameters: dict[str, Any]
    inputs: tuple[InputResource, ...] = ()
    tags: dict[str, str] = {}
    warnings: tuple[WarningResource, ...]
    retry_at: Timestamp | None
    created_at: Timestamp
    started_at: Timestamp | None = None
    finished_at: Timestamp | None
    needs_attention: bool
    cost: Cost
    error: JsonObject | None
    moderation: GenerationModeration | None = None
    images: tuple[ImageResource, ...]
    urls: Links


class ListResource(Resource, Generic[T]):
    """One page, newest first."""

    object: str = "list"
    data: tuple[T, ...]
    next_cursor: str | None
    has_more: bool


class PriceResource(Resource):
    """What one unit costs in USD: a list price, with its source and date. `verified` is false for hearsay."""

    usd: str
    per: str
    source: str
    as_of: str
    verified: bool


class HealthResource(Resource):
    """What a provider's last answers say of it, in the process that was asked; `last_error` is an outcome.

    `circuit`: `closed` lets calls through, `open` none until `probe_at`, `half_open` one to see.
    """

    circuit: str
    failures: int = 0
    last_error: str | None = None
    last_error_at: Timestamp | None = None
    last_success_at: Timestamp | None = None
    probe_at: Timestamp | None = None


class RouteResource(Resource):
    """A name that stands for several models, in the order in which they are asked."""

    name: str
    models: tuple[str, ...]


class ModelResource(Resource):
    """A model and what it can do. `price` is null where none is known, and for models of our own device.

    `available`: false while its provider is left alone after failures.
    """

    id: str
    object: str = "model"
    provider: str
    revision: str | None
    licence: str | None
    licence_note: str | None
    description: str
    capabilities: dict[str, Any]
    price: PriceResource | None = None
    available: bool = True
    aliases: tuple[str, ...] = ()
    routes: tuple[RouteResource, ...] = ()


class ProviderResource(Resource):
    """A configured provider. `state` is `ok` or `failed`; `code` says what stands in its way."""

    id: str
    object: str = "provider"
    models: tuple[str, ...]
    concurrency: int
    state: str
    code: str | None = None
    health: HealthResource | None = None


class RenditionResource(Resource):
    """One file of a release. `url` reads without a key for as long as it is published.

    `watermark`: `on`, `off` (none is configured) or `not_carried` (the picture is too small or too flat for one).
    """

    name: str
    url: str | None
    sha256: str
    size: int
    media_type: str
    width: int
    height: int
    watermark: str
    credential_state: str
    credential_signer: str | None


class DeliveryResource(Resource):
    """One release on its way to a target (`deliver`) or out of it (`withdraw`): `pending`, `delivered`, `failed`.

    `receipt` is what the target said; `error` why the last try failed; `retry_at` when the next one is.
    """

    id: str
    target: str
    action: str
    state: str
    attempts: int
    receipt: JsonObject | None
    error: JsonObject | None
    needs_attention: bool
    retry_at: Timestamp | None
    created_at: Timestamp
    changed_at: Timestamp


class VerifiedFile(Resource):
    """One file of a published picture."""

    name: str
    url: str
    sha256: str
    media_type: str
    width: int
    height: int


class StatementResource(Resource):
    """What anybody may know of a published picture. `credential_state`: as it read back when it was published.

    `origin` is `generated` or `uploaded`; `watermark` `on`, `off` or `not_carried`.
    """

    id: str
    object: str = "statement"
    image: str
    origin: str
    digital_source_type: str | None
    published_at: Timestamp
    ai_disclosure: str
    label_text: str | None
    burn_label: bool
    alt_text: str | None
    credential_state: str
    credential_signer: str | None
    watermark: str
    url: str
    files: tuple[VerifiedFile, ...]
    limits: tuple[str, ...]


class LookupResource(Resource):
    """Whether a file is a copy of a picture that was published here.

    `match`: `file` (the very file), `watermark` (our mark is in it), `picture` (it looks the same), or null.
    """

    object: str = "lookup"
    match: str | None
    message: str
    statement: StatementResource | None
    limits: tuple[str, ...]


class TargetResource(Resource):
    """A place that releases may be delivered to."""

    name: str
    object: str = "target"
    kind: str


class PublicationResource(Resource):
    """One release of an image to an audience. `url` reads without a key for as long as it is published.

    `ai_disclosure` is what the policy wants people to be told: `none`, `label` or `deepfake_label`; show `label_text`
    beside the picture, unless it is drawn into it (`burn_label`), and give `alt_text` to screen readers. A draft with
    an `error` was let through, but its files could not be made; that is tried again at `retry_at`. `verify_url` is the
    public page about it.
    """

    id: str
    object: str = "publication"
    project: str
    image: str
    state: str
    audience: str | None
    verdict: str | None
    url: str | None
    ai_disclosure: str = "none"
    label_text: str | None = None
    burn_label: bool = False
    alt_text: str | None = None
    renditions: tuple[RenditionResource, ...] = ()
    deliveries: tuple[DeliveryResource, ...] = ()
    error: JsonObject | None = None
    retry_at: Timestamp | None = None
    verify_url: str | None = None
    published_at: Timestamp | None = None
    created_at: Timestamp
    changed_at: Timestamp


class KeyResource(Resource):
    """An API key. `secret` is there only in the answer that makes it; `hint` is its visible beginning."""

    id: str
    object: str = "api_key"
    project: str
    person: str | None
    name: str
    hint: str
    scopes: tuple[str, ...]
    created_at: Timestamp
    expires_at: Timestamp | None
    revoked_at: Timestamp | None
    replaced_by: str | None
    secret: str | None = None


class PersonResource(Resource):
    """A human. `roles`: by project, those of the projects that the caller may see; `password`: whether there is one."""

    id: str
    object: str = "person"
    name: str
    roles: dict[str, str]
    password: bool
    created_at: Timestamp
    disabled_at: Timestamp | None


class HashListResource(Resource):
    """A list of known pictures. `version` grows with what matches; `signed`: how its last file was proven, or null."""

    id: str
    object: str = "hash_list"
    name: str
    source: str
    purpose: str
    action: str
    reason_code: str
    kinds: tuple[str, ...]
    state: str
    version: int
    entries: int
    signed: str | None
    created_by: str
    created_at: Timestamp
    changed_at: Timestamp


class HashImportResource(Resource):
    """A file that was read into a list. `problems`: lines that could not be read, in the answer to it only."""

    id: str
    object: str = "hash_list_import"
    list: str
    state: str
    sha256: str
    replaces: bool
    signed: str | None
    rows: int
    added: int
    known: int
    withdrawals: int
    invalid: int
    proposed_by: str
    confirmed_by: str | None
    created_at: Timestamp
    decided_at: Timestamp | None
    problems: tuple[JsonObject, ...] = ()


class WithdrawnResource(Resource):
    """What a withdrawal did: how many hashes had matched, and what is left."""

    object: str = "hash_list_withdrawal"
    list: str
    withdrawn: int
    entries: int
    version: int


class ProjectResource(Resource):
    """A tenant. `profile`: which checks its generations get, `standard` or `pass_through`."""

    id: str
    object: str = "project"
    name: str
    profile: str = "standard"
    created_at: Timestamp
    disabled_at: Timestamp | None


class EventResource(Resource):
    """One fact. `seq` grows and is what `after` takes."""

    id: str
    object: str = "event"
    seq: int
    type: str
    generation: str | None
    image: str | None
    at: Timestamp
    data: JsonObject


class InspectionResource(Resource):
    """What was read from one image, and what that amounts to.

    `policy_hint`: label, review or none; never to block. `confidence.p_ai`: 0 to 1, null where nothing supports a
    number. Scores have two digits.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", serialize_by_alias=True, validate_by_name=True)

    id: str
    object: str = "inspection"
    schema_: Annotated[str, Field(alias="schema")] = SCHEMA
    image: str | None
    verdict: str
    tier: str
    confidence: JsonObject
    policy_hint: str = "none"
    is_proof: bool = False
    evidence: tuple[JsonObject, ...]
    limits: tuple[str, ...]
    input: JsonObject
    versions: dict[str, str]
    timings_ms: dict[str, float]
    created_at: Timestamp


class PolicyResource(Resource):
    """A bundle of rules and its state. `content` is left out of lists."""

    id: str
    object: str = "policy"
    project: str
    state: str
    content: str | None = None
    author: str
    approver: str | None
    note: str | None
    created_at: Timestamp
    changed_at: Timestamp


class PolicyCheck(Resource):
    """What was found in a bundle; `valid` when none of it is an error."""

    valid: bool
    problems: tuple[policy.Problem, ...]


class Problem(Resource):
    """RFC 9457 problem document. `reason_code` is the policy's, where a policy decided."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str | None = None
    retryable: bool = False
    reason_code: str | None = None
    generation: str | None = None
    errors: tuple[JsonObject, ...] = ()
