from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI

from app.ai_config.service import ensure_defaults
from app.core.resources import Resources
from tests.factories.people import Person, register
from tests.factories.runs import tool_server, working


@pytest.fixture
async def equipped(resources: Resources) -> AsyncIterator[Resources]:
    """Resources with a running tool server and the delivered configurations."""
    async with resources.db.unit_of_work() as db:
        await ensure_defaults(db, resources.settings)
    async with tool_server(resources) as found:
        yield found


@pytest.fixture
async def staffed(app: FastAPI, equipped: Resources) -> AsyncIterator[Resources]:
    """An API whose runs are carried out."""
    app.state.resources = equipped
    async with working(equipped):
        yield equipped


@pytest.fixture
async def ada(equipped: Resources) -> Person:
    return await register(equipped)


@pytest.fixture
async def ben(equipped: Resources) -> Person:
    return await register(equipped)


@pytest.fixture
def client(api: httpx2.AsyncClient) -> httpx2.AsyncClient:
    return api
