"""A remote provider, all of the way: configured by name, called over HTTP as Amazon Bedrock is, failing as it fails."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.agents import service
from app.ai_config import service as ai_config
from app.ai_config.catalogue import AgentType
from app.core.auth import Role
from app.core.resources import Resources
from app.core.settings import ModelSettings
from app.providers import service as providers
from tests.agents.models import ANSWER, DRAFT
from tests.agents.running import ask, look, tickets_there_are
from tests.factories.people import Person, register
from tests.factories.runs import serving

MODEL = "amazon.nova-lite-v1:0"


@dataclass
class Converse:
    """The Converse operation: answers with the given tool calls in turn, and refuses to call what was not offered."""

    calls: list[tuple[str, dict[str, Any]]]
    status: int = 200
    asked: list[dict[str, Any]] = field(default_factory=list)
    not_offered: list[str] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        assert request.path_params["model"] == MODEL
        assert request.headers["authorization"].startswith("AWS4-HMAC-SHA256 ")
        asked = await request.json()
        self.asked.append(asked)
        if self.status != 200:
            kind = {429: "ThrottlingException", 500: "InternalServerException"}.get(self.status, "ValidationException")
            return JSONResponse({"message": "no"}, self.status, headers={"x-amzn-ErrorType": kind})
        name, arguments = self.calls[min(len(self.asked), len(self.calls)) - 1]
        if name not in {tool["toolSpec"]["name"] for tool in asked["toolConfig"]["tools"]}:
            self.not_offered.append(name)
        use = {"toolUseId": f"use-{len(self.asked)}", "name": name, "input": arguments}
        return JSONResponse(
            {
                "output": {"message": {"role": "assistant", "content": [{"toolUse": use}]}},
                "stopReason": "tool_use",
                "usage": {"inputTokens": 1000, "outputTokens": 100, "totalTokens": 1100},
                "metrics": {"latencyMs": 1},
            }
        )


@pytest.fixture
async def converse() -> Converse:
    return Converse([("create_ticket", DRAFT), ("final_result", ANSWER)])


@pytest.fixture
async def remote(equipped: Resources, converse: Converse, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Resources]:
    """The support agent is configured for Bedrock, and Bedrock is here."""
    admin = await register(equipped, Role.ADMIN)
    async with equipped.db.unit_of_work() as db:
        await ai_config.update(db, admin.who, AgentType.CUSTOMER_SUPPORT, values={"model": f"bedrock:{MODEL}"})
        # Nobody stands in, and nothing is tried twice.
        alone = {"fallbacks": {}, "providers": {"default": {"attempts": 1}}}
        await providers.PLATFORM.update(db, admin.who, values=alone)
    async with serving(
        Starlette(routes=[Route("/model/{model}/converse", converse.answer, methods=["POST"])])
    ) as address:
        for name, value in (
            ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", address),
            ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "example"),
            ("AWS_MAX_ATTEMPTS", "1"),
        ):
            monkeypatch.setenv(name, value)
        settings = equipped.settings.model_copy(update={"models": ModelSettings(bedrock_region="eu-central-1")})
        yield replace(equipped, settings=settings)


async def test_a_remote_model_opens_the_ticket_through_the_tools(
    remote: Resources, converse: Converse, ada: Person
) -> None:
    run = await ask(remote, ada)
    await service.execute(remote, run.job_id)
    found = await look(remote, ada, run)
    assert (found.status, found.error, found.model) == ("completed", None, f"bedrock:{MODEL}")
    assert (found.ticket_id, [call.tool for call in found.tool_calls]) == (1, ["create_ticket"])
    assert (found.input_tokens, found.output_tokens) == (2000, 200)
    assert found.cost_usd is not None
    assert 0 < found.cost_usd < 0.01
    assert converse.not_offered == []
    first, second = converse.asked
    assert first["inferenceConfig"] == {"maxTokens": 4096, "temperature": 0.2}
    system = " ".join(part["text"] for part in first["system"] if "text" in part)
    assert "You are the intake agent" in system
    said = json.loads(first["messages"][0]["content"][0]["text"])
    assert said["user_input"] == "The checkout fails with ERR_PAYMENT_504."
    assert said["user_input"] not in system
    answered = second["messages"][-1]["content"][0]["toolResult"]
    assert answered["status"] == "success"
    assert "Checkout fails" in json.dumps(answered)


@pytest.mark.parametrize(
    ("status", "state", "words"),
    [
        (429, "queued", "The model's provider asks for fewer requests (HTTP 429)."),
        (500, "queued", "The model's provider has a failure of its own (HTTP 500)."),
        (400, "failed", "The model's provider refused the request (HTTP 400)."),
    ],
)
async def test_what_the_provider_refuses_is_told_with_its_reason(
    remote: Resources, converse: Converse, ada: Person, status: int, state: str, words: str
) -> None:
    converse.status = status
    run = await ask(remote, ada)
    await service.execute(remote, run.job_id)
    found = await look(remote, ada, run)
    assert (found.status, found.error) == (state, words)
    assert await tickets_there_are(remote) == 0


async def test_a_provider_that_comes_back_finishes_the_run(remote: Resources, converse: Converse, ada: Person) -> None:
    converse.status = 500
    run = await ask(remote, ada)
    await service.execute(remote, run.job_id)
    converse.status = 200
    converse.asked.clear()
    await service.execute(remote, run.job_id)
    found = await look(remote, ada, run)
    assert (found.status, found.attempts, found.error) == ("completed", 2, None)


async def test_an_answer_of_the_wrong_form_is_asked_for_again(
    remote: Resources, converse: Converse, ada: Person
) -> None:
    converse.calls.insert(1, ("final_result", {**ANSWER, "confidence": 7}))
    run = await ask(remote, ada)
    await service.execute(remote, run.job_id)
    assert (await look(remote, ada, run)).status == "completed"
    assert "less than or equal to 1" in json.dumps(converse.asked[2]["messages"][-1])
