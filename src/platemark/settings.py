"""Every setting. Read from `PLATEMARK_…` variables, then `platemark.toml` and `models.toml` in the data directory."""

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

RoleName = Literal["all", "api", "worker", "engine"]
# Bumped by hand when workflows change so that running ones could not go on (docs/explanation/jobs.md).
CONTRACT_VERSION = "2"


# Beside platemark.toml, and written by `platemark models add` alone.
MODELS_FILE = "models.toml"
_Place = Annotated[Path, AfterValidator(Path.expanduser)]
_ModelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
_AdapterName = Annotated[str, Field(min_length=1, max_length=200)]
_Adapters = dict[_AdapterName, _Place]


_REFERENCE = r"^(env|file|exec):.+"


class LocalModel(BaseModel):
    """One local model: a diffusers folder or a .safetensors checkpoint at `path`, or a hub's id and commit.

    `config`: a folder with the configuration files of a checkpoint. `sha256`: of a checkpoint its hash, of a folder its
    revision. The tables name adapters that lie elsewhere than in the model's folder.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: _Place | None = None
    hub: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*/[\w.-]+$")] | None = None
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = None
    config: _Place | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    loras: _Adapters = {}
    embeddings: _Adapters = {}
    controlnets: _Adapters = {}
    vaes: _Adapters = {}

    @model_validator(mode="before")
    @classmethod
    def _from_path(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str | Path) else value

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.path and self.hub:
            raise ValueError("has both path and hub; say one of them")
        if (self.hub is None) != (self.revision is None):
            raise ValueError("needs hub and revision together; the revision is a commit of 40 hexadecimal digits")
        return self


def _have_places(models: dict[str, LocalModel]) -> dict[str, LocalModel]:
    for name, model in models.items():
        own = model.path or model.hub
        if name == "pocket" and own:
            raise ValueError("pocket is the model that ships and takes adapters only; give another model a new name")
        if name != "pocket" and not own:
            raise ValueError(f"{name} needs a path, or a hub id with its revision")
    return models


class HostedModel(BaseModel):
    """A model that only the operator knows: a checkpoint, a hub id, a version. `like`: the listed model it works as.

    `route`: the provider's own name for it; `facts`: what else its adapter reads. `usd_per_image`: what it costs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    like: str
    route: str | None = None
    facts: dict[str, str] = {}
    usd_per_image: Annotated[str | None, Field(pattern=r"^\d{1,6}(\.\d{1,9})?$")] = None
    licence: str | None = None
    description: str = ""


class HostedProvider(BaseModel):
    """One hosted provider. `keys`: references, tried in turn. `base_url`: another address than the vendor's public one.

    `kind`: the vendor, where the provider's name is another; so there can be several servers of one kind. `models`:
    those that only the operator knows, by name. `webhook_secret`: a reference to what signs its webhooks, which are
    asked for where `public_url` is set too. `on_unknown`: what to do with a call without an answer; by default
    repeated only where that cannot cost twice.
    The numbers are seconds: to connect, between two bytes, for one call.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: tuple[Annotated[str, Field(pattern=r"^(env|file|exec):.+")], ...] = ()
    base_url: Annotated[str, Field(pattern=r"^https?://")] | None = None
    kind: str | None = None
    models: dict[_ModelName, HostedModel] = {}
    webhook_secret: Annotated[str | None, Field(pattern=r"^(env|file|exec):.+")] = None
    on_unknown: Literal["retry", "fail"] | None = None
    connect_seconds: Annotated[float, Field(gt=0)] = 10.0
    read_seconds: Annotated[float, Field(gt=0)] = 120.0
    total_seconds: Annotated[float, Field(gt=0)] = 300.0


# `never` stands for no end, because neither TOML nor an environment variable can say nothing.
_Span = Annotated[timedelta | None, BeforeValidator(lambda value: None if value == "never" else value)]


class RemoteDetector(BaseModel):
    """One moderation service of somebody else. Texts and pictures leave this machine for it.

    `kind`: openai_moderation, azure_content_safety, sightengine or hive, where its name is another. `keys`: references;
    sightengine needs two, user and secret. `base_url`: another address than the public one; azure_content_safety needs
    its endpoint here. `texts`, `images`: what it is asked about. `models`: which models, where the vendor has several.
    `timeout_seconds`: for one answer, retries included.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["openai_moderation", "azure_content_safety", "sightengine", "hive"] | None = None
    keys: tuple[Annotated[str, Field(pattern=r"^(env|file|exec):.+")], ...] = ()
    base_url: Annotated[str, Field(pattern=r"^https?://")] | None = None
    texts: bool = True
    images: bool = True
    models: tuple[Annotated[str, Field(pattern=r"^[\w.-]{1,80}$")], ...] = ()
    timeout_seconds: Annotated[float, Field(gt=0, le=120)] = 10.0


class OriginService(BaseModel):
    """One service of others that says how likely a picture is AI-made. Pictures leave this machine for it.

    `kind`: a known service, where its name is another, or `generic`. `threshold`: the probability from which it points
    to AI. `send`: only the pixels as JPEG, or the file as it is. `picture_url`: where anybody can read files, with
    `{sha256}` in it, for services that take URLs only. What follows `timeout_seconds` describes a generic one:
    docs/how-to/connect-ai-image-detectors.md.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")] | None = None
    keys: tuple[Annotated[str, Field(pattern=_REFERENCE)], ...] = ()
    base_url: Annotated[str, Field(pattern=r"^https?://")] | None = None
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5
    send: Literal["pixels", "file"] = "pixels"
    picture_url: Annotated[str, Field(pattern=r"^https?://.*\{sha256\}")] | None = None
    timeout_seconds: Annotated[float, Field(gt=0, le=300)] | None = None
    method: Literal["POST", "PUT"] = "POST"
    auth_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,60}$")] = "authorization"
    auth_prefix: Annotated[str, Field(pattern=r"^[ -~]{0,40}$")] = "Bearer "
    body: Literal["multipart", "base64", "data_uri", "url"] = "multipart"
    field: Annotated[str, Field(min_length=1, max_length=200)] = "image"
    fields: dict[str, str | bool | int | float] = {}
    score: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    scale: Literal[1, 100] = 1
    inverted: bool = False
    verdict: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    words: dict[str, Literal["ai", "real", "unsure"] | Annotated[float, Field(ge=0, le=1)]] = {}


_Shift = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)$")]


class ReviewHours(BaseModel):
    """When people are there to review, by weekday in local time (`mon = ["09:00-12:30", "13:00-17:00"]`).

    `zone`: an IANA name. `holidays`: days without work. `always`: reason codes, and audiences as `audience:NAME`, that
    are due by the clock all the same; the safety of children always is.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    zone: str = "UTC"
    mon: tuple[_Shift, ...] = ()
    tue: tuple[_Shift, ...] = ()
    wed: tuple[_Shift, ...] = ()
    thu: tuple[_Shift, ...] = ()
    fri: tuple[_Shift, ...] = ()
    sat: tuple[_Shift, ...] = ()
    sun: tuple[_Shift, ...] = ()
    holidays: tuple[date, ...] = ()
    always: tuple[str, ...] = ("MINOR_SAFETY", "KNOWN_HASH_MATCH", "NCII")

    @property
    def week(self) -> dict[int, tuple[str, ...]]:
        """Shifts by weekday, 0 is Monday."""
        return dict(enumerate((self.mon, self.tue, self.wed, self.thu, self.fri, self.sat, self.sun)))

    @field_validator("zone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            return ZoneInfo(value).key
        except (OSError, ValueError, ZoneInfoNotFoundError):
            raise ValueError("is no time zone that this machine knows; write one as Europe/Berlin") from None

    @model_validator(mode="after")
    def _work(self) -> Self:
        shifts = [shift for day in self.week.values() for shift in day]
        if not shifts:
            raise ValueError("names no hours; leave review_hours out where people are there round the clock")
        if wrong := [shift for shift in shifts if not shift[:5] < shift[6:]]:
            raise ValueError(
                f"{wrong[0]} ends before it begins; write a night as two shifts, until 24:00 and from 00:00"
            )
        return self


class TargetSettings(BaseModel):
    """One place that releases are delivered to.

    `kind`: directory and bucket have a `location` (a path; s3://, gs:// or az:// BUCKET/PREFIX, with `options` as for
    blobs) and, where their files can be read, a `public_url`; webhook and wordpress have a `url` and a `secret` by
    reference (whsec_…; an application password, of `user`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["directory", "bucket", "webhook", "wordpress"]
    location: str | None = None
    options: dict[str, SecretStr] = {}
    url: Annotated[str, Field(pattern=r"^https?://")] | None = None
    user: str | None = None
    secret: Annotated[str | None, Field(pattern=r"^(env|file|exec):.+")] = None
    public_url: Annotated[str, Field(pattern=r"^https?://")] | None = None
    timeout_seconds: Annotated[float, Field(gt=0, le=120)] = 30.0

    @model_validator(mode="after")
    def _complete(self) -> Self:
        wanted = {"directory": {"location"}, "bucket": {"location"}, "webhook": {"url", "secret"}}
        needs = wanted.get(self.kind, {"url", "user", "secret"})
        if missing := sorted(name for name in needs if getattr(self, name) is None):
            raise ValueError(f"a target of kind {self.kind} needs {', '.join(missing)}")
        return self


_TargetName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,60}$")]
_DetectorName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,60}$")]
LocalModels = Annotated[dict[_ModelName, LocalModel], AfterValidator(_have_places)]


class Settings(BaseSettings):
    """The configuration of one process. Lists and tables are JSON in environment variables."""

    model_config = SettingsConfigDict(env_prefix="PLATEMARK_", extra="forbid", frozen=True)

    data: Annotated[
        Path, AfterValidator(Path.absolute), Field(description="Directory for database, images, keys and certificates.")
    ] = Path("data")
    cache: Annotated[Path, AfterValidator(Path.expanduser), Field(description="Directory for downloaded weights.")] = (
        Path("~/.cache/platemark")
    )
    host: Annotated[str, Field(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="Port to listen on; 0 takes a free one.")] = 8460
    role: Annotated[RoleName, Field(description="What this process does: all, api, worker or engine.")] = "all"
    public_url: Annotated[
        str | None, Field(description="Address under which clients reach the API; from the request when unset.")
    ] = None
    admin_key: Annotated[
        SecretStr | None, Field(description="The first admin key; made and written to a file when unset.")
    ] = None
    database_url: Annotated[
        SecretStr | None,
        Field(description="postgresql://… for many machines; SQLite in the data directory when unset."),
    ] = None
    blobs: Annotated[
        str | None,
        Field(description="s3://bucket/prefix, gs://…, az://… or a directory; the data directory when unset."),
    ] = None
    blob_options: Annotated[
        dict[str, SecretStr],
        Field(description="Options of the object store: endpoint, region, access_key_id, secret_access_key …"),
    ] = {}
    executor_id: Annotated[
        str | None, Field(description="Stable name of this worker; a new one each start when unset. Never share it.")
    ] = None

    providers: Annotated[
        tuple[str, ...], Field(description="Providers that are switched on; local is the embedded engine.")
    ] = ("local",)
    hosted: Annotated[
        dict[str, HostedProvider],
        Field(
            description="Hosted providers by name: keys, base_url, kind, models, webhook_secret, on_unknown, seconds."
        ),
    ] = {}
    default_model: Annotated[str, Field(description="Model or alias used when a request names none.")] = "local/pocket"
    aliases: Annotated[
        dict[str, str | Annotated[tuple[str, ...], Field(min_length=1)]],
        Field(description="Names that clients may use: for a model, or for a list of models that are asked in order."),
    ] = {
        "stable-diffusion-xl": "local/pocket",
        "draft": "local/pocket",
        "final": "local/pocket",
    }
    models: Annotated[
        LocalModels,
        Field(description="Local models: name to diffusers folder, .safetensors checkpoint or table of facts."),
    ] = {}
    engine_threads: Annotated[
        int | None, Field(ge=1, description="Threads of the engine; one per core when unset.")
    ] = None
    engine_step_timeout: Annotated[
        float, Field(gt=0, description="Seconds without a step after which the engine counts as hung.")
    ] = 300.0
    engine_concurrency: Annotated[
        int, Field(ge=1, description="Generations that the engine has at once, to draw those together that may be.")
    ] = 8
    engine_memory: Annotated[
        int | None,
        Field(ge=1, description="Bytes that models may take on the device; a share of its memory when unset."),
    ] = None
    engine_speed: Annotated[
        Literal["exact", "fast"],
        Field(description="fast compiles models where that pays (CUDA); the last bits of pictures may then differ."),
    ] = "exact"

    interactive_poll_seconds: Annotated[
        float | None,
        Field(gt=0, description="How often interactive queues are polled; 0.5, or 0.1 where work comes only by queue."),
    ] = None
    batch_poll_seconds: Annotated[float, Field(gt=0, description="How often batch queues are polled.")] = 0.5
    sweep_seconds: Annotated[float, Field(gt=0, description="How often lost work is looked for.")] = 10.0
    worker_dead_seconds: Annotated[
        float, Field(gt=5, description="A worker that was silent for so long is dead; its work is adopted.")
    ] = 45.0
    stop_seconds: Annotated[
        float, Field(ge=0, description="How long running work may go on after a stop was asked for.")
    ] = 20.0

    wait_seconds: Annotated[float, Field(ge=0, le=600, description="How long a waiting call is held by default.")] = (
        50.0
    )
    max_attempts: Annotated[
        int, Field(ge=1, le=20, description="Attempts before a generation fails and asks for attention.")
    ] = 4
    attempts_before_reroute: Annotated[
        int, Field(ge=1, le=20, description="Failures of one model of a route after which the next one is asked.")
    ] = 1
    max_engine_crashes: Annotated[
        int, Field(ge=1, le=20, description="Engine crashes before a request counts as poison.")
    ] = 3
    attempt_timeout: Annotated[timedelta, Field(description="Bound on one call to a provider.")] = timedelta(minutes=15)
    start_within: Annotated[timedelta, Field(description="A generation that was not started by then expires.")] = (
        timedelta(hours=24)
    )
    review_expires_after: Annotated[timedelta, Field(description="A case that nobody decided by then expires.")] = (
        timedelta(hours=72)
    )
    review_sla: Annotated[
        dict[str, timedelta],
        Field(description="How soon people decide: by reason code, by audience:NAME, or default; adds to ours."),
    ] = {}
    review_hours: Annotated[
        ReviewHours | None,
        Field(
            description="When people review: zone, mon … sun, holidays, always; round the clock when unset. Times that "
            "a case is due count these hours only."
        ),
    ] = None
    review_undo: Annotated[timedelta, Field(description="For how long a reviewer may undo a decision.")] = timedelta(
        seconds=60
    )
    review_sample: Annotated[
        float, Field(ge=0, le=1, description="Share of decisions that a second person looks at without knowing them.")
    ] = 0.05
    review_reveals_per_hour: Annotated[
        int, Field(ge=1, description="Severe pictures that one person may unveil in an hour.")
    ] = 30
    review_reveals_per_shift: Annotated[
        int, Field(ge=1, description="Severe pictures that one person may unveil in eight hours.")
    ] = 120
    review_break: Annotated[timedelta, Field(description="The break that follows on too many of them.")] = timedelta(
        minutes=15
    )
    upload_expires_after: Annotated[
        timedelta, Field(description="An upload in pieces that was not finished by then is given up.")
    ] = timedelta(hours=24)
    keep_rejected: Annotated[_Span, Field(description="How long blocked pictures are kept; never: for good.")] = (
        timedelta(days=30)
    )
    keep_drafts: Annotated[
        _Span, Field(description="How long pictures that were never published are kept; never: for good.")
    ] = None
    keep_published: Annotated[
        _Span,
        Field(description="How long after their publication pictures are kept, and stay published; never: for good."),
    ] = None
    keep_withdrawn: Annotated[
        _Span, Field(description="How long pictures are kept after they were withdrawn; never: for good.")
    ] = None
    keep_responses: Annotated[
        _Span, Field(description="How long the answers of providers are kept in records; never: for good.")
    ] = None
    keep_texts: Annotated[
        _Span, Field(description="After how long prompts and the words of uploads are erased; or never.")
    ] = None
    keep_reveals: Annotated[
        _Span, Field(description="How long it is kept who was shown which picture in review; never: for good.")
    ] = timedelta(days=365)
    url_lifetime: Annotated[timedelta, Field(description="How long an image URL is valid.")] = timedelta(minutes=15)

    max_body_bytes: Annotated[int, Field(ge=1024, description="Largest request body.")] = 48 * 1024 * 1024
    max_image_bytes: Annotated[int, Field(ge=1024, description="Largest encoded image.")] = 32 * 1024 * 1024
    max_pixels: Annotated[int, Field(ge=4096, description="Largest image, width × height.")] = 64_000_000
    rate_per_minute: Annotated[int, Field(ge=0, description="Requests a key may make in a minute; 0 for no limit.")] = (
        600
    )
    rate_burst: Annotated[int, Field(ge=1, description="Requests a key may make at once.")] = 100
    analyze_per_minute: Annotated[
        int, Field(ge=0, description="Files a key may have analysed in a minute; 0 for no limit but that of requests.")
    ] = 60
    analyze_burst: Annotated[int, Field(ge=1, description="Files a key may have analysed at once.")] = 20
    fetch_seconds: Annotated[
        float, Field(gt=0, le=300, description="How long reading a URL of a request may take.")
    ] = 20.0
    allowed_hosts: Annotated[tuple[str, ...], Field(description="Private hosts that URLs in requests may name.")] = ()

    image_classifiers: Annotated[
        bool, Field(description="Look at pictures with the image classifiers; without, records say not evaluated.")
    ] = True
    origin_classifier: Annotated[
        bool,
        Field(description="Guess whether pictures that came from elsewhere are AI-made; without, it is not evaluated."),
    ] = True
    origin_head: Annotated[
        Path | None,
        AfterValidator(lambda path: path and path.expanduser()),
        Field(description="A head of `platemark detector train` for the classifier; the built-in one when unset."),
    ] = None
    moderation_workers: Annotated[
        int, Field(ge=1, le=64, description="Processes that decode and classify pictures, of one core each.")
    ] = 2
    hash_list_seconds: Annotated[
        float, Field(ge=0, le=300, description="How old the detector's view of the hash lists may be.")
    ] = 3.0
    hash_list_key: Annotated[
        SecretStr | None, Field(description="Shared with whoever signs hash list files by HMAC-SHA-256.")
    ] = None
    lexicon: Annotated[Path | None, Field(description="A lexicon file of your own beside the built-in one.")] = None
    remote_detectors: Annotated[
        dict[_DetectorName, RemoteDetector],
        Field(
            description="Moderation services of others by name, none by default: kind, keys, base_url, texts, images, "
            "models, timeout_seconds."
        ),
    ] = {}
    origin_detectors: Annotated[
        dict[_DetectorName, OriginService],
        Field(
            description="Services of others that say how likely a picture is AI-made, by name, none by default: kind, "
            "keys, base_url, threshold, send, timeout_seconds …"
        ),
    ] = {}
    targets: Annotated[
        dict[_TargetName, TargetSettings],
        Field(
            description="Where releases may be delivered, by name, none by default: kind, location, options, url, "
            "user, secret, public_url, timeout_seconds."
        ),
    ] = {}
    policy: Annotated[Path | None, Field(description="A policy file in place of the built-in one.")] = None
    signing_certificate: Annotated[
        Path | None,
        Field(description="PEM chain or PKCS#12 file for C2PA signing; a development certificate when unset."),
    ] = None
    signing_key: Annotated[
        str | None, Field(description="Private key for C2PA signing, as env:NAME, file:PATH or exec:COMMAND.")
    ] = None
    signing_password: Annotated[
        str | None, Field(description="Password of the PKCS#12 file, as env:NAME, file:PATH or exec:COMMAND.")
    ] = None
    signing_command: Annotated[
        str | None,
        Field(description="Command that signs in place of a key: bytes on its input, bare signature on its output."),
    ] = None
    signing_url: Annotated[
        str | None,
        Field(pattern=r"^https://", description="Service that signs in place of a key: POST bytes, signature back."),
    ] = None
    signing_token: Annotated[
        str | None, Field(description="Bearer token for signing_url, as env:NAME, file:PATH or exec:COMMAND.")
    ] = None
    signing_seconds: Annotated[float, Field(gt=0, le=120, description="How long an outside signer may take.")] = 10.0
    signing_former: Annotated[
        tuple[Path, ...], Field(description="PEM chains that were signed with before; their files stay known as ours.")
    ] = ()
    signing_warn_days: Annotated[
        int, Field(ge=0, description="Days before the certificate ends from which doctor warns.")
    ] = 30
    timestamp_url: Annotated[
        str | None, Field(pattern=r"^https?://", description="Time-stamping authority (RFC 3161) for signatures.")
    ] = None
    timestamp_missing: Annotated[
        Literal["fail", "without"],
        Field(description="What is done when it does not answer: fail and try again, or sign without a time stamp."),
    ] = "fail"
    credential_training: Annotated[
        Literal["not_allowed", "allowed", "unsaid"],
        Field(description="What credentials say of training and data mining with the picture."),
    ] = "not_allowed"
    credential_model: Annotated[bool, Field(description="Name the model in credentials.")] = True
    trust_anchors: Annotated[
        Path | None, Field(description="PEM file with C2PA roots that are trusted when reading, beside trust_lists.")
    ] = None
    trust_lists: Annotated[
        tuple[Literal["c2pa", "interim"], ...],
        Field(description="Public lists of C2PA authorities that are trusted when reading, where they were pulled."),
    ] = ("c2pa", "interim")
    watermark_key: Annotated[
        str | None,
        Field(
            pattern=_REFERENCE,
            description="Key of the invisible watermark, by reference, of 32 or more characters; "
            "watermark.key in the data directory when unset. Processes of one installation need the same one.",
        ),
    ] = None
    watermark_older_keys: Annotated[
        tuple[Annotated[str, Field(pattern=_REFERENCE)], ...],
        Field(description="Keys of before, by which marks are still found, beside the one in the data directory."),
    ] = ()
    watermark_decibels: Annotated[
        float,
        Field(ge=36, le=46, description="Peak signal-to-noise ratio that marking aims at; lower is stronger."),
    ] = 40.0
    watermark_audiences: Annotated[
        dict[str, Annotated[float, Field(ge=36, le=46)]],
        Field(description='The same for releases to one audience, in place of it: {"newsroom": 44}.'),
    ] = {}

    label_texts: Annotated[
        dict[Literal["label", "deepfake_label"], Annotated[str, Field(min_length=1, max_length=200)]],
        Field(description='Labels in place of the English ones: {"label": "KI-generiertes Bild"}.'),
    ] = {}
    label_burned_audiences: Annotated[
        tuple[str, ...], Field(description="Releases to these have their label drawn into the pixels.")
    ] = ()
    label_font: Annotated[
        Path | None, Field(description="TrueType or OpenType file to draw labels with; without, ASCII alone.")
    ] = None

    log_format: Annotated[Literal["json", "console"], Field(description="Shape of the log lines.")] = "json"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(description="Least severe level that is logged.")
    ] = "info"
    otlp_endpoint: Annotated[str | None, Field(description="OpenTelemetry collector (HTTP) to send traces to.")] = None

    @field_validator("data", mode="before")
    @classmethod
    def _expand(cls, value: Any) -> Any:
        return Path(value).expanduser() if isinstance(value, str) else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, environment, then `platemark.toml` and `models.toml` of the data directory that those name."""
        named = init_settings().get("data") or env_settings().get("data") or "data"
        folder = Path(str(named)).expanduser()
        files = (
            TomlConfigSettingsSource(settings_cls, toml_file=folder / name) for name in ("platemark.toml", MODELS_FILE)
        )
        return init_settings, env_settings, *files
