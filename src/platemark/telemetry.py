"""Logs, metrics and traces. Names of metrics are stable; no secret and no prompt ever reaches them."""

import logging
import re
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import structlog
from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("platemark_http_requests_total", "HTTP requests.", ["method", "route", "status"])
REQUEST_SECONDS = Histogram("platemark_http_request_seconds", "Time to answer.", ["method", "route"])
GENERATIONS = Counter("platemark_generations_total", "Generations that ended.", ["status", "model", "lane"])
NEEDS_ATTENTION = Counter(
    "platemark_generations_needing_attention_total", "Generations that failed for technical reasons.", ["model"]
)
ATTEMPTS = Counter("platemark_attempts_total", "Calls to providers that ended.", ["provider", "state"])
REROUTES = Counter("platemark_reroutes_total", "Generations that left a model of a route.", ["model", "code"])
QUEUE_SECONDS = Histogram(
    "platemark_queue_seconds", "From accepted to started.", ["lane"], buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120, 600)
)
RUN_SECONDS = Histogram(
    "platemark_run_seconds", "From started to finished.", ["model"], buckets=(0.1, 0.5, 1, 2, 5, 10, 30, 120, 600)
)
IMAGES = Counter("platemark_images_total", "Images stored.", ["origin", "moderation_state"])
REVIEW_DECISIONS = Counter("platemark_review_decisions_total", "Decisions of reviewers.", ["action", "reason_code"])
REVIEW_BREACHES = Counter("platemark_review_breaches_total", "Cases not decided when they were due.", ["reason_code"])
TAKEDOWNS = Counter("platemark_takedowns_total", "Takedown notices that came to a state.", ["kind", "state"])
TAKEDOWNS_BREACHED = Counter("platemark_takedowns_breached_total", "Takedown notices not decided in time.", ["kind"])
PURGED = Counter("platemark_purged_total", "What was deleted because its time was over.", ["what"])
RUNNING = Gauge("platemark_running", "Calls to providers in progress in this process.", ["provider"])
CERTIFICATE_ENDS = Gauge("platemark_signing_certificate_ends_seconds", "When the signing certificate ends, Unix time.")
STREAMS = Gauge("platemark_event_streams", "Open event streams.")
ENGINE_BATCH = Histogram(
    "platemark_engine_batch_pictures", "Pictures drawn together by the engine.", buckets=(1, 2, 4, 8, 16)
)
ENGINE_BYTES = Gauge("platemark_engine_model_bytes", "Memory of the engine's models.", ["model", "place"])

_HIDDEN = "[hidden]"
_SECRET_NAMES = re.compile(
    r"secret|password|authorization|api_?key|token|prompt|cookie|dsn|database_url", re.IGNORECASE
)
_SECRET_SHAPES = re.compile(r"pm_[0-9a-f]{64}|(?i:bearer)\s+\S+|://[^/\s:@]+:[^/\s@]+@|signature=[0-9a-f]+")


def hide_secrets(text: str) -> str:
    """`text` without API keys, bearer tokens, passwords in URLs and URL signatures."""
    return _SECRET_SHAPES.sub(_HIDDEN, text)


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return hide_secrets(value)
    if isinstance(value, dict):
        return {str(k): _HIDDEN if _SECRET_NAMES.search(str(k)) else _clean(v) for k, v in value.items()}  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if isinstance(value, bytes):
        return f"[{len(value)} bytes]"
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def _redact(_logger: Any, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return _clean(event)


def configure(*, level: str = "info", form: str = "json", otlp_endpoint: str | None = None) -> None:
    """Send structlog and standard logging to standard error as one line an event; switch tracing on when asked to."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact,
    ]
    last = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared[:-1], structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared[:-1],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _redact, last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("httpx2", "httpcore2", "alembic", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    if otlp_endpoint is not None:
        _trace_to(otlp_endpoint)


def _trace_to(endpoint: str) -> None:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": "platemark"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint.rstrip("/") + "/v1/traces")))
    trace.set_tracer_provider(provider)


@contextmanager
def span(name: str, **attributes: str | int | float | bool) -> Generator[None]:
    """A trace span where OpenTelemetry is installed and configured; nothing otherwise."""
    try:
        from opentelemetry import trace
    except ImportError:
        yield
        return
    with trace.get_tracer("platemark").start_as_current_span(name, attributes=attributes):
        yield


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module."""
    return structlog.get_logger(name)
