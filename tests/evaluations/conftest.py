from collections.abc import AsyncIterator
from dataclasses import replace

import httpx2
import pytest
from fastapi import FastAPI

from app.core.auth import Role
from app.core.resources import Resources
from app.core.settings import ModelSettings
from app.core.settings.models import CompatibleEndpoint
from app.evaluations import tasks as evaluation_tasks
from tests.evaluations.speaking import Sorter
from tests.factories.people import Person, register
from tests.factories.runs import TASKS, serving, tool_server, working

ALL_TASKS = {**TASKS, **{task.name: task for task in (evaluation_tasks.run, evaluation_tasks.give_up)}}


@pytest.fixture
def sorter() -> Sorter:
    return Sorter()


@pytest.fixture
async def equipped(app: FastAPI, resources: Resources, sorter: Sorter) -> AsyncIterator[Resources]:
    """A tool server, a remote model, and an API that knows of both."""
    async with serving(sorter.app()) as address, tool_server(resources) as found:
        endpoint = CompatibleEndpoint(base_url=f"{address}/v1")
        settings = found.settings.model_copy(update={"models": ModelSettings(compatible={"desk": endpoint})})
        app.state.resources = replace(found, settings=settings)
        yield app.state.resources


@pytest.fixture
async def staffed(equipped: Resources) -> AsyncIterator[Resources]:
    async with working(equipped, ALL_TASKS):
        yield equipped


@pytest.fixture
async def admin(app: FastAPI, resources: Resources) -> Person:
    return await register(resources, Role.ADMIN, "root")


@pytest.fixture
async def desk(api: httpx2.AsyncClient, admin: Person) -> httpx2.AsyncClient:
    api.headers.update(admin.headers)
    return api
