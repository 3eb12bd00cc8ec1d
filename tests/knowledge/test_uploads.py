"""Documents sent as files: read by a worker, found and cited as any other, and gone with everything of them."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select

from app.core.auth import Role
from app.core.clock import now
from app.core.resources import Resources
from app.files.recognition_process import RecognitionProcess
from app.files.tasks import recognition as recognition_tasks
from app.files.tasks.removal import remove_object
from app.knowledge.service import CITED, JOB_KIND, READING
from app.knowledge.tasks import give_up_document, read_document
from app.models.job import Job, JobState
from app.models.knowledge import Chunk, DocumentSource, DocumentVersion
from app.models.outbox import OutboxRow
from app.outbox.deliveries import TaskCall
from app.relay.subscriptions import build
from tests.factories.people import Person, register
from tests.files.samples import docx
from tests.knowledge.conftest import index_all, read_all

DOCUMENTS, SEARCH = "/api/v1/knowledge/documents", "/api/v1/knowledge/search"
PAGE = (
    b"<html><head><title>Scanner guide</title></head><body><h1>Scanner</h1>"
    b"<p>Hold the red button for five seconds to restart the scanner.</p></body></html>"
)

BROKEN = docx("<broken")


@pytest.fixture
async def agent(resources: Resources) -> Person:
    return await register(resources, Role.AGENT)


async def send(
    api: httpx2.AsyncClient,
    who: Person,
    content: bytes = PAGE,
    name: str = "scanner.html",
    *,
    to: str | None = None,
    status: int | None = None,
    headers: dict[str, str] | None = None,
    **fields: Any,
) -> Any:
    answer = await api.request(
        "POST" if to is None else "PUT",
        DOCUMENTS if to is None else f"{DOCUMENTS}/{to}",
        files={"file": (name, content)},
        data={field: value if isinstance(value, str) else json.dumps(value) for field, value in fields.items()},
        headers={**who.headers, **(headers or {})},
    )
    assert answer.status_code == (status or (201 if to is None else 200)), answer.text
    return answer.json()


async def shown(api: httpx2.AsyncClient, who: Person, doc_id: str) -> Any:
    return (await api.get(f"{DOCUMENTS}/{doc_id}", headers=who.headers)).json()


async def found(api: httpx2.AsyncClient, who: Person, q: str) -> Any:
    return (await api.get(SEARCH, params={"q": q}, headers=who.headers)).json()


async def stored(resources: Resources) -> list[str]:
    return [key async for key in resources.storage.listed(before=now() + timedelta(minutes=1))]


async def test_a_page_is_read_by_a_worker_and_then_found_cited_and_downloaded(
    api: httpx2.AsyncClient, resources: Resources, agent: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await send(api, agent, uri="https://example.com/scanner")
    assert (made["version"], made["status"], made["title"]) == (1, "pending", "scanner")
    assert (made["source"]["filename"], made["source"]["file_size"]) == ("scanner.html", len(PAGE))
    await read_all(resources, monkeypatch)
    after = await shown(api, agent, made["doc_id"])
    assert (after["status"], after["title"], after["language"], after["progress"]) == (
        "indexed", "Scanner guide", "en", 1,
    )  # fmt: skip
    best = (await found(api, agent, "How is the scanner restarted?"))[0]
    version = (await api.get(f"{DOCUMENTS}/{made['doc_id']}/versions/1", headers=agent.headers)).json()
    assert "red button" in best["text"] == version["text"][best["start"] : best["end"]]
    source = await api.get(f"{DOCUMENTS}/{made['doc_id']}/versions/1/source", headers=agent.headers)
    assert source.content == PAGE
    assert source.headers["content-disposition"].startswith('attachment; filename="scanner.html"')


async def test_a_word_file_is_read_in_the_child_process(
    api: httpx2.AsyncClient, resources: Resources, agent: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = RecognitionProcess()
    monkeypatch.setattr(recognition_tasks, "_process", process)
    made = await send(api, agent, docx("The printer shows E-77 when its tray is empty."), "printer.docx")
    broken = await send(api, agent, BROKEN, "broken.docx")
    async with resources.db.session() as db:
        due = (await db.execute(select(Job.id).where(Job.state == JobState.QUEUED).order_by(Job.id))).scalars().all()
    try:
        for job_id in due:
            await read_document.handler(resources, job_id)
    finally:
        process.close()
    await index_all(resources)
    assert (await shown(api, agent, made["doc_id"]))["status"] == "indexed"
    assert (await found(api, agent, "E-77"))[0]["doc_id"] == made["doc_id"]
    failed = await shown(api, agent, broken["doc_id"])
    assert failed["status"] == "failed"
    assert failed["error"]


async def test_the_same_bytes_cost_nothing_and_others_make_the_next_version(
    api: httpx2.AsyncClient, resources: Resources, agent: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await stored(resources)
    made = await send(api, agent)
    await read_all(resources, monkeypatch)
    kept = await stored(resources)
    assert len(kept) == len(before) + 1
    ada = await register(resources)
    for acl, seen in ({"public": True}, True), ({"roles": ["agent"]}, False):
        same = await send(api, agent, to=made["doc_id"], acl=acl)
        assert (same["version"], same["status"]) == (1, "indexed")
        assert bool(await found(api, ada, "scanner")) is seen
    assert sorted(await stored(resources)) == sorted(kept)
    async with resources.db.session() as db:
        worked = (await db.execute(select(Job.kind).where(Job.kind != CITED))).scalars().all()
    assert sorted(worked) == sorted([JOB_KIND, READING])
    other = await send(api, agent, PAGE.replace(b"red", b"blue"), to=made["doc_id"])
    assert (other["version"], other["status"]) == (2, "pending")
    assert "red button" in (await found(api, agent, "restart"))[0]["text"]
    await read_all(resources, monkeypatch)
    assert "blue button" in (await found(api, agent, "restart"))[0]["text"]
    async with resources.db.session() as db:
        told = await db.execute(
            select(OutboxRow.type).where(OutboxRow.aggregate == f"document:{made['doc_id']}").order_by(OutboxRow.id)
        )
    assert list(told.scalars()) == [
        "document.indexed", *["document.changed"] * 3, "document.indexed",
    ]  # fmt: skip


async def test_what_cannot_be_read_says_why_and_what_was_found_before_still_is(
    api: httpx2.AsyncClient, resources: Resources, agent: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await send(api, agent)
    await read_all(resources, monkeypatch)
    for content, name in (b"<html><body> </body></html>", "empty.html"), (BROKEN, "broken.docx"):
        await send(api, agent, content, name, to=made["doc_id"])
        await read_all(resources, monkeypatch)
        failed = await shown(api, agent, made["doc_id"])
        assert (failed["status"], bool(failed["error"])) == ("failed", True)
        assert "red button" in (await found(api, agent, "restart"))[0]["text"]
    again = await send(api, agent, BROKEN, "broken.docx", to=made["doc_id"])
    assert (again["version"], again["status"]) == (4, "pending")
    bomb = await send(api, agent, docx("x" * 5_000_000), "bomb.docx")
    await read_all(resources, monkeypatch)
    assert (await shown(api, agent, bomb["doc_id"]))["status"] == "failed"
    given_up = await send(api, agent)
    async with resources.db.unit_of_work() as db:
        job = (await db.execute(select(Job).where(Job.subject == f"{given_up['doc_id']}:1"))).scalar_one()
        job.state, job.error = JobState.FAILED, "Given up after 5 attempts."
    await give_up_document.handler(resources, job.id)
    assert (await shown(api, agent, given_up["doc_id"]))["error"] == "Given up after 5 attempts."


async def test_while_the_scanner_is_away_a_document_waits_without_using_up_its_attempts(
    api: httpx2.AsyncClient, resources: Resources, agent: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = resources.settings.scan.model_copy(update={"clamav": f"unix://{tmp_path}/none"})
    without = replace(resources, settings=resources.settings.model_copy(update={"scan": scan}))
    made = await send(api, agent)
    for _ in range(resources.settings.jobs.max_attempts + 1):
        await read_all(without, monkeypatch)
    async with resources.db.session() as db:
        job = (await db.execute(select(Job).where(Job.kind == READING))).scalar_one()
    assert (job.state, job.attempts, job.due_at > now()) == ("queued", 0, True)
    assert (await shown(api, agent, made["doc_id"]))["status"] == "pending"
    await read_all(resources, monkeypatch)
    assert (await shown(api, agent, made["doc_id"]))["status"] == "indexed"


async def test_deleting_leaves_neither_rows_nor_bytes(
    api: httpx2.AsyncClient, resources: Resources, agent: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await stored(resources)
    read = await send(api, agent)
    await read_all(resources, monkeypatch)
    await send(api, agent, PAGE.replace(b"red", b"green"), to=read["doc_id"])
    for made in (read, await send(api, agent, b"Words of another.", "other.txt")):
        assert (await api.delete(f"{DOCUMENTS}/{made['doc_id']}", headers=agent.headers)).status_code == 204
    await read_all(resources, monkeypatch)
    async with resources.db.session() as db:
        rows = (await db.execute(select(OutboxRow).where(OutboxRow.type == "document.deleted"))).scalars().all()
        for table in (DocumentSource, DocumentVersion, Chunk):
            assert (await db.execute(select(func.count()).select_from(table))).scalar_one() == 0
    calls = [one for row in rows for one in build().deliveries(row.type, row.payload) if isinstance(one, TaskCall)]
    for call in calls:
        if call.name == remove_object.name:
            await remove_object.handler(resources, str(call.args[0]))
    assert sorted(await stored(resources)) == sorted(before)


async def test_what_is_no_document_is_refused_and_not_kept(
    api: httpx2.AsyncClient, resources: Resources, agent: Person
) -> None:
    before = await stored(resources)
    ada = await register(resources)
    assert (await send(api, ada, status=403))["code"] == "forbidden"
    for content, name, code in (
        (b"MZ\x90\x00" + bytes(200), "setup.exe", "file_type_not_allowed"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "picture.png", "file_type_not_allowed"),
        (b"", "empty.md", "file_empty"),
    ):
        assert (await send(api, agent, content, name, status=400))["code"] == code
    wrong: list[dict[str, Any]] = [
        {"acl": {}},
        {"acl": "no json"},
        {"acl": "false"},
        {"language": "?"},
        {"title": " "},
        {"owner": "me"},
    ]
    for fields in wrong:
        refused = await send(api, agent, status=422, **fields)
        assert refused["errors"][0]["location"][1] == next(iter(fields))
    assert sorted(await stored(resources)) == sorted(before)


async def test_a_form_sent_twice_with_one_key_is_one_document(
    api: httpx2.AsyncClient, resources: Resources, agent: Person
) -> None:
    headers = {"Idempotency-Key": "upload-1"}
    first = await send(api, agent, headers=headers, title="Guide")
    assert await send(api, agent, headers=headers, title="Guide") == first
    other = await send(api, agent, headers=headers, title="Other", status=422)
    assert other["code"] == "idempotency_conflict"
    listed = await api.get(DOCUMENTS, headers=agent.headers)
    assert [one["doc_id"] for one in listed.json()] == [first["doc_id"]]


async def test_bytes_of_documents_are_no_orphans(api: httpx2.AsyncClient, resources: Resources, agent: Person) -> None:
    await send(api, agent)
    async with resources.db.session() as db:
        key = (await db.execute(select(DocumentSource.storage_key))).scalar_one()
    await remove_object.handler(resources, key)
    assert key in await stored(resources)
