import httpx2
import pytest

from app.ai_config.service import ensure_defaults
from app.core.auth import Role
from app.core.resources import Resources
from tests.factories.people import Person, register
from tests.knowledge.test_documents import add

PRINTER = (
    "# Printer shows E-77\n\nThe printer shows E-77 when its tray is empty.\n\n"
    "## Resolution\n\n1. Open the tray and put in paper.\n\n2. Hold the green button until E-77 is gone."
)
TRAINS = "# Trains\n\nTrains leave every hour from platform two. A day ticket costs 12 euros."


@pytest.fixture
async def desk(api: httpx2.AsyncClient, resources: Resources) -> Resources:
    """With two documents, one of them for agents alone, and the delivered configurations."""
    async with resources.db.unit_of_work() as db:
        await ensure_defaults(db, resources.settings)
    agent = await register(resources, Role.AGENT)
    await add(api, resources, agent, title="Printer shows E-77", text=PRINTER, uri="https://example.com/printer")
    await add(api, resources, agent, title="Trains", text=TRAINS, acl={"roles": ["agent"]})
    return resources


@pytest.fixture
async def ada(resources: Resources) -> Person:
    return await register(resources)
