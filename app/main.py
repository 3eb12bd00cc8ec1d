"""The ASGI application: lifespan, error handlers, middleware, mounts. Nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError
from starlette.middleware.cors import CORSMiddleware

from app.accounts.authentication import identify
from app.ai_config import service as ai_config
from app.api import SERVED_AS, include_api
from app.core.auth import signing_secret
from app.core.http import API_PREFIX, install_error_handlers
from app.core.idempotency import AnswerBox
from app.core.middleware import BodyLimitMiddleware, HeadMiddleware, RoadMiddleware
from app.core.openapi import Application, operation_id
from app.core.ratelimit import RateLimitMiddleware
from app.core.resources import Resources, open_resources
from app.core.settings import Settings, get_settings
from app.core.telemetry import configure_logging, configure_tracing, get_logger
from app.evaluations import service as evaluations
from app.websocket.manager import open_manager

log = get_logger(__name__)

EXPOSED_HEADERS = (
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "Preference-Applied",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "Tus-Checksum-Algorithm",
    "Tus-Extension",
    "Tus-Max-Size",
    "Tus-Resumable",
    "Tus-Version",
    "Upload-Expires",
    "Upload-Length",
    "Upload-Metadata",
    "Upload-Offset",
    "X-File-Id",
    "X-Request-ID",
)
"""What a page of an allowed origin may read of an answer, beyond the body."""


async def _store_defaults(resources: Resources) -> None:
    try:
        async with resources.db.unit_of_work() as db:
            await ai_config.ensure_defaults(db, resources.settings)
            await evaluations.ensure_defaults(db)
    except (SQLAlchemyError, OSError) as error:
        # The database is away: say so by /ready, do not refuse to start. The next start stores them.
        log.warning("defaults_not_stored", error=type(error).__name__)


def create_app(settings: Settings | None = None) -> FastAPI:
    settings = settings or get_settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        configure_logging("api", settings.telemetry)
        tracing = configure_tracing("api", settings.telemetry)
        async with open_resources(settings) as resources:
            app.state.resources = resources
            await _store_defaults(resources)
            app.state.answer_box = AnswerBox(signing_secret(settings))
            app.state.identify = identify
            async with open_manager(resources) as app.state.websockets:
                yield
        tracing.force_flush()

    app = Application(
        **SERVED_AS,
        generate_unique_id_function=operation_id,
        lifespan=lifespan,
        redirect_slashes=False,
        # RoadMiddleware makes the span and the metrics of a request; the framework's own would be a second set.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    install_error_handlers(app)
    include_api(app)
    app.add_middleware(
        BodyLimitMiddleware,
        max_bytes=settings.http.max_body_bytes,
        exempt=[f"{API_PREFIX}/files/upload", f"{API_PREFIX}/files/resumable", f"{API_PREFIX}/mails/inbound/webhook"],
        forms_exempt=[f"{API_PREFIX}/knowledge/documents"],
    )
    app.add_middleware(HeadMiddleware)
    app.add_middleware(RateLimitMiddleware, prefix=API_PREFIX, settings=settings.rate_limit)
    if settings.http.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.http.cors_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=EXPOSED_HEADERS,
        )
    app.add_middleware(RoadMiddleware)
    return app
