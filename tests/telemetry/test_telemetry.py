"""Logs say what happened and never a secret (P9); metrics and spans are there when wanted."""

import json
import logging

import pytest
import structlog
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import generate_latest

from platemark import telemetry

SECRET = "pm_" + "ab" * 32
LEAKS = {
    "key in text": f"the key {SECRET} was refused",
    "bearer": "Authorization: Bearer sk-live-4711",
    "password in a URL": "postgresql://user:hunter2@db/platemark",
    "signature": "/v1/images/img_1/content?expires=1&signature=deadbeef01",
}


def logged(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS.keys())
@pytest.mark.parametrize("by", ["structlog", "logging"])
def test_p9_secrets_are_hidden_whoever_logs(leak: str, by: str, capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure()
    if by == "structlog":
        telemetry.logger("test").info("happened", detail=leak, nested={"deep": [leak]}, blob=b"\x00" * 10)
    else:
        logging.getLogger("somebody.else").warning("happened %s", leak)
    (line,) = logged(capsys)
    for secret in (SECRET, "sk-live-4711", "hunter2", "deadbeef01"):
        assert secret not in json.dumps(line)
    assert "[hidden]" in json.dumps(line)


@pytest.mark.parametrize("name", ["prompt", "negative_prompt", "api_key", "password", "authorization", "database_url"])
def test_p9_what_is_named_like_a_secret_is_hidden(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure()
    telemetry.logger("test").info("happened", **{name: "plain words"})
    (line,) = logged(capsys)
    assert line[name] == "[hidden]"


def test_p9_an_exceptions_text_is_cleaned(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure()
    try:
        raise ValueError(f"cannot use {SECRET}")
    except ValueError:
        telemetry.logger("test").exception("failed")
    (line,) = logged(capsys)
    assert "ValueError" in str(line["exception"])
    assert SECRET not in str(line)


def test_lines_carry_the_request_they_belong_to(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure()
    with structlog.contextvars.bound_contextvars(request_id="req_1"):
        telemetry.logger("test").info("happened", generation="gen_1")
    (line,) = logged(capsys)
    assert (line["request_id"], line["generation"], line["event"], line["level"]) == (
        "req_1",
        "gen_1",
        "happened",
        "info",
    )
    assert "timestamp" in line


def test_the_level_is_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.configure(level="error")
    telemetry.logger("test").info("too quiet")
    telemetry.logger("test").error("loud")
    assert [line["event"] for line in logged(capsys)] == ["loud"]


def test_metrics_have_their_names() -> None:
    text = generate_latest().decode()
    for name in ("platemark_http_requests", "platemark_generations", "platemark_attempts", "platemark_queue_seconds"):
        assert name in text


def test_spans_are_made_where_tracing_is_on() -> None:
    seen = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(seen))
    trace.set_tracer_provider(provider)
    with telemetry.span("develop", generation="gen_1"):
        pass
    (span,) = seen.get_finished_spans()
    assert span.name == "develop"
    assert dict(span.attributes or {}) == {"generation": "gen_1"}
