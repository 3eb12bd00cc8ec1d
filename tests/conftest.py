"""The embedded data plane for the whole session, and a clean database for each test that asks for one."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
from alembic import command
from alembic.config import Config
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import State

from app.core.resources import Resources, open_resources
from app.core.settings import AuthSettings, DatabaseSettings, Settings
from app.embedded.data_plane import DataPlane
from app.main import create_app
from tests.emptying import empty

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataPlane]:
    with DataPlane(tmp_path_factory.mktemp("plane"), durable=False) as running:
        config = Config(ROOT / "alembic.ini")
        config.set_main_option("sqlalchemy.url", running.database_url.replace("%", "%%"))
        command.upgrade(config, "head")
        yield running


@pytest.fixture(scope="session")
def settings(plane: DataPlane, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(
        _env_file=None,
        database_url=SecretStr(plane.database_url),
        redis_url=SecretStr(plane.redis_url),
        data_dir=tmp_path_factory.mktemp("data"),
        # Cheap hashes: their strength is not what the tests are about.
        auth=AuthSettings(argon2_memory_kib=8, argon2_time_cost=1, principal_cache_seconds=0),
        database=DatabaseSettings(pool_size=8),
    )


@pytest.fixture(scope="session")
async def shared_resources(settings: Settings) -> AsyncIterator[Resources]:
    async with open_resources(settings) as opened:
        yield opened


@pytest.fixture
async def resources(shared_resources: Resources) -> Resources:
    """Database and Redis, emptied before the test."""
    await empty(shared_resources.db)
    await shared_resources.redis.flushdb()
    return shared_resources


@pytest.fixture
async def db(resources: Resources) -> AsyncIterator[AsyncSession]:
    """A unit of work of the test's own; commit it for others to see its rows."""
    async with resources.db.session() as session:
        yield session


@pytest.fixture(scope="session")
def idle_apps() -> list[FastAPI]:
    """Built, and not in use. The first request to a new one costs more than most tests."""
    return []


@pytest.fixture
async def app(resources: Resources, settings: Settings, idle_apps: list[FastAPI]) -> AsyncIterator[FastAPI]:
    """With resources, limits and sockets of its own: all that is left of earlier tests are the compiled routes."""
    application = idle_apps.pop() if idle_apps else create_app(settings)
    routes = list(application.router.routes)
    async with application.router.lifespan_context(application):
        yield application
    if application.router.routes == routes and not application.dependency_overrides:
        application.state = State()
        idle_apps.append(application)


@pytest.fixture
async def api(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client
