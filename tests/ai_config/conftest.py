import httpx2
import pytest
from fastapi import FastAPI

from app.core.auth import Role
from app.core.resources import Resources
from tests.factories.people import Person, register


@pytest.fixture
async def admin(app: FastAPI, resources: Resources) -> Person:
    """Registered after the application has started and stored the delivered configurations."""
    return await register(resources, Role.ADMIN, "root")


@pytest.fixture
async def desk(api: httpx2.AsyncClient, admin: Person) -> httpx2.AsyncClient:
    """The API, as the administrator."""
    api.headers.update(admin.headers)
    return api
