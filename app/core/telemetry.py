"""Logs, traces and the one correlation id that follows a request along the whole road.

The id is `X-Request-ID` at the door; from there it travels in outbox rows, Celery headers, tool calls and outgoing
requests through `inject()` and `continued(headers)`. Logs are JSON lines on standard error, one an event, with
`timestamp`, `level`, `logger`, `service`, `event` and, where there are such, `correlation_id`, `trace_id` and
`exception`. Nothing here logs a body; what a library would quote of one is taken out (`app.core.redaction`).
"""

import logging
import sys
import threading
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any, TextIO

import structlog
from opentelemetry import context as otel_context
from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NoOpTracer, Span, SpanKind, Status, StatusCode, Tracer

from app.core.redaction import cleaned, described, discreet
from app.core.settings import TelemetrySettings

CORRELATION_HEADER = "X-Request-ID"
_CARRIER_KEY = "correlation_id"

correlation_id: ContextVar[str] = ContextVar("correlation_id", default="")

OUR_LOGGERS = ("app", "mcp_server", "mcp_client")
EXPORT_SECONDS = 2.0
"""For a batch of spans, its repetitions included: what the end of a process may have to wait for."""
_LOUD = ("uvicorn.access", "httpx", "httpx2", "botocore", "urllib3", "websockets", "mcp", "fakeredis", "mail.log")
"""These print addresses with tokens in them, whom a mail is for, or a line a request; ours says what is needed."""

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


def _add_exception(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    given = event.pop("exc_info", None)
    if given is True:
        given = sys.exc_info()
    error = given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["exception"] = described(error)
    return event


def _clean(_logger: Any, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    clean: structlog.typing.EventDict = cleaned(event)
    return clean


class JsonLines(logging.StreamHandler[TextIO]):
    """Writes to whatever standard error is at the moment: it may be replaced after the start."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record if isinstance(record.msg, dict) else discreet(record))


def configure_logging(service: str, settings: TelemetrySettings) -> None:
    """JSON lines for our own logs, every library's, warnings and what nobody caught, each with the service's name.

    `log_level` is ours; libraries never say more than INFO, for what they say below that quotes bodies. Handlers that
    libraries brought along are taken off, so call this after the imports.
    """

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
                _add_exception,
                _clean,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [other for other in root.handlers if not isinstance(other, JsonLines)] + [handler]
    root.setLevel(max(logging.INFO, logging.getLevelNamesMapping()[settings.log_level]))
    for name in OUR_LOGGERS:
        logging.getLogger(name).setLevel(settings.log_level)
    for known in list(logging.root.manager.loggerDict.values()):
        if isinstance(known, logging.Logger) and known.handlers:
            known.handlers, known.propagate = [], True
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.WARNING)
    _log_what_python_prints()


def _log_what_python_prints() -> None:
    """Warnings, and exceptions that end the process or a thread, unless somebody else sees to them."""
    warnings.showwarning = _log_warning
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _log_crash
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _log_thread_crash


def _log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    # Not the message: a serializer's quotes the value.
    get_logger("py.warnings").warning("warning", category=category.__name__, at=f"{filename}:{lineno}")


def _log_crash(_kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
    get_logger(__name__).critical("process_crashed", exc_info=error)


def _log_thread_crash(crash: threading.ExceptHookArgs) -> None:
    name = crash.thread.name if crash.thread is not None else ""
    get_logger(__name__).critical("thread_crashed", thread=name, exc_info=crash.exc_value)


class OurSpansOnly(TracerProvider):
    """Passes a library's context on but keeps none of its spans: they quote messages, arguments and errors."""

    def get_tracer(self, instrumenting_module_name: str, *args: Any, **kwargs: Any) -> Tracer:
        if not instrumenting_module_name.startswith("evidesk"):
            return NoOpTracer()
        return super().get_tracer(instrumenting_module_name, *args, **kwargs)


def configure_tracing(service: str, settings: TelemetrySettings) -> TracerProvider:
    """Spans are always made, so that trace ids are in the logs; they leave the process only with an OTLP address.

    A process has one provider: a second call gives the first one's.
    """
    current = trace.get_tracer_provider()
    if isinstance(current, TracerProvider):
        return current
    provider = build_provider(service, settings)
    trace.set_tracer_provider(provider)
    return provider


def build_provider(service: str, settings: TelemetrySettings) -> OurSpansOnly:
    """Spans are sent by a thread of their own; while the collector is away they are dropped, and nobody waits."""
    provider = OurSpansOnly(resource=Resource.create({"service.name": f"evidesk-{service}"}))
    if settings.otlp_endpoint:
        address = settings.otlp_endpoint.rstrip("/") + "/v1/traces"
        exporter = OTLPSpanExporter(endpoint=address, timeout=EXPORT_SECONDS)
        provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


@contextmanager
def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    traceparent: str | None = None,
    **attributes: str | int | float | bool,
) -> Iterator[Span]:
    """A span under the current one, or under the one that `traceparent` (W3C) names; an exception marks it failed by
    its type alone (messages may quote content)."""
    with _tracer.start_as_current_span(
        name,
        context=propagate.extract({"traceparent": traceparent}) if traceparent else None,
        kind=kind,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
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
