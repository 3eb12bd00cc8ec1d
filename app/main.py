"""The ASGI application: lifespan, error handlers, middleware, mounts. Nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app.accounts.authentication import identify
from app.api import build_api
from app.core.auth import signing_secret
from app.core.http import API_PREFIX, BodyLimitMiddleware, RoadMiddleware, install_error_handlers
from app.core.idempotency import AnswerBox
from app.core.ratelimit import RateLimitMiddleware
from app.core.resources import open_resources
from app.core.settings import Settings, get_settings
from app.core.telemetry import configure_logging, configure_tracing


def create_app(settings: Settings | None = None) -> FastAPI:
    settings = settings or get_settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        configure_logging("api", settings.telemetry)
        tracing = configure_tracing("api", settings.telemetry)
        async with open_resources(settings) as resources:
            app.state.resources = resources
            app.state.answer_box = AnswerBox(signing_secret(settings))
            app.state.identify = identify
            yield
        tracing.force_flush()

    app = FastAPI(title="Evidesk", version="1.0.0", lifespan=lifespan, redirect_slashes=False)
    install_error_handlers(app)
    app.include_router(build_api())
    app.add_middleware(
        BodyLimitMiddleware, max_bytes=settings.http.max_body_bytes, exempt=[f"{API_PREFIX}/files/upload"]
    )
    app.add_middleware(RateLimitMiddleware, prefix=API_PREFIX, settings=settings.rate_limit)
    app.add_middleware(RoadMiddleware)
    return app
