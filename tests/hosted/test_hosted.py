"""Models at AWS as tools see them, with AWS here: what is sent, what is hidden, what is on record, what goes wrong."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from fastmcp.exceptions import ToolError
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.core.auth import Role
from app.core.resources import Resources
from app.core.settings import AwsSettings, ModelSettings
from app.models.spending import ModelCallRow
from app.providers import service as providers
from tests.factories.people import Person, register
from tests.factories.runs import serving, tool_server
from tests.mcp_server.calling import call

TITAN = "amazon.titan-embed-text-v2:0"
NOVA = "amazon.nova-lite-v1:0"
SET_UP = AwsSettings(
    region="eu-central-1",
    classify_endpoint="tickets",
    resolution_endpoint="hours",
    answer_model=NOVA,
    embed_model=TITAN,
    timeout_seconds=60,
)
TEXT = "Write to jane.doe@example.com: the VPN is down."
ASKED: dict[str, dict[str, Any]] = {
    "sagemaker_classify_ticket": {"text": TEXT},
    "sagemaker_predict_resolution_time": {"text": TEXT, "category": "bug", "priority": "high"},
    "bedrock_embed": {"text": TEXT},
    "bedrock_answer": {"question": "Whom to write to?", "material": [TEXT]},
}


@dataclass
class Aws:
    """Answers as SageMaker's and Bedrock's runtimes do; `failing` is the next answer instead."""

    failing: Response | None = None
    asked: list[tuple[str, Any]] = field(default_factory=list)
    answers: dict[str, Any] = field(
        default_factory=lambda: {
            "/endpoints/tickets/invocations": {
                "predictions": [{"label": "network", "confidence": 0.9, "alternatives": []}]
            },
            "/endpoints/hours/invocations": {"predictions": [{"hours": 5.5, "low": 1, "high": 12}]},
            f"/model/{TITAN}/invoke": {"embedding": [0.5, -0.5], "inputTextTokenCount": 12},
            f"/model/{NOVA}/converse": {
                "output": {"message": {"role": "assistant", "content": [{"text": "To [EMAIL_1]."}]}},
                "stopReason": "end_turn",
                "usage": {"inputTokens": 100, "outputTokens": 10, "totalTokens": 110},
                "metrics": {"latencyMs": 1},
            },
        }
    )

    async def answer(self, request: Request) -> Response:
        assert request.headers["authorization"].startswith("AWS4-HMAC-SHA256 ")
        path = f"/{request.path_params['path']}"
        self.asked.append((path, await request.json()))
        failing, self.failing = self.failing, None
        return failing or JSONResponse(self.answers[path])


@pytest.fixture
async def aws(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Aws]:
    peer = Aws()
    async with serving(Starlette(routes=[Route("/{path:path}", peer.answer, methods=["POST"])])) as address:
        for name in ("SAGEMAKER_RUNTIME", "BEDROCK_RUNTIME"):
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{name}", address)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
        yield peer


def with_models(resources: Resources, aws: AwsSettings) -> Resources:
    models = ModelSettings(bedrock_region="eu-central-1")
    return replace(resources, settings=resources.settings.model_copy(update={"aws": aws, "models": models}))


@pytest.fixture
async def admin(resources: Resources) -> Person:
    return await register(resources, Role.ADMIN, "root1")


@pytest.fixture
async def hosted(resources: Resources, aws: Aws, admin: Person) -> AsyncIterator[Resources]:
    async with resources.db.unit_of_work() as db:
        # Nothing is tried twice.
        await providers.PLATFORM.update(db, admin.who, values={"providers": {"default": {"attempts": 1}}})
    async with tool_server(with_models(resources, SET_UP)) as found:
        yield found


async def calls(resources: Resources) -> list[ModelCallRow]:
    async with resources.db.session() as db:
        return list((await db.execute(select(ModelCallRow).order_by(ModelCallRow.id))).scalars())


async def test_models_answer_see_no_personal_data_and_are_on_record(hosted: Resources, aws: Aws, admin: Person) -> None:
    found = {tool: await call(hosted, admin, tool, **arguments) for tool, arguments in ASKED.items()}
    assert found["sagemaker_classify_ticket"] == {"label": "network", "confidence": 0.9, "alternatives": []}
    assert found["sagemaker_predict_resolution_time"] == {"hours": 5.5, "low": 1, "high": 12}
    assert found["bedrock_embed"] == {"vector": [0.5, -0.5], "dimensions": 2}
    assert found["bedrock_answer"] == {"answer": "To jane.doe@example.com.", "model": f"bedrock:{NOVA}"}
    assert "jane.doe" not in json.dumps(aws.asked)
    assert json.dumps(aws.asked).count("[EMAIL_1]") == len(ASKED)
    assert aws.asked[1][1]["instances"][0]["priority"] == "high"
    rows = await calls(hosted)
    assert [(row.provider, row.outcome, row.operation) for row in rows] == [
        ("sagemaker", "answered", "categorize"),
        ("sagemaker", "answered", "triage"),
        ("bedrock", "answered", "embed"),
        ("bedrock", "answered", "answer"),
    ]
    assert [row.cost_usd is None for row in rows[:2]] == [True, True]
    assert rows[3].cost_usd is not None
    assert rows[3].cost_usd > 0
    assert {row.user_id for row in rows} == {admin.id}


async def test_a_model_that_is_not_set_up_says_what_to_set(resources: Resources, admin: Person) -> None:
    settings = dict(
        zip(ASKED, ("CLASSIFY_ENDPOINT", "RESOLUTION_ENDPOINT", "EMBED_MODEL", "ANSWER_MODEL"), strict=True)
    )
    async with tool_server(resources) as plain:
        for tool, arguments in ASKED.items():
            with pytest.raises(ToolError, match=f"has to set EVIDESK_AWS__{settings[tool]}"):
                await call(plain, admin, tool, **arguments)
    assert await calls(resources) == []


@pytest.mark.parametrize("tool", ASKED)
async def test_what_goes_wrong_is_said_so_that_one_can_act(
    hosted: Resources, aws: Aws, admin: Person, tool: str
) -> None:
    for status, kind, words in (
        (400, "ThrottlingException", "again"),
        (500, "InternalFailure", "again later"),
        (400, "ValidationException", "refused the request"),
    ):
        aws.failing = JSONResponse({"message": "jane.doe said"}, status, headers={"x-amzn-ErrorType": kind})
        with pytest.raises(ToolError, match=words) as raised:
            await call(hosted, admin, tool, **ASKED[tool])
        assert "jane" not in str(raised.value)
    rows = await calls(hosted)
    assert [row.outcome for row in rows] == ["failed"] * 3
    for answer in (JSONResponse({"predictions": []}), Response("no json")):
        if tool != "bedrock_answer":
            aws.failing = answer
            with pytest.raises(ToolError, match="no usable answer"):
                await call(hosted, admin, tool, **ASKED[tool])


async def test_nothing_is_asked_when_the_budget_is_spent(hosted: Resources, aws: Aws, admin: Person) -> None:
    await call(hosted, admin, "bedrock_answer", **ASKED["bedrock_answer"])
    async with hosted.db.unit_of_work() as db:
        await providers.PLATFORM.update(db, admin.who, values={"costs": {"monthly_budget_usd": 0.000001}})
    for tool, arguments in ASKED.items():
        with pytest.raises(ToolError, match="budget for models is spent"):
            await call(hosted, admin, tool, **arguments)
    assert len(aws.asked) == 1
