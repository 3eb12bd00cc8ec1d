"""What an answer must reach: delivered, replaced in versions, put back."""

import httpx2
import pytest

from app.core.auth import Role
from app.core.resources import Resources
from app.grounding import service
from app.grounding.outcome import Answer, Refusal
from tests.factories.people import Person, register
from tests.grounding.test_answers import ASKED

THRESHOLDS = "/api/v1/ai-config/answer-thresholds"


@pytest.fixture
async def admin(api: httpx2.AsyncClient, resources: Resources) -> httpx2.AsyncClient:
    api.headers.update((await register(resources, Role.ADMIN)).headers)
    return api


async def test_a_change_is_a_new_version_and_counts_for_the_next_answer(
    desk: Resources, ada: Person, admin: httpx2.AsyncClient
) -> None:
    before = (await admin.get(THRESHOLDS)).json()
    assert (before["version"], before["replaced"], before["updated_by"]) == (0, [], None)
    assert isinstance(await service.answer(desk, ada.who, ASKED), Answer)
    changed = await admin.put(THRESHOLDS, json={"confidence": 1.0})
    assert changed.status_code == 200, changed.text
    refusal = await service.answer(desk, ada.who, ASKED)
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.thresholds_version) == ("insufficient_coverage", 1)
    again = await admin.put(THRESHOLDS, json={"support": 0.9, "confidence": None})
    assert (again.json()["version"], again.json()["replaced"]) == (2, ["support"])
    back = await admin.post(f"{THRESHOLDS}/rollback", json={"version": 1})
    assert (back.json()["version"], back.json()["effective"]["confidence"]) == (3, 1.0)
    await admin.post(f"{THRESHOLDS}/rollback", json={"version": 0})
    pages = await admin.get(f"{THRESHOLDS}/history", params={"limit": 3})
    assert [row["version"] for row in pages.json()] == [4, 3, 2]
    rest = await admin.get(pages.links["next"]["url"])
    assert [(row["version"], row["replaced"]) for row in rest.json()] == [(1, ["confidence"])]
    assert isinstance(await service.answer(desk, ada.who, ASKED), Answer)


async def test_values_that_cannot_be_used_are_refused(admin: httpx2.AsyncClient) -> None:
    incomplete = await admin.put(THRESHOLDS, json={"calibration": {"none": 1}})
    assert (incomplete.status_code, incomplete.json()["code"]) == (400, "thresholds_invalid")
    assert (await admin.put(THRESHOLDS, json={"confidence": 2})).status_code == 422
    unknown = await admin.post(f"{THRESHOLDS}/rollback", json={"version": 9})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "thresholds_version_unknown")
    assert (await admin.get(THRESHOLDS)).json()["version"] == 0


async def test_thresholds_are_for_administrators(api: httpx2.AsyncClient, resources: Resources) -> None:
    agent = await register(resources, Role.AGENT)
    assert (await api.get(THRESHOLDS, headers=agent.headers)).status_code == 403
