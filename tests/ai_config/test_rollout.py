"""A candidate beside the active version: who gets it, and how its part ends."""

import asyncio

import httpx2
import pytest
from fastapi import FastAPI

from app.agents import service as agents
from app.ai_config import service
from app.ai_config.catalogue import AgentType
from app.core.auth import Role
from app.core.resources import Resources
from app.inference.operations import Operation
from app.models.agent import AgentRun
from tests.factories.people import Person, register
from tests.factories.runs import deliver, tool_server

TRIAGE = "/api/v1/ai-config/categorization"


async def versions(db_of: Resources, keys: list[str]) -> list[int]:
    async with db_of.db.session() as db:
        return [(await service.chosen(db, AgentType.CATEGORIZATION, key)).version for key in keys]


async def test_a_candidate_stands_beside_the_active_version_and_takes_its_share(
    desk: httpx2.AsyncClient, resources: Resources
) -> None:
    answer = await desk.put(TRIAGE, json={"temperature": 0.9, "rollout": 30})
    assert answer.status_code == 200, answer.text
    assert {**answer.json(), "changes": None} == {
        "agent_type": "categorization",
        "status": "candidate",
        "version": 2,
        "rollout": 30,
        "changes": None,
    }
    shown = (await desk.get(TRIAGE)).json()
    assert (shown["version"], shown["temperature"], shown["candidate"]) == (1, 0.2, {"version": 2, "rollout": 30})
    keys = [f"ticket:{number}" for number in range(100)]
    first = await versions(resources, keys)
    assert 15 <= first.count(2) <= 45
    assert first == await versions(resources, keys)
    await desk.put(TRIAGE, json={"rollout": 60})
    wider = await versions(resources, keys)
    assert {key for key, version in zip(keys, first, strict=True) if version == 2} < {
        key for key, version in zip(keys, wider, strict=True) if version == 2
    }
    history = (await desk.get(f"{TRIAGE}/history")).json()
    assert [(one["version"], one["status"], one["rollout"]) for one in history] == [
        (2, "candidate", 60),
        (1, "active", 40),
    ]


@pytest.mark.parametrize("by_put", [True, False])
async def test_a_promoted_candidate_is_the_active_version(desk: httpx2.AsyncClient, by_put: bool) -> None:
    await desk.put(TRIAGE, json={"temperature": 0.9, "rollout": 1})
    if by_put:
        answer = await desk.put(TRIAGE, json={"rollout": 100})
    else:
        answer = await desk.post(f"{TRIAGE}/promote")
    assert (answer.status_code, answer.json()["status"], answer.json()["version"]) == (200, "updated", 2)
    shown = (await desk.get(TRIAGE)).json()
    assert (shown["version"], shown["temperature"], "candidate" in shown) == (2, 0.9, False)
    assert (await desk.post(f"{TRIAGE}/promote")).json()["code"] == "candidate_missing"
    assert (await desk.put(TRIAGE, json={"rollout": 50})).status_code == 409


async def test_a_rollback_and_a_full_change_end_the_candidates_part(
    desk: httpx2.AsyncClient, resources: Resources
) -> None:
    await desk.put(TRIAGE, json={"temperature": 0.9, "rollout": 99})
    back = (await desk.post(f"{TRIAGE}/rollback", json={"version": 1})).json()
    assert (back["version"], back["ended_candidate"], back["changes"]) == (3, 2, {})
    assert set(await versions(resources, [f"run:{n}" for n in range(20)])) == {3}
    await desk.put(TRIAGE, json={"temperature": 0.9, "rollout": 50})
    second = (await desk.put(TRIAGE, json={"temperature": 1.0, "rollout": 50})).json()
    assert second["ended_candidate"] == 4
    third = (await desk.put(TRIAGE, json={"max_tokens": 99})).json()
    assert (third["version"], third["ended_candidate"]) == (6, 5)
    history = (await desk.get(f"{TRIAGE}/history")).json()
    # Each is compared with what was active, not with the candidate that was tried in between.
    assert [(one["version"], one["based_on"], sorted(one["changes"])) for one in history] == [
        (6, 3, ["max_tokens"]),
        (5, 3, ["temperature"]),
        (4, 3, ["temperature"]),
        (3, 1, []),
        (2, 1, ["temperature"]),
        (1, None, []),
    ]


@pytest.mark.parametrize("rollout", [0, 101, 1.5, "10", True])
async def test_a_rollout_is_a_percent(desk: httpx2.AsyncClient, rollout: object) -> None:
    answer = await desk.put(TRIAGE, json={"temperature": 1, "rollout": rollout})
    assert (answer.status_code, answer.json()["code"]) == (400, "config_invalid")
    assert "rollout" in answer.json()["detail"]


async def test_only_administrators_promote(api: httpx2.AsyncClient, resources: Resources) -> None:
    person: Person = await register(resources, Role.SUPERVISOR)
    assert (await api.post(f"{TRIAGE}/promote", headers=person.headers)).status_code == 403


async def test_promotions_and_changes_at_once_leave_one_active_version(desk: httpx2.AsyncClient) -> None:
    await desk.put(TRIAGE, json={"temperature": 0.9, "rollout": 50})
    calls = [desk.post(f"{TRIAGE}/promote") for _ in range(3)]
    calls += [desk.put(TRIAGE, json={"max_tokens": 50 + n}) for n in range(3)]
    answers = await asyncio.gather(*calls)
    assert {answer.status_code for answer in answers} <= {200, 409}
    shown = (await desk.get(TRIAGE)).json()
    assert (shown["version"], "candidate" in shown) == (5, False)


async def test_runs_record_the_version_they_used(app: FastAPI, desk: httpx2.AsyncClient, resources: Resources) -> None:
    person = await register(resources)
    ids = []
    async with tool_server(resources) as equipped:
        for rollout in (1, 99, None):
            if rollout is not None:
                await desk.put(TRIAGE, json={"temperature": 0.9, "rollout": rollout})
            else:
                await desk.post(f"{TRIAGE}/promote")
            async with resources.db.unit_of_work() as db:
                document = {"user_input": "I was charged twice.", "ticket_id": 7, "material": {}}
                run, _ = await agents.request(
                    db, person.who, operation=Operation.CATEGORIZE, document=document, files=[]
                )
                ids.append(run.id)
            await deliver(equipped)
    async with resources.db.session() as db:
        rows = [await db.get(AgentRun, one) for one in ids]
    async with resources.db.session() as db:
        expected = [
            2 if service.takes_part(AgentType.CATEGORIZATION, 2, "ticket:7", 1) else 1,
            3 if service.takes_part(AgentType.CATEGORIZATION, 3, "ticket:7", 99) else 1,
            3,
        ]
    assert [row.config_version for row in rows if row is not None] == expected
    assert all(row is not None and row.status == "completed" for row in rows)
