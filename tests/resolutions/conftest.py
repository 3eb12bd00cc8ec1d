import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from app.ai_config.service import ensure_defaults
from app.core.auth import Role
from app.core.resources import Resources
from tests.factories.people import Person, register
from tests.factories.runs import tool_server


@pytest.fixture
async def equipped(app: FastAPI, resources: Resources) -> AsyncIterator[Resources]:
    """An API and a tool server over the same resources, with the delivered configurations."""
    async with resources.db.unit_of_work() as db:
        await ensure_defaults(db, resources.settings)
    async with tool_server(resources) as found:
        app.state.resources = found
        yield found


@pytest.fixture
async def ada(equipped: Resources) -> Person:
    return await register(equipped)


@pytest.fixture
async def agent(equipped: Resources) -> Person:
    return await register(equipped, Role.AGENT)


@pytest.fixture
async def boss(equipped: Resources) -> Person:
    """Who may delete tickets."""
    return await register(equipped, Role.SUPERVISOR)


class Desk:
    """The staff's way through the API."""

    def __init__(self, api: httpx2.AsyncClient, who: Person) -> None:
        self._api = api
        self._who = who

    async def get(self, path: str) -> Any:
        answer = await self._api.get(f"/api/v1/agent/{path}", headers=self._who.headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, status: int = 200, **body: Any) -> Any:
        answer = await self._api.post(f"/api/v1/agent/{path}", json=body, headers=self._who.headers)
        assert answer.status_code == status, answer.text
        return json.loads(answer.text)


@pytest.fixture
async def desk(api: httpx2.AsyncClient, agent: Person) -> Desk:
    return Desk(api, agent)
