"""The platform's rules and the state of its providers, by HTTP."""

import httpx2
import pytest

from app.ai_config import service as ai_config
from app.ai_config.catalogue import AgentType
from app.core.auth import Role
from app.core.breakers import BreakerRules
from app.core.resources import Resources
from tests.factories.people import Person, register

RULES = BreakerRules(failures=1, window_seconds=60, open_seconds=60, probe_seconds=60)
PLATFORM = "/api/v1/ai-config/platform"
PROVIDERS = "/api/v1/ai-config/providers"


@pytest.fixture
async def admin(resources: Resources) -> Person:
    async with resources.db.unit_of_work() as db:
        await ai_config.ensure_defaults(db, resources.settings)
    admin = await register(resources, Role.ADMIN)
    async with resources.db.unit_of_work() as db:
        await ai_config.update(db, admin.who, AgentType.CATEGORIZATION, values={"model": "compatible:vllm/m"})
    return admin


async def test_sections_are_replaced_in_versions_and_put_back(api: httpx2.AsyncClient, admin: Person) -> None:
    delivered = (await api.get(PLATFORM, headers=admin.headers)).json()
    assert (delivered["version"], delivered["replaced"]) == (0, [])
    changes = {"costs": {"monthly_budget_usd": 20}, "fallbacks": {"triage": ["openai:gpt-4o", "local"]}}
    first = await api.put(PLATFORM, json=changes, headers=admin.headers)
    assert (first.status_code, first.json()["version"], first.json()["replaced"]) == (200, 1, ["costs", "fallbacks"])
    second = (await api.put(PLATFORM, json={"costs": None}, headers=admin.headers)).json()
    assert (second["version"], second["replaced"], second["updated_by"]) == (2, ["fallbacks"], admin.username)
    assert second["effective"]["costs"] == delivered["effective"]["costs"]
    assert (await api.get(PLATFORM, headers=admin.headers)).json() == second
    back = await api.post(f"{PLATFORM}/rollback", json={"version": 1}, headers=admin.headers)
    assert (back.status_code, back.json()["version"], back.json()["effective"]) == (200, 3, first.json()["effective"])
    history = (await api.get(f"{PLATFORM}/history", headers=admin.headers)).json()
    assert [sorted(row["changes"]) for row in history] == [["costs"], ["costs"], ["costs", "fallbacks"]]
    unknown = await api.post(f"{PLATFORM}/rollback", json={"version": 9}, headers=admin.headers)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "platform_version_unknown")


async def test_what_is_wrong_is_named_and_nothing_is_stored(api: httpx2.AsyncClient, admin: Person) -> None:
    answer = await api.put(PLATFORM, json={"breaker": {"failures": 0}}, headers=admin.headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "platform_invalid")
    assert "breaker.failures" in answer.json()["detail"]
    assert (await api.get(PLATFORM, headers=admin.headers)).json()["version"] == 0


async def test_providers_are_shown_with_their_breakers_and_reset(
    api: httpx2.AsyncClient, resources: Resources, admin: Person
) -> None:
    await resources.breakers.fail("compatible/vllm", RULES)
    async with resources.slots.hold("compatible/vllm", limit=2, seconds=60, wait_seconds=0):
        shown = (await api.get(PROVIDERS, headers=admin.headers)).json()
    (one,) = shown["providers"]
    assert (one["name"], one["in_use"], one["breaker"]["state"]) == ("compatible/vllm", 1, "open")
    assert one["breaker"]["next_try_at"] > one["breaker"]["opened_at"]
    assert shown["chains"]["categorization"]["categorize"] == ["compatible:vllm/m", "local"]
    reset = await api.post(f"{PROVIDERS}/compatible/vllm/reset", headers=admin.headers)
    assert (reset.status_code, reset.json()["breaker"]["state"]) == (200, "closed")
    unknown = await api.post(f"{PROVIDERS}/nobody/reset", headers=admin.headers)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "provider_unknown")


async def test_only_administrators_see_and_change_them(api: httpx2.AsyncClient, resources: Resources) -> None:
    agent = await register(resources, Role.AGENT)
    for path in (PLATFORM, PROVIDERS, "/api/v1/analytics/ai-costs"):
        assert (await api.get(path, headers=agent.headers)).status_code == 403
    assert (await api.put(PLATFORM, json={"costs": None}, headers=agent.headers)).status_code == 403
