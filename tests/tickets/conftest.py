"""People of every role, logged in."""

from dataclasses import dataclass

import pytest

from app.core.auth import Role
from app.core.resources import Resources
from tests.factories.people import Person, register


@dataclass(frozen=True)
class People:
    customer: Person
    stranger: Person
    agent: Person
    supervisor: Person
    admin: Person


@pytest.fixture
async def people(resources: Resources) -> People:
    return People(
        customer=await register(resources, Role.CUSTOMER, "carla"),
        stranger=await register(resources, Role.CUSTOMER, "sam"),
        agent=await register(resources, Role.AGENT, "agnes"),
        supervisor=await register(resources, Role.SUPERVISOR, "susan"),
        admin=await register(resources, Role.ADMIN, "adam"),
    )
