"""Spans on their way to a collector, and a collector that is not there."""

import socket
import time
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider

from app.core.settings import TelemetrySettings
from app.core.telemetry import build_provider
from tests.telemetry.collector import collecting

SLOW_SECONDS = 10.0


@pytest.fixture
def silent() -> Iterator[str]:
    """Somebody who takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def work(provider: TracerProvider, spans: int) -> float:
    """Seconds that so many spans take those who make them."""
    tracer = provider.get_tracer("evidesk.test")
    started = time.perf_counter()
    for _ in range(spans):
        with tracer.start_as_current_span("work"):
            pass
    return time.perf_counter() - started


def test_spans_reach_a_collector_as_protobuf_under_their_services_name() -> None:
    with collecting() as collected:
        provider = build_provider("api", TelemetrySettings(otlp_endpoint=collected.address + "/"))
        work(provider, 3)
        with provider.get_tracer("a.library").start_as_current_span("quoting"):
            pass
        provider.shutdown()
    assert collected.paths == {"/v1/traces"}
    assert [(service, span.name) for service, span in collected.spans()] == [("evidesk-api", "work")] * 3


def test_without_an_address_nothing_is_sent_but_spans_have_ids() -> None:
    provider = build_provider("api", TelemetrySettings())
    with provider.get_tracer("evidesk.test").start_as_current_span("work") as span:
        assert span.get_span_context().is_valid
    provider.shutdown()


def test_a_collector_that_is_away_keeps_nobody_waiting(unused_tcp_port: int) -> None:
    provider = build_provider("api", TelemetrySettings(otlp_endpoint=f"http://127.0.0.1:{unused_tcp_port}"))
    # More than its queue holds.
    assert work(provider, 3000) < SLOW_SECONDS
    started = time.perf_counter()
    provider.shutdown()
    assert time.perf_counter() - started < SLOW_SECONDS


def test_a_collector_that_does_not_answer_keeps_nobody_waiting(silent: str) -> None:
    provider = build_provider("api", TelemetrySettings(otlp_endpoint=silent))
    assert work(provider, 100) < SLOW_SECONDS
    started = time.perf_counter()
    provider.shutdown()
    assert time.perf_counter() - started < SLOW_SECONDS
