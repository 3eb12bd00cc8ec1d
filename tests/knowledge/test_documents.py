"""Documents over HTTP: stored, indexed, found by those they are meant for, replaced, deleted."""

import uuid
from typing import Any

import httpx2
from sqlalchemy import func, select

from app.core.auth import Role
from app.core.resources import Resources
from app.knowledge.service import CITED, JOB_KIND
from app.knowledge.tasks import give_up_document, index_document
from app.models.job import Job, JobState
from app.models.knowledge import Chunk, DocumentVersion
from app.models.outbox import OutboxRow
from tests.factories.people import Person, register
from tests.knowledge.conftest import index_all

DOCUMENTS, SEARCH = "/api/v1/knowledge/documents", "/api/v1/knowledge/search"
MANUAL = (
    "# Printer\n\nThe printer shows E-77 when its tray is empty.\n\n# Scanner\n\nHold the red button to restart it."
)


async def add(api: httpx2.AsyncClient, resources: Resources, who: Person, **fields: Any) -> dict[str, Any]:
    answer = await api.post(DOCUMENTS, json={"title": "Manual", "text": MANUAL, **fields}, headers=who.headers)
    assert answer.status_code == 201, answer.text
    await index_all(resources)
    made: dict[str, Any] = answer.json()
    return made


async def found(api: httpx2.AsyncClient, who: Person, q: str) -> list[dict[str, Any]]:
    answer = await api.get(SEARCH, params={"q": q}, headers=who.headers)
    assert answer.status_code == 200, answer.text
    passages: list[dict[str, Any]] = answer.json()
    return passages


async def test_a_document_is_found_by_code_and_by_meaning_once_it_is_indexed(
    api: httpx2.AsyncClient, resources: Resources
) -> None:
    agent, ada = await register(resources, Role.AGENT), await register(resources)
    other = await add(api, resources, agent, title="Travel", text="Trains leave every hour from platform two.")
    made = await add(api, resources, agent, uri="https://example.com/manual")
    assert (made["version"], made["status"]) == (1, "pending")
    shown = await api.get(f"{DOCUMENTS}/{made['doc_id']}", headers=ada.headers)
    assert shown.json()["status"] == "indexed"
    by_code = await found(api, ada, "E-77")
    assert by_code[0]["doc_id"] == made["doc_id"]
    assert by_code[0]["text"] == MANUAL[by_code[0]["start"] : by_code[0]["end"]]
    assert by_code[0]["scores"]["lexical"] > 0
    by_meaning = await found(api, ada, "When does the railway run?")
    assert by_meaning[0]["doc_id"] == other["doc_id"]
    listed = await api.get(DOCUMENTS, params={"uri": "https://example.com/manual"}, headers=ada.headers)
    assert [row["doc_id"] for row in listed.json()] == [made["doc_id"]]


async def test_nobody_finds_or_reads_what_is_not_meant_for_them(api: httpx2.AsyncClient, resources: Resources) -> None:
    agent, admin = await register(resources, Role.AGENT), await register(resources, Role.ADMIN)
    ada, ben = await register(resources), await register(resources)
    eve = await register(resources)
    changed = await api.patch(f"/api/v1/users/{eve.id}", json={"teams": ["billing"]}, headers=admin.headers)
    assert changed.json()["teams"] == ["billing"]
    theirs = await add(api, resources, admin, title="For billing", acl={"teams": ["billing"]})
    staff = await add(api, resources, agent, acl={"roles": ["agent"]})
    hers = await add(api, resources, agent, title="For Ada", acl={"roles": ["agent"], "people": [ada.id]})
    all_of_them = {theirs["doc_id"], staff["doc_id"], hers["doc_id"]}
    expected = {agent: {staff["doc_id"], hers["doc_id"]}, admin: all_of_them, eve: {theirs["doc_id"]}}
    expected |= {ada: {hers["doc_id"]}, ben: set()}
    for who, documents in expected.items():
        assert {row["doc_id"] for row in await found(api, who, "printer E-77")} == documents
    for path in ("", "/versions/1", f"/chunks/{(await found(api, agent, 'E-77'))[0]['chunk_id']}"):
        refused = await api.get(f"{DOCUMENTS}/{staff['doc_id']}{path}", headers=ben.headers)
        assert (refused.status_code, refused.json()["code"]) == (404, "document_not_found")


async def test_scores_tell_nothing_of_words_that_one_may_not_read(
    api: httpx2.AsyncClient, resources: Resources
) -> None:
    agent, ada = await register(resources, Role.AGENT), await register(resources)
    await add(api, resources, agent)
    await add(api, resources, agent, title="Plans", text="Severance is paid in May.", acl={"roles": ["agent"]})
    (hidden,), (unsaid,) = [await found(api, ada, f"printer {word}") for word in ("severance", "zebra")]
    assert hidden["scores"]["lexical"] == unsaid["scores"]["lexical"] > 0
    assert (await found(api, agent, "printer severance"))[0]["title"] == "Plans"


async def test_customers_write_no_documents(api: httpx2.AsyncClient, resources: Resources) -> None:
    ada = await register(resources)
    answer = await api.post(DOCUMENTS, json={"title": "Mine", "text": "Words"}, headers=ada.headers)
    assert answer.status_code == 403


async def test_an_acl_that_names_nobody_is_refused(api: httpx2.AsyncClient, resources: Resources) -> None:
    agent = await register(resources, Role.AGENT)
    answer = await api.post(DOCUMENTS, json={"title": "A", "text": "b", "acl": {}}, headers=agent.headers)
    assert answer.status_code == 422


async def test_a_citation_resolves_after_its_document_was_replaced(
    api: httpx2.AsyncClient, resources: Resources
) -> None:
    agent = await register(resources, Role.AGENT)
    made = await add(api, resources, agent)
    address = f"{DOCUMENTS}/{made['doc_id']}"
    cited = (await found(api, agent, "E-77"))[0]
    body = {"title": "Manual", "text": "The printer was sold. Nothing of it is left."}
    replaced = await api.put(address, json=body, headers=agent.headers)
    assert (replaced.json()["version"], replaced.json()["status"]) == (2, "pending")
    assert (await found(api, agent, "E-77"))[0]["version"] == 1
    await index_all(resources)
    assert {row["version"] for row in await found(api, agent, "E-77 printer")} == {2}
    passage = (await api.get(f"{address}/chunks/{cited['chunk_id']}", headers=agent.headers)).json()
    assert (passage["version"], passage["current"]) == (1, False)
    old = (await api.get(f"{address}/versions/1", headers=agent.headers)).json()
    assert old["text"][passage["start"] : passage["end"]] == passage["text"]
    assert cited["text"].startswith(passage["text"])


async def test_an_unchanged_document_makes_no_work_and_a_new_acl_counts_at_once(
    api: httpx2.AsyncClient, resources: Resources
) -> None:
    agent, ada = await register(resources, Role.AGENT), await register(resources)
    made = await add(api, resources, agent)
    body = {"title": "Manual", "text": MANUAL}
    for acl, seen in ({"public": True}, 1), ({"roles": ["agent"]}, 0):
        answer = await api.put(f"{DOCUMENTS}/{made['doc_id']}", json={**body, "acl": acl}, headers=agent.headers)
        assert (answer.json()["version"], answer.json()["status"]) == (1, "indexed")
        assert len(await found(api, ada, "E-77")) == seen
    async with resources.db.session() as db:
        kinds = (await db.execute(select(Job.kind).order_by(Job.created_at, Job.kind))).scalars().all()
    assert sorted(kinds) == [CITED, JOB_KIND]


async def test_deleting_leaves_nothing_of_a_document(api: httpx2.AsyncClient, resources: Resources) -> None:
    agent = await register(resources, Role.AGENT)
    made = await add(api, resources, agent)
    waiting = await api.post(DOCUMENTS, json={"title": "Late", "text": "Words"}, headers=agent.headers)
    for document in (made, waiting.json()):
        answer = await api.delete(f"{DOCUMENTS}/{document['doc_id']}", headers=agent.headers)
        assert answer.status_code == 204
    await index_all(resources)
    assert await found(api, agent, "E-77") == []
    async with resources.db.session() as db:
        for table in (Chunk, DocumentVersion):
            assert (await db.execute(select(func.count()).select_from(table))).scalar_one() == 0
        of_it = select(OutboxRow.type).where(OutboxRow.aggregate == f"document:{made['doc_id']}")
        told = await db.execute(of_it.order_by(OutboxRow.id))
        assert list(told.scalars()) == ["document.indexed", "document.deleted"]
        indexed = select(Job.state).where(Job.kind == JOB_KIND).distinct()
        assert (await db.execute(indexed)).scalars().all() == [JobState.SUCCEEDED]


async def test_a_job_done_twice_keeps_its_passages_once(api: httpx2.AsyncClient, resources: Resources) -> None:
    agent = await register(resources, Role.AGENT)
    await add(api, resources, agent)
    async with resources.db.unit_of_work() as db:
        job = (await db.execute(select(Job))).scalar_one()
        before = (await db.execute(select(Chunk.id))).scalars().all()
        job.state, job.finished_at = JobState.QUEUED, None
    await index_document.handler(resources, job.id)
    async with resources.db.session() as db:
        assert (await db.execute(select(Chunk.id))).scalars().all() == before


async def test_indexing_that_is_given_up_says_so(api: httpx2.AsyncClient, resources: Resources) -> None:
    agent = await register(resources, Role.AGENT)
    made = await api.post(DOCUMENTS, json={"title": "A", "text": "b"}, headers=agent.headers)
    async with resources.db.session() as db:
        job_id = (await db.execute(select(Job.id))).scalar_one()
    await give_up_document.handler(resources, job_id)
    await give_up_document.handler(resources, uuid.uuid4())
    shown = (await api.get(f"{DOCUMENTS}/{made.json()['doc_id']}", headers=agent.headers)).json()
    assert (shown["status"], shown["error"]) == ("failed", "Given up.")
