from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from app.core.auth import Role
from app.core.resources import Resources
from app.core.settings import IntegrationSettings
from app.integrations import service
from app.integrations.base import IssueTracker
from app.integrations.schemas import GitHubIn, IntegrationIn, IntegrationOut, JiraIn, SalesforceIn
from app.integrations.vendors import tracker
from tests.factories.people import Person, register
from tests.factories.runs import serving
from tests.integrations.peers import PEERS, Peer

HERE = IntegrationSettings(private_hosts=["127.0.0.1"], timeout_seconds=5, wait_seconds=0)
SHAPES: dict[str, type[Any]] = {"github": GitHubIn, "jira": JiraIn, "salesforce": SalesforceIn}


@dataclass
class There:
    """A vendor's system that is up, and how the desk is told of it."""

    peer: Peer
    config: dict[str, Any]

    def adapter(self, settings: IntegrationSettings = HERE, **secret: str) -> IssueTracker:
        return tracker(self.peer.provider, self.config, {**self.peer.secret, **secret}, settings)

    def given(self, name: str = "Ours") -> IntegrationIn:
        shape = SHAPES[self.peer.provider]
        given: IntegrationIn = shape(
            provider=self.peer.provider, name=name, config=self.config, secret=dict(self.peer.secret)
        )
        return given


@pytest.fixture(params=PEERS, ids=lambda kind: kind.provider)
async def there(request: pytest.FixtureRequest) -> AsyncIterator[There]:
    peer: Peer = request.param()
    async with serving(peer.app()) as address:
        yield There(peer, {**peer.config, "base_url": address})


@pytest.fixture
def near(resources: Resources) -> Resources:
    """Connections may lead to this machine."""
    return replace(resources, settings=resources.settings.model_copy(update={"integrations": HERE}))


@pytest.fixture
async def connected(near: Resources, there: There) -> IntegrationOut:
    async with near.db.unit_of_work() as db:
        return await service.add(near, db, given=there.given())


@pytest.fixture
async def agent(resources: Resources) -> Person:
    return await register(resources, Role.AGENT, "alex")


@pytest.fixture
async def admin(resources: Resources) -> Person:
    return await register(resources, Role.ADMIN, "root1")
