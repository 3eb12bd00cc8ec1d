from collections.abc import AsyncIterator

import pytest

from app.ai_config.service import ensure_defaults
from app.core.auth import Role
from app.core.resources import Resources
from tests.factories.people import Person, register
from tests.factories.runs import tool_server


@pytest.fixture
async def equipped(resources: Resources) -> AsyncIterator[Resources]:
    """Resources with a running tool server and the delivered configurations."""
    async with resources.db.unit_of_work() as db:
        await ensure_defaults(db, resources.settings)
    async with tool_server(resources) as found:
        yield found


@pytest.fixture
async def ada(equipped: Resources) -> Person:
    return await register(equipped, Role.CUSTOMER, "ada")


@pytest.fixture
async def ben(equipped: Resources) -> Person:
    return await register(equipped, Role.CUSTOMER, "ben")


@pytest.fixture
async def agent(equipped: Resources) -> Person:
    return await register(equipped, Role.AGENT, "alex")
