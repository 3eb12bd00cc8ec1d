"""A candidate beside the active version: same input, nothing kept."""

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from app.agents import service as agents
from app.ai_config import service
from app.ai_config.catalogue import AgentType
from app.ai_config.schemas import ConfigValues
from app.core.auth import Role
from app.core.resources import Resources
from app.models.agent import AgentRun, AiConfig
from app.models.ticket import Ticket
from tests.agents.models import Script, answering, calling, refusing
from tests.factories.people import Person, register
from tests.factories.runs import tool_server

SUPPORT = "/api/v1/ai-config/customer_support"


async def test_both_configurations_answer_and_nothing_is_saved(
    app: FastAPI, resources: Resources, desk: httpx2.AsyncClient
) -> None:
    async with tool_server(resources) as app.state.resources:
        config = {"temperature": 0.9, "tools_enabled": ["create_ticket", "extract_entities"]}
        body = {"config": config, "input": "Checkout fails with ERR_PAYMENT_504 for everybody."}
        answer = await desk.post(f"{SUPPORT}/test", json=body)
    assert answer.status_code == 200, answer.text
    candidate, active = answer.json()["candidate"], answer.json()["active"]
    assert (candidate["version"], active["version"]) == (None, 1)
    for found in (candidate, active):
        assert (found["status"], found["error"], found["model"]) == ("completed", None, "local")
        assert found["result"]["ticket_id"] is None
        assert found["result"]["category"]
    assert candidate["tool_calls"] == []
    assert "categorize_issue" in [call["tool"] for call in active["tool_calls"]]
    (note,) = answer.json()["notes"]
    assert "local plans by rule and reads no prompt, so temperature change" in note
    async with resources.db.session() as db:
        counts = [
            (await db.execute(select(func.count()).select_from(kind))).scalar_one() for kind in (Ticket, AgentRun)
        ]
        assert counts == [0, 0]
        assert (await db.execute(select(func.max(AiConfig.version)))).scalar_one() == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"config": {"temperature": 9}, "input": "x"}, 400),
        ({"config": {"model": "gpt-17"}, "input": "x"}, 400),
        ({"config": {"tools_enabled": []}, "input": "x"}, 400),
        ({"config": {}, "input": "x"}, 400),
        ({"config": {"temperature": 1}}, 400),
        ({"config": {"temperature": 1}, "input": " "}, 400),
    ],
)
async def test_a_candidate_that_could_not_be_saved_cannot_be_tried(
    desk: httpx2.AsyncClient, body: dict[str, object], status: int
) -> None:
    answer = await desk.post(f"{SUPPORT}/test", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, "config_invalid")


async def test_a_candidate_that_fails_is_shown_failing_and_was_never_offered_to_write(resources: Resources) -> None:
    boss: Person = await register(resources, Role.ADMIN)
    async with resources.db.unit_of_work() as db:
        await service.ensure_defaults(db, resources.settings)
    async with resources.db.session() as db:
        values = ConfigValues.model_validate(await service.active(db, AgentType.CUSTOMER_SUPPORT))
    candidate, active = Script([refusing(429)]), Script([calling("get_nothing"), answering()])

    async with tool_server(resources) as equipped:
        found = await agents.try_out(
            equipped,
            boss.who,
            AgentType.CUSTOMER_SUPPORT,
            candidate=values.model_copy(update={"model": "candidate"}),
            active=values,
            version=1,
            text="x",
            resolve=lambda name, settings: (candidate if name == "candidate" else active).resolve(name, settings),
        )
    assert (found.candidate.status, found.active.status) == ("failed", "completed")
    assert found.notes == []
    assert found.candidate.error == "The model's provider asks for fewer requests (HTTP 429)."
    for script in (candidate, active):
        assert "create_ticket" not in script.offered
        assert "search_tickets" in script.offered
