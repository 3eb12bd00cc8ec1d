"""Logs, traces and the one correlation id that follows a request along the whole road.

The id is `X-Request-ID` at the door; from there it travels in outbox rows, Celery headers, tool calls and outgoing
requests through `inject()` and `continued(headers)`. Logs are JSON lines on standard error. Nothing here logs a body.
"""

import logging
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TextIO

import structlog
from opentelemetry import context as otel_context
from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from app.core.settings import TelemetrySettings

CORRELATION_HEADER = "X-Request-ID"
_CARRIER_KEY = "correlation_id"

correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")

_tracer = trace.get_tracer("evidesk")


def new_correlation_id() -> str:
    return uuid.uuid4().hex


def _add_context(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    if current := correlation_id.get():
        event.setdefault("correlation_id", current)
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event.setdefault("trace_id", f"{context.trace_id:032x}")
    return event


class JsonLines(logging.StreamHandler[TextIO]):
    """Writes to whatever standard error is at the moment: it may be replaced after the start."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


def configure_logging(service: str, settings: TelemetrySettings) -> None:
    """JSON lines for our own logs and every library's, each with the service's name and the correlation id."""

    def _add_service(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event["service"] = service
        return event

    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_service,
        _add_context,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = JsonLines()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [other for other in root.handlers if not isinstance(other, JsonLines)] + [handler]
    root.setLevel(settings.log_level)
    # These print addresses with tokens in them, or a line a request; ours says the same without the query.
    for name in ("uvicorn.access", "httpx", "httpx2", "botocore", "urllib3", "websockets", "mcp", "fakeredis"):
        logging.getLogger(name).setLevel(logging.WARNING)


def configure_tracing(service: str, settings: TelemetrySettings) -> TracerProvider:
    """Spans are always made, so that trace ids are in the logs; they leave the process only with an OTLP address.

    A process has one provider: a second call gives the first one's.
    """
    current = trace.get_tracer_provider()
    if isinstance(current, TracerProvider):
        return current
    provider = TracerProvider(resource=Resource.create({"service.name": f"evidesk-{service}"}))
    if settings.otlp_endpoint:
        exporter = OTLPSpanExporter(endpoint=settings.otlp_endpoint.rstrip("/") + "/v1/traces")
        provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return provider


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


@contextmanager
def span(name: str, *, kind: SpanKind = SpanKind.INTERNAL, **attributes: str | int | float | bool) -> Iterator[Span]:
    """A span under the current one; an exception marks it failed by its type alone (messages may quote content)."""
    with _tracer.start_as_current_span(
        name, kind=kind, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield current
        except BaseException as error:
            current.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def inject() -> dict[str, str]:
    """What the next process needs to go on with this trace and correlation id: small, plain, JSON-safe."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    if current := correlation_id.get():
        carrier[_CARRIER_KEY] = current
    return carrier


@contextmanager
def continued(carrier: Mapping[str, str]) -> Iterator[None]:
    """Go on with the trace and correlation id that `inject()` wrote down elsewhere."""
    token = correlation_id.set(carrier.get(_CARRIER_KEY) or new_correlation_id())
    context_token = otel_context.attach(propagate.extract(carrier))
    try:
        yield
    finally:
        otel_context.detach(context_token)
        correlation_id.reset(token)
