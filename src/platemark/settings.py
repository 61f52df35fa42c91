"""Every setting. Read from `PLATEMARK_…` environment variables, then `platemark.toml` in the data directory."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

RoleName = Literal["all", "api", "worker", "engine"]
# Bumped by hand when workflows change so that running ones could not go on (docs/explanation/jobs.md).
CONTRACT_VERSION = "1"


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
    default_model: Annotated[str, Field(description="Model or alias used when a request names none.")] = "local/pocket"
    aliases: Annotated[dict[str, str], Field(description="Names that clients may use for models.")] = {
        "stable-diffusion-xl": "local/pocket",
        "draft": "local/pocket",
        "final": "local/pocket",
    }
    models: Annotated[dict[str, Path], Field(description="Local models: name to diffusers folder.")] = {}
    engine_threads: Annotated[
        int | None, Field(ge=1, description="Threads of the engine; one per core when unset.")
    ] = None
    engine_step_timeout: Annotated[
        float, Field(gt=0, description="Seconds without a step after which the engine counts as hung.")
    ] = 300.0
    engine_concurrency: Annotated[
        int, Field(ge=1, description="Generations that this machine's engine draws at once.")
    ] = 1

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
    url_lifetime: Annotated[timedelta, Field(description="How long an image URL is valid.")] = timedelta(minutes=15)

    max_body_bytes: Annotated[int, Field(ge=1024, description="Largest request body.")] = 48 * 1024 * 1024
    max_image_bytes: Annotated[int, Field(ge=1024, description="Largest encoded image.")] = 32 * 1024 * 1024
    max_pixels: Annotated[int, Field(ge=4096, description="Largest image, width × height.")] = 64_000_000
    rate_per_minute: Annotated[int, Field(ge=0, description="Requests a key may make in a minute; 0 for no limit.")] = (
        600
    )
    rate_burst: Annotated[int, Field(ge=1, description="Requests a key may make at once.")] = 100
    allowed_hosts: Annotated[tuple[str, ...], Field(description="Private hosts that URLs in requests may name.")] = ()

    lexicon: Annotated[Path | None, Field(description="A lexicon file of your own beside the built-in one.")] = None
    policy: Annotated[Path | None, Field(description="A policy file in place of the built-in one.")] = None
    signing_certificate: Annotated[
        Path | None, Field(description="PEM chain for C2PA signing; a development certificate when unset.")
    ] = None
    signing_key: Annotated[
        str | None, Field(description="Private key for C2PA signing, as env:NAME, file:PATH or exec:COMMAND.")
    ] = None
    trust_anchors: Annotated[
        Path | None, Field(description="PEM file with the C2PA roots that are trusted when reading.")
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
        """Arguments, then environment, then `platemark.toml` of the data directory that those two name."""
        named = init_settings().get("data") or env_settings().get("data") or "data"
        file = Path(str(named)).expanduser() / "platemark.toml"
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=file)
