"""Searches as they went: kept for administrators, for a while, without personal data."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
from sqlalchemy import select, update

from app.conversations import service as conversations
from app.core.auth import Role
from app.core.clock import now
from app.core.resources import Resources
from app.core.settings import KnowledgeSettings
from app.core.telemetry import correlation_id
from app.knowledge import service as knowledge
from app.knowledge.diagnosis import Diagnosis
from app.models.conversation import Escalation
from app.models.job import Job
from app.models.search_record import SearchRecord
from app.relay.housekeeping import prune
from tests.factories.people import Person, register
from tests.knowledge.conftest import index_all

DOCUMENTS, SEARCH, SEARCHES = (f"/api/v1/knowledge/{name}" for name in ("documents", "search", "searches"))


async def document(api: httpx2.AsyncClient, resources: Resources) -> str:
    agent = await register(resources, Role.AGENT)
    body = {"title": "Manual", "text": "The printer shows E-77 when its tray is empty."}
    made = await api.post(DOCUMENTS, json=body, headers=agent.headers)
    await index_all(resources)
    return str(made.json()["doc_id"])


async def kept(api: httpx2.AsyncClient, who: Person, **asked: Any) -> Any:
    answer = await api.get(SEARCHES, params=asked, headers=who.headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_search_is_kept_with_what_it_found_and_how_long_it_took(
    api: httpx2.AsyncClient, resources: Resources
) -> None:
    boss, ada = await register(resources, Role.ADMIN), await register(resources)
    doc_id = await document(api, resources)
    asked = "What is E-77? Tell ada@example.com"
    headers = {**ada.headers, "X-Request-ID": "asked-by-ada"}
    await api.get(SEARCH, params={"q": asked}, headers=headers)
    await api.get(SEARCH, params={"q": "Anything else"}, headers=boss.headers)
    (one,) = await kept(api, boss, correlation_id="asked-by-ada")
    assert one["query"] == "What is E-77? Tell [EMAIL]"
    assert (one["reader_id"], one["reader_role"], one["found"]) == (ada.id, "customer", 1)
    assert one["config"]["embedder"] == "local"
    (candidate,) = one["candidates"]
    assert (candidate["doc_id"], candidate["score"]) == (doc_id, 0.85)
    assert candidate["lexical"] > 0 < candidate["vector"]
    assert {"embedding", "by_words", "by_meaning", "scoring"} <= one["timings"].keys()
    assert [found["reader_id"] for found in await kept(api, boss)] == [boss.id, ada.id]
    refused = await api.get(SEARCHES, headers=ada.headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


async def test_the_evidence_pack_leads_to_the_searches_behind_it(api: httpx2.AsyncClient, resources: Resources) -> None:
    boss, ada = await register(resources, Role.ADMIN), await register(resources)
    await document(api, resources)
    session = (await api.post("/api/v1/sessions", headers=ada.headers)).json()["session_id"]
    body = {"content": "What does a new battery for the drone cost?"}
    await api.post(f"/api/v1/sessions/{session}/messages", json=body, headers=ada.headers)
    async with resources.db.session() as db:
        job_id = (await db.execute(select(Job.id).where(Job.kind == conversations.TURN))).scalar_one()
    token = correlation_id.set("turn-1")
    try:
        await conversations.take_turn(resources, UUID(str(job_id)))
    finally:
        correlation_id.reset(token)
    async with resources.db.session() as db:
        evidence = (await db.execute(select(Escalation.evidence))).scalar_one()
    (one,) = await kept(api, boss, correlation_id=evidence["correlation_id"])
    assert (one["query"], one["reader_id"]) == (body["content"], ada.id)


async def test_as_few_as_wished_are_kept_and_none_for_ever(api: httpx2.AsyncClient, resources: Resources) -> None:
    boss = await register(resources, Role.ADMIN)
    none = resources.settings.model_copy(update={"knowledge": KnowledgeSettings(diagnostics_share=0)})
    seen = [Diagnosis("one", {}, 0, (), {})]
    quiet = replace(resources, settings=none)
    await knowledge.keep_searches(quiet, boss.who, seen)
    assert await kept(api, boss) == []
    await knowledge.keep_searches(resources, boss.who, seen * 2)
    async with resources.db.unit_of_work() as db:
        oldest = select(SearchRecord.id).order_by(SearchRecord.id).limit(1).scalar_subquery()
        old = update(SearchRecord).where(SearchRecord.id == oldest)
        await db.execute(old.values(created_at=now() - timedelta(days=15)))
    await prune(resources)
    assert len(await kept(api, boss)) == 1


async def test_a_search_that_cannot_be_kept_is_answered(api: httpx2.AsyncClient, resources: Resources) -> None:
    boss = await register(resources, Role.ADMIN)
    await knowledge.keep_searches(resources, boss.who, [Diagnosis("x\x00", {}, 0, (), {})])
    assert await kept(api, boss) == []
