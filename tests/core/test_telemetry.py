"""Logs, spans and the one id along the road."""

import json
import logging
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from app.core.settings import TelemetrySettings
from app.core.telemetry import (
    configure_logging,
    configure_tracing,
    continued,
    correlation_id,
    get_logger,
    inject,
    span,
)


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    configure_logging("test", TelemetrySettings())
    configure_tracing("test", TelemetrySettings())
    capsys.readouterr()
    yield
    capsys.readouterr()


def read(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


@pytest.fixture
def spans() -> InMemorySpanExporter:
    provider = configure_tracing("test", TelemetrySettings())
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter


def named(spans: InMemorySpanExporter, name: str) -> ReadableSpan:
    (found,) = [finished for finished in spans.get_finished_spans() if finished.name == name]
    return found


@pytest.mark.usefixtures("lines")
def test_a_log_line_is_json_with_service_and_ids(capsys: pytest.CaptureFixture[str]) -> None:
    with continued({"correlation_id": "abc"}), span("work"):
        get_logger("mine").info("happened", number=1)
        logging.getLogger("a.library").warning("theirs %s", 2)
    mine, theirs = read(capsys)
    assert (mine["event"], mine["number"], mine["service"], mine["correlation_id"]) == ("happened", 1, "test", "abc")
    assert theirs["event"] == "theirs 2"
    assert theirs["correlation_id"] == "abc"
    assert mine["trace_id"] == theirs["trace_id"]
    assert len(str(mine["trace_id"])) == 32


@pytest.mark.usefixtures("lines")
def test_outside_of_any_work_a_line_has_no_ids(capsys: pytest.CaptureFixture[str]) -> None:
    get_logger("mine").info("alone")
    (line,) = read(capsys)
    assert not {"correlation_id", "trace_id"} & line.keys()


@pytest.mark.usefixtures("lines")
def test_an_exception_is_one_line_without_its_message(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        int("why")
    except ValueError:
        get_logger("mine").exception("failed")
    (line,) = read(capsys)
    assert str(line["exception"]).endswith("ValueError\n")
    assert "test_an_exception_is_one_line" in str(line["exception"])
    assert "invalid literal" not in str(line)


@pytest.mark.usefixtures("lines")
def test_libraries_that_print_addresses_are_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("httpx2").info("GET /ws?token=secret")
    logging.getLogger("mail.log").info("recip: secret@example.org")
    logging.getLogger("uvicorn.access").info("GET /ws?token=secret")
    assert read(capsys) == []


def test_the_next_process_goes_on_with_trace_and_id(spans: InMemorySpanExporter) -> None:
    with continued({"correlation_id": "abc"}), span("cause"):
        carrier = inject()
    assert json.loads(json.dumps(carrier)) == carrier
    with continued(carrier), span("effect"):
        assert correlation_id.get() == "abc"
    assert correlation_id.get() == ""
    cause, effect = named(spans, "cause"), named(spans, "effect")
    assert effect.parent is not None
    assert cause.context is not None
    assert effect.parent.span_id == cause.context.span_id


def test_work_without_a_cause_gets_an_id_of_its_own() -> None:
    with continued({}):
        assert len(correlation_id.get()) == 32
    assert inject() == {}


def test_a_failed_span_says_the_kind_and_not_the_message(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="secret"), span("failing", size=3):
        raise ValueError("secret")
    failed = named(spans, "failing")
    assert (failed.status.status_code, failed.status.description) == (StatusCode.ERROR, "ValueError")
    assert failed.events == ()
    assert failed.attributes == {"size": 3}


def test_a_process_has_one_provider() -> None:
    first = configure_tracing("one", TelemetrySettings())
    assert configure_tracing("two", TelemetrySettings(otlp_endpoint="http://127.0.0.1:1")) is first
    assert isinstance(trace.get_tracer_provider(), TracerProvider)
