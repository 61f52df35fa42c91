"""The readiness report: what is to be known of a provider before anybody relies on it."""

from platemark.core.money import Cost
from platemark.core.resource import PriceResource, Resource

Range = tuple[float, float]


class ReadyModel(Resource):
    """One model as it can be asked for. `route`: the vendor's exact name or path; empty for what a server serves.

    Ranges are the least and the greatest that the vendor takes; null where it has no such thing. `sizes`: only these;
    `aspect_ratios`: the vendor chooses the pixels; without both, every size from `min_size` to `max_size`.
    """

    id: str
    route: str
    description: str
    licence: str | None
    operations: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    aspect_ratios: tuple[str, ...]
    min_size: int
    max_size: int
    size_multiple: int
    default_size: tuple[int, int]
    steps: Range | None
    cfg_scale: Range | None
    strength: Range | None
    seeds: tuple[int, int] | None
    negative_prompt: bool
    controls: tuple[str, ...]
    loras: tuple[str, ...]
    any_lora: bool
    max_count: int
    schedulers: tuple[str, ...]
    formats: tuple[str, ...]
    price: PriceResource | None
    result_seconds: float | None
    not_verified: tuple[str, ...]


class ReadyRequest(Resource):
    """The smallest request as the adapter would send it, without prompts, pictures and keys."""

    model: str
    method: str
    path: str
    body: str
    accept: str | None
    fields: dict[str, object]
    calls_for_two: int


class ReadyResponse(Resource):
    """How answers come. `delivers`: what the adapter says of it, null where nothing. `taken`: what is understood.

    `cancels`: work that goes on can be ended there; null where the declaration does not tell.
    """

    delivers: str | None
    taken: str
    formats: tuple[str, ...]
    cancels: bool | None
    result_seconds: float | None


class ReadySign(Resource):
    """One way in which an answer shows its outcome, and the error that a client then sees."""

    outcome: str
    shows: str
    error: str


class ReadyLimits(Resource):
    """The rate contract: `calls` in `seconds`, null where there is none.

    `retry_after`: seconds to wait where a refusal names none; null: a backoff of our own.
    """

    calls: int | None
    seconds: float | None
    concurrency: int
    retry_after: float | None


class ReadyMetadata(Resource):
    """What an answer tells beside its picture. `seeded`: models that take a seed, which we send and keep."""

    seeded: tuple[str, ...]
    request_id_headers: tuple[str, ...]
    safety_flags: bool
    kept: str


class ReadyAuthentication(Resource):
    """How a key travels: `place` is header, query, body or path, `name` its field, `scheme` what stands before it.

    `scopes`: what keys can be limited to; null where no source says it.
    """

    needed: bool
    place: str | None
    name: str | None
    scheme: str | None
    scopes: str | None
    rotation: str


class ReadyRepeats(Resource):
    """What a second try may cost. `on_unknown`: what is done by default with a call of which no answer came."""

    free: bool
    replays_keys: bool
    on_unknown: str


class Trial(Resource):
    """One real request: what came of it. `seed_echoed`: the seed that the answer names; null where it names none."""

    model: str
    outcome: str
    words: tuple[str, ...]
    status: int | None
    seconds: float
    media_type: str | None
    width: int | None
    height: int | None
    bytes: int | None
    seed_sent: int
    seed_echoed: int | None
    request_id: str | None
    model_revision: str | None
    flags: dict[str, object]
    cost: Cost
    saved: tuple[str, ...] = ()


class ReadinessResource(Resource):
    """What a provider declares, in the order in which one asks before relying on it."""

    id: str
    object: str = "readiness"
    base_url: str | None
    models: tuple[ReadyModel, ...]
    request: ReadyRequest | None
    response: ReadyResponse
    safety: tuple[ReadySign, ...]
    limits: ReadyLimits
    metadata: ReadyMetadata
    authentication: ReadyAuthentication
    repeats: ReadyRepeats
    not_verified: tuple[str, ...]
    trial: Trial | None = None
