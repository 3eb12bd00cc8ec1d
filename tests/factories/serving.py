"""The application, or a small one of a test's own, behind a client without a socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from fastapi import FastAPI

from app.core.settings import Settings
from app.main import create_app


@asynccontextmanager
async def client_of(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """The whole application with settings of the test's own."""
    app = create_app(settings)
    async with app.router.lifespan_context(app), client_of(app) as client:
        yield client
