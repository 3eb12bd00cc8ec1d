import asyncio
from typing import Any

import httpx2
import pytest

from app.ai_config import service
from app.ai_config.catalogue import POLICIES, AgentType
from app.ai_config.errors import ConfigMissing
from app.core.auth import Role
from app.core.resources import Resources
from tests.factories.people import Person, register

SUPPORT = "/api/v1/ai-config/customer_support"
TRIAGE = "/api/v1/ai-config/categorization"


async def test_each_agent_is_delivered_with_a_first_version(desk: httpx2.AsyncClient) -> None:
    listed = (await desk.get("/api/v1/ai-config")).json()
    assert [found["agent_type"] for found in listed] == [kind.value for kind in AgentType]
    support = listed[0]
    assert support == (await desk.get(SUPPORT)).json()
    assert (support["version"], support["model"], support["updated_by"]) == (1, "local", None)
    assert "create_ticket" in support["tools_enabled"]
    assert "JSON document" in support["system_prompt"]


async def test_storing_the_defaults_again_changes_nothing(resources: Resources) -> None:
    for _ in range(2):
        async with resources.db.unit_of_work() as db:
            await service.ensure_defaults(db, resources.settings)
    async with resources.db.session() as db:
        assert [version.row.version for version in await service.all_active(db)] == [1] * len(AgentType)


async def test_an_agent_without_any_configuration_is_a_conflict(resources: Resources) -> None:
    async with resources.db.session() as db:
        with pytest.raises(ConfigMissing):
            await service.active(db, AgentType.CATEGORIZATION)


async def test_a_change_merges_into_the_next_version(desk: httpx2.AsyncClient) -> None:
    answer = await desk.put(SUPPORT, json={"temperature": 0.7, "max_tokens": 1000})
    assert answer.status_code == 200
    assert answer.json() == {
        "agent_type": "customer_support",
        "status": "updated",
        "version": 2,
        "changes": {
            "temperature": {"before": 0.2, "after": 0.7, "diff": None},
            "max_tokens": {"before": 4096, "after": 1000, "diff": None},
        },
    }
    found = (await desk.get(SUPPORT)).json()
    assert (found["version"], found["temperature"], found["timeout"], found["updated_by"]) == (2, 0.7, 120, "root")
    assert (await desk.get(TRIAGE)).json()["version"] == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"temperature": 2.1}, "temperature: Input should be less than or equal to 2"),
        ({"temperature": "warm"}, "temperature: Input should be a valid number"),
        ({"temperature": None}, "temperature must not be null"),
        ({"max_tokens": 0}, "max_tokens: Input should be greater than or equal to 1"),
        ({"max_tokens": 1.5}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": 10**30}, "max_tokens"),
        ({"timeout": 0}, "timeout: Input should be greater than 0"),
        ({"timeout": 10_000}, "timeout: Input should be less than or equal to 900"),
        ({"model": "gpt-17"}, "“gpt-17” is no model name"),
        ({"model": "oracle:delphi"}, "is no model name"),
        ({"system_prompt": " "}, "system_prompt: must not be blank"),
        ({"system_prompt": "a\x00b"}, "system_prompt: must not contain a NUL character"),
        ({"tools_enabled": ["create_ticket", "fly"]}, "customer_support cannot use fly"),
        ({"tools_enabled": ["create_ticket", "create_ticket"]}, "names a tool twice"),
        ({"tools_enabled": ["analyze_file"]}, "cannot do its work without create_ticket"),
        ({"tools_enabled": "create_ticket"}, "tools_enabled: Input should be a valid list"),
        ({"colour": "green"}, "colour: Extra inputs are not permitted"),
        ({}, "give at least one field"),
        ([], "Input should be a valid dictionary"),
    ],
)
async def test_a_bad_value_is_a_400_that_names_it(desk: httpx2.AsyncClient, body: Any, words: str) -> None:
    answer = await desk.put(SUPPORT, json=body)
    assert answer.status_code == 400
    assert answer.json()["code"] == "config_invalid"
    assert words in answer.json()["detail"]
    assert (await desk.get(SUPPORT)).json()["version"] == 1


async def test_a_body_that_is_no_json_is_a_400(desk: httpx2.AsyncClient) -> None:
    answer = await desk.put(SUPPORT, content=b'{"temperature": NaN', headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "config_invalid")
    answer = await desk.put(SUPPORT, content=b'{"temperature": NaN}', headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "config_invalid")


async def test_a_triage_agent_can_never_be_given_a_tool_that_writes(desk: httpx2.AsyncClient) -> None:
    answer = await desk.put(TRIAGE, json={"tools_enabled": ["categorize_issue", "create_ticket"]})
    assert answer.status_code == 400
    assert "categorization cannot use create_ticket" in answer.json()["detail"]


async def test_a_model_of_a_known_provider_is_accepted_before_its_credentials_are(desk: httpx2.AsyncClient) -> None:
    answer = await desk.put(SUPPORT, json={"model": "anthropic:claude-sonnet-4-5"})
    assert answer.status_code == 200
    assert answer.json()["changes"]["model"]["after"] == "anthropic:claude-sonnet-4-5"


async def test_changes_at_the_same_time_get_versions_of_their_own(desk: httpx2.AsyncClient) -> None:
    answers = await asyncio.gather(*(desk.put(SUPPORT, json={"max_tokens": 100 + n}) for n in range(6)))
    assert sorted(answer.json()["version"] for answer in answers) == [2, 3, 4, 5, 6, 7]


async def test_the_history_tells_who_changed_what(desk: httpx2.AsyncClient) -> None:
    prompt = (await desk.get(SUPPORT)).json()["system_prompt"]
    await desk.put(SUPPORT, json={"system_prompt": prompt + "\nBe brief."})
    await desk.put(SUPPORT, json={"temperature": 0.0})
    third, second, first = (await desk.get(f"{SUPPORT}/history")).json()
    assert [entry["version"] for entry in (third, second, first)] == [3, 2, 1]
    assert (third["updated_by"], first["updated_by"]) == ("root", None)
    assert third["changes"] == {"temperature": {"before": 0.2, "after": 0.0, "diff": None}}
    assert "+Be brief." in second["changes"]["system_prompt"]["diff"]
    assert first["changes"] == {}


async def test_the_history_comes_in_pages_that_still_know_what_changed(desk: httpx2.AsyncClient) -> None:
    for tokens in (10, 20, 30):
        await desk.put(SUPPORT, json={"max_tokens": tokens})
    page = await desk.get(f"{SUPPORT}/history", params={"limit": 2})
    assert [entry["changes"]["max_tokens"]["after"] for entry in page.json()] == [30, 20]
    rest = await desk.get(page.headers["Link"].partition(">")[0].removeprefix("<"))
    assert [entry["version"] for entry in rest.json()] == [2, 1]
    assert "Link" not in rest.headers
    assert (await desk.get(f"{SUPPORT}/history", params={"limit": 0})).status_code == 422
    assert (await desk.get(f"{SUPPORT}/history", params={"cursor": "x"})).json()["code"] == "cursor_invalid"


async def test_a_rollback_is_a_new_version_equal_to_the_old(desk: httpx2.AsyncClient) -> None:
    before = (await desk.get(SUPPORT)).json()
    await desk.put(SUPPORT, json={"temperature": 1.5, "model": "openai:gpt-5"})
    answer = await desk.post(f"{SUPPORT}/rollback", json={"version": 1})
    assert answer.status_code == 200
    assert answer.json()["version"] == 3
    assert answer.json()["changes"]["temperature"] == {"before": 1.5, "after": 0.2, "diff": None}
    after = (await desk.get(SUPPORT)).json()
    assert {**after, "version": 1, "updated_at": None, "updated_by": None} == {**before, "updated_at": None}


async def test_a_repeated_rollback_with_one_key_adds_one_version(desk: httpx2.AsyncClient) -> None:
    headers = {"Idempotency-Key": "back"}
    first = await desk.post(f"{SUPPORT}/rollback", json={"version": 1}, headers=headers)
    again = await desk.post(f"{SUPPORT}/rollback", json={"version": 1}, headers=headers)
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize(("version", "code"), [(99, "config_version_unknown"), (2**31 - 1, "config_version_unknown")])
async def test_a_version_that_never_was_cannot_come_back(desk: httpx2.AsyncClient, version: int, code: str) -> None:
    answer = await desk.post(f"{SUPPORT}/rollback", json={"version": version})
    assert (answer.status_code, answer.json()["code"]) == (404, code)


async def test_a_version_that_no_row_could_have_is_refused(desk: httpx2.AsyncClient) -> None:
    assert (await desk.post(f"{SUPPORT}/rollback", json={"version": 2**31})).status_code == 400
    assert (await desk.post(f"{SUPPORT}/rollback", json={"version": 0})).status_code == 400


async def test_an_unknown_agent_is_404(desk: httpx2.AsyncClient) -> None:
    calls = [
        desk.get("/api/v1/ai-config/poet"),
        desk.put("/api/v1/ai-config/poet", json={"temperature": 1}),
        desk.get("/api/v1/ai-config/poet/history"),
        desk.post("/api/v1/ai-config/poet/rollback", json={"version": 1}),
        desk.post("/api/v1/ai-config/poet/test", json={"config": {"temperature": 1}, "input": "x"}),
    ]
    answers = await asyncio.gather(*calls)
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "agent_type_unknown")] * 5


@pytest.mark.parametrize("role", [Role.CUSTOMER, Role.AGENT, Role.SUPERVISOR])
async def test_only_administrators_may_look_or_change(
    api: httpx2.AsyncClient, resources: Resources, role: Role
) -> None:
    person: Person = await register(resources, role)
    answers = [
        await api.get("/api/v1/ai-config", headers=person.headers),
        await api.get(SUPPORT, headers=person.headers),
        await api.put(SUPPORT, json={"temperature": 1}, headers=person.headers),
        await api.get(f"{SUPPORT}/history", headers=person.headers),
        await api.post(f"{SUPPORT}/rollback", json={"version": 1}, headers=person.headers),
        await api.post(f"{SUPPORT}/test", json={"config": {"temperature": 1}, "input": "x"}, headers=person.headers),
    ]
    assert [answer.status_code for answer in answers] == [403] * 6
    assert (await api.get(SUPPORT)).status_code == 401


async def test_nobody_but_an_administrator_sees_a_version_even_through_the_service(resources: Resources) -> None:
    person = await register(resources, Role.SUPERVISOR)
    async with resources.db.unit_of_work() as db:
        await service.ensure_defaults(db, resources.settings)
        page = await service.history(db, person.who, AgentType.CUSTOMER_SUPPORT, cursor=None, limit=5)
    assert page.rows == []


def test_what_is_required_and_delivered_is_allowed() -> None:
    for policy in POLICIES.values():
        assert policy.required <= set(policy.default) <= policy.allowed
