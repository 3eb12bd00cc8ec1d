"""The weights of priorities: delivered, replaced in versions, put back, and shown with what they led to."""

import httpx2
import pytest

from app.core.auth import Role
from app.core.resources import Resources
from app.tickets import service as tickets
from tests.factories.people import Person, register
from tests.factories.runs import tool_server
from tests.mcp_server.calling import call

WEIGHTS = "/api/v1/ai-config/priority-weights"
TEXT = "The export fails."


@pytest.fixture
async def admin(api: httpx2.AsyncClient, resources: Resources) -> httpx2.AsyncClient:
    api.headers.update((await register(resources, Role.ADMIN)).headers)
    return api


@pytest.fixture
async def ada(resources: Resources) -> Person:
    return await register(resources)


async def test_a_change_counts_for_the_next_score_which_names_its_version(
    resources: Resources, admin: httpx2.AsyncClient, ada: Person
) -> None:
    async with tool_server(resources) as served:
        before = await call(served, ada, "calculate_priority", text=TEXT, category="bug")
        changed = (await admin.put(WEIGHTS, json={"severity": 3, "categories": {"bug": 40}})).json()
        after = await call(served, ada, "calculate_priority", text=TEXT, category="bug")
    assert (changed["version"], changed["replaced"]) == (1, ["categories", "severity"])
    assert changed["changes"]["severity"] == {"before": 1.0, "after": 3.0}
    assert (before["weights_version"], before["score"], before["priority"]) == (0, 41, "medium")
    assert (after["weights_version"], after["score"], after["priority"]) == (1, 89, "critical")
    assert {term["name"]: term["points"] for term in after["terms"]} == {"base": 25, "category": 40, "severity": 24}


async def test_the_desk_itself_goes_by_the_weights_in_force(resources: Resources, admin: httpx2.AsyncClient) -> None:
    await admin.put(WEIGHTS, json={"base": 90})
    async with resources.db.reading() as db:
        assert (await tickets.categorize(db, description=TEXT)).priority == "critical"


async def test_versions_are_told_with_what_they_changed_and_taken_back(admin: httpx2.AsyncClient) -> None:
    await admin.put(WEIGHTS, json={"vip": 20})
    await admin.put(WEIGHTS, json={"vip": None, "bands": {"medium": 10, "high": 20, "critical": 30}})
    back = (await admin.post(f"{WEIGHTS}/rollback", json={"version": 1})).json()
    assert (back["version"], back["effective"]["vip"], back["replaced"]) == (3, 20, ["vip"])
    history = (await admin.get(f"{WEIGHTS}/history")).json()
    assert [(row["version"], sorted(row["changes"])) for row in history] == [
        (3, ["bands", "vip"]),
        (2, ["bands", "vip"]),
        (1, ["vip"]),
    ]
    assert (await admin.get(WEIGHTS)).json() == back


async def test_weights_that_cannot_be_used_are_refused(admin: httpx2.AsyncClient) -> None:
    falling = await admin.put(WEIGHTS, json={"bands": {"medium": 50, "high": 20, "critical": 30}})
    assert (falling.status_code, falling.json()["code"]) == (400, "priority_weights_invalid")
    assert (await admin.put(WEIGHTS, json={"vip": -1})).status_code == 422
    unknown = await admin.post(f"{WEIGHTS}/rollback", json={"version": 9})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "priority_weights_version_unknown")
    assert (await admin.get(WEIGHTS)).json()["version"] == 0


async def test_weights_are_for_administrators(api: httpx2.AsyncClient, ada: Person) -> None:
    assert (await api.get(WEIGHTS, headers=ada.headers)).status_code == 403
