"""A remote reranker within a desk: the rules of all models hold for it, and a search never waits for a broken one."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from app.ai_config import service as ai_config
from app.analytics import service as analytics
from app.core.auth import Role
from app.core.resources import Resources
from app.core.settings import RerankerSettings
from app.hosted.reranking import reranker_for
from app.inference.calls import ModelCall
from app.inference.errors import ModelBudgetSpent, ModelBusy, ModelFailed
from app.inference.operations import Operation
from app.inference.platform import CostSection
from app.inference.reranking import RERANKER, Reranker
from app.models.spending import ModelCallRow
from app.providers import service as providers
from app.providers.schemas import ProviderOut
from tests.factories.people import Person, register
from tests.factories.runs import serving
from tests.inference.test_rerankers import QUESTION, TEXTS, Peer

NAME = "http:rerank-3"
RULES = {
    "breaker": {"failures": 2, "window_seconds": 600, "open_seconds": 600},
    "providers": {RERANKER: {"concurrency": 1}},
    "prices": {NAME: {"input": 2.0, "output": 0.0}},
}


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    found = Peer()
    async with serving(Starlette(routes=[Route("/{path:path}", found.answer, methods=["POST"])])) as address:
        found.address = address
        yield found


@pytest.fixture
async def admin(resources: Resources) -> Person:
    async with resources.db.unit_of_work() as db:
        await ai_config.ensure_defaults(db, resources.settings)
    return await register(resources, Role.ADMIN, "root1")


@pytest.fixture
async def desk(resources: Resources, peer: Peer, admin: Person) -> Resources:
    async with resources.db.unit_of_work() as db:
        await providers.PLATFORM.update(db, admin.who, values=RULES)
    chosen = RerankerSettings(kind="http", url=f"{peer.address}/v1/rerank", model="rerank-3", timeout_seconds=30)
    return replace(resources, settings=resources.settings.model_copy(update={"reranker": chosen}))


def made(desk: Resources, admin: Person) -> Reranker:
    found = reranker_for(desk, admin.who)
    assert found is not None
    return found


async def shown(desk: Resources) -> ProviderOut:
    async with desk.db.reading() as db:
        (one,) = [one for one in (await providers.providers(desk, db)).providers if one.name == RERANKER]
    return one


async def test_each_call_is_on_record_with_what_it_cost_and_without_personal_data(
    desk: Resources, peer: Peer, admin: Person
) -> None:
    results = [{"index": index, "relevance_score": 0.5} for index in range(3)]
    peer.failing = JSONResponse({"results": results, "usage": {"total_tokens": 1_000}})
    assert await made(desk, admin).scores(QUESTION, TEXTS) == [0.5, 0.5, 0.5]
    assert await made(desk, admin).scores(QUESTION, TEXTS) == pytest.approx([0.1, 0.2, 0.3])
    assert "jane" not in json.dumps([asked for _, _, asked in peer.asked])
    # One person has one placeholder, so that question and passage still fit.
    (mail,) = {word for word in peer.asked[0][2]["query"].split() if "EMAIL" in word}
    assert mail in peer.asked[0][2]["documents"][1]
    async with desk.db.session() as db:
        rows = list((await db.execute(select(ModelCallRow).order_by(ModelCallRow.id))).scalars())
    assert [(row.model, row.provider, row.operation, row.outcome) for row in rows] == [
        (NAME, RERANKER, "rerank", "answered")
    ] * 2
    # A server that does not count has no known price, which is not the same as costing nothing.
    assert [row.cost_usd for row in rows] == [pytest.approx(0.002), None]
    assert {row.user_id for row in rows} == {admin.id}


async def test_one_that_keeps_failing_rests_and_an_administrator_sees_it_and_wakes_it(
    desk: Resources, peer: Peer, admin: Person
) -> None:
    assert (await shown(desk)).breaker.state == "closed"
    for _ in range(2):
        peer.failing = JSONResponse({"message": "no"}, 500)
        with pytest.raises(ModelFailed):
            await made(desk, admin).scores(QUESTION, TEXTS)
    with pytest.raises(ModelBusy, match="rests"):
        await made(desk, admin).scores(QUESTION, TEXTS)
    assert len(peer.asked) == 2
    one = await shown(desk)
    assert (one.breaker.state, one.concurrency, one.request_seconds, one.attempts) == ("open", 1, 30, 1)
    async with desk.db.unit_of_work() as db:
        assert (await providers.reset_breaker(desk, db, RERANKER)).breaker.state == "closed"
    assert len(await made(desk, admin).scores(QUESTION, TEXTS)) == 3


async def test_no_more_searches_than_are_allowed_ask_it_at_once(desk: Resources, peer: Peer, admin: Person) -> None:
    async with desk.slots.hold(RERANKER, limit=1, seconds=60, wait_seconds=0):
        with pytest.raises(ModelBusy):
            await made(desk, admin).scores(QUESTION, TEXTS)
    assert peer.asked == []
    assert len(await made(desk, admin).scores(QUESTION, TEXTS)) == 3


async def test_it_is_not_asked_when_the_months_budget_is_spent(desk: Resources, peer: Peer, admin: Person) -> None:
    async with desk.db.unit_of_work() as db:
        await providers.PLATFORM.update(db, admin.who, values={"costs": {"monthly_budget_usd": 1.0}})
    spent = ModelCall("openai:gpt-4o", "openai", "answered", cost_usd=Decimal(5))
    costs = CostSection(monthly_budget_usd=1.0)
    await analytics.record_alone(desk, [spent], user_id=admin.id, operation=Operation.ANSWER, costs=costs)
    with pytest.raises(ModelBudgetSpent):
        await made(desk, admin).scores(QUESTION, TEXTS)
    assert peer.asked == []


async def test_a_desk_without_a_remote_one_shows_none(resources: Resources, admin: Person) -> None:
    assert reranker_for(resources, admin.who) is None
    async with resources.db.reading() as db:
        assert RERANKER not in {one.name for one in (await providers.providers(resources, db)).providers}
