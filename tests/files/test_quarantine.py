"""Quarantine as administrators keep it, and the end of files."""

import uuid

import httpx2
import pytest
from sqlalchemy import func, select

from app.agents.tasks import resume
from app.core.auth import Role
from app.core.resources import Resources
from app.core.tasks import TaskCall
from app.files import service
from app.files.recognition.result import Hostile
from app.files.tasks import removal
from app.jobs import claims
from app.models.file import File, FileChange, FileSegment
from app.models.job import Job, JobState
from app.models.outbox import OutboxRow, OutboxState
from app.relay.subscriptions import build
from tests.factories import people
from tests.factories.people import Person
from tests.files import samples
from tests.files.conftest import Upload
from tests.files.test_processing import READ, recognise, scripted
from tests.files.test_uploads import stored

HARMFUL = samples.zipped({"../../evil.txt": b"x"})
WHY = {"reason": "A false alarm."}


@pytest.fixture
async def admin(resources: Resources) -> Person:
    return await people.register(resources, Role.ADMIN)


async def carried_out(resources: Resources) -> set[str]:
    """What the relay and a worker do about files that ended or left an object; all that was called."""
    built, called = build(), set()
    async with resources.db.unit_of_work() as db:
        query = select(OutboxRow).where(
            OutboxRow.state == OutboxState.PENDING, OutboxRow.type.in_(("file.deleted", "file.object_left"))
        )
        for row in (await db.execute(query.order_by(OutboxRow.id))).scalars():
            row.state = OutboxState.DELIVERED
            for call in built.deliveries(row.type, row.payload):
                if isinstance(call, TaskCall):
                    called.add(call.name)
                    if call.name == removal.remove_object.name:
                        await removal.remove_object.handler(resources, str(call.args[0]))
    return called


async def sent(upload: Upload, content: bytes = b"some words\n", name: str = "a.txt", **options: object) -> str:
    file_id: str = (await upload(content, name, **options)).json()["id"]
    return file_id


async def read(resources: Resources, file_id: str) -> None:
    async with resources.db.session() as db:
        file = await db.get_one(File, uuid.UUID(file_id))
    await recognise(resources, file.job_id)


async def harmful(resources: Resources, upload: Upload, name: str = "a.zip") -> str:
    """As the real scan leaves it."""
    file_id = await sent(upload, HARMFUL, name)
    await read(resources, file_id)
    return file_id


async def test_administrators_see_what_is_quarantined_and_why(
    api: httpx2.AsyncClient,
    upload: Upload,
    resources: Resources,
    sender: Person,
    agent: Person,
    admin: Person,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scripted(monkeypatch, READ)
    found = [await harmful(resources, upload, f"{n}.zip") for n in range(3)]
    await read(resources, await sent(upload))
    first = await api.get("/api/v1/files/quarantine?limit=2", headers=admin.headers)
    assert [file["id"] for file in first.json()] == found[:0:-1]
    shown = first.json()[0]
    assert (shown["uploader"], shown["filename"]) == ({"id": sender.id, "username": sender.who.username}, "2.zip")
    assert "leaves its folder" in shown["reason"]
    assert shown["scanners"] == "baseline 1"
    assert shown["quarantined_at"] is not None
    rest = await api.get(first.headers["Link"].partition(">")[0].lstrip("<"), headers=admin.headers)
    assert [file["id"] for file in rest.json()] == found[:1]
    for person in (sender, agent):
        assert (await api.get("/api/v1/files/quarantine", headers=person.headers)).status_code == 403
        for verb in ("release", "rescan"):
            refused = await api.post(f"/api/v1/files/{found[0]}/{verb}", json=WHY, headers=person.headers)
            assert refused.status_code == 403


async def test_a_released_file_is_clean_and_read_and_who_released_it_is_kept(
    api: httpx2.AsyncClient,
    upload: Upload,
    resources: Resources,
    sender: Person,
    admin: Person,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scripted(monkeypatch, READ)
    file_id = await harmful(resources, upload)
    at = f"/api/v1/files/{file_id}"
    released = await api.post(f"{at}/release", json=WHY, headers=admin.headers)
    assert released.status_code == 200, released.text
    assert (released.json()["scan_status"], released.json()["error"]) == ("clean", None)
    assert (await api.get(f"{at}/content", headers=sender.headers)).content == HARMFUL
    await read(resources, file_id)
    assert (await api.get(f"{at}/text", headers=sender.headers)).json()["text"] == READ.text
    again = await api.post(f"{at}/release", json=WHY, headers=admin.headers)
    assert (again.status_code, again.json()["code"]) == (409, "file_not_quarantined")
    history = (await api.get(f"{at}/history", headers=sender.headers)).json()
    assert [(one["action"], one["actor_id"]) for one in history] == [("quarantined", None), ("released", admin.id)]
    assert history[1]["reason"] == WHY["reason"]
    assert "leaves its folder" in history[1]["details"]["found"]


async def test_a_released_file_that_harms_its_reader_fails_and_stays_released(
    api: httpx2.AsyncClient, upload: Upload, resources: Resources, admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, Hostile("A bomb.", "ocr"))
    file_id = await harmful(resources, upload)
    await api.post(f"/api/v1/files/{file_id}/release", json=WHY, headers=admin.headers)
    await read(resources, file_id)
    file = (await api.get(f"/api/v1/files/{file_id}", headers=admin.headers)).json()
    assert (file["scan_status"], file["processing_status"], file["error"]) == ("clean", "failed", "A bomb.")


async def test_a_rescan_takes_back_what_was_read_and_what_was_released(
    api: httpx2.AsyncClient,
    upload: Upload,
    resources: Resources,
    sender: Person,
    admin: Person,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scripted(monkeypatch, READ, READ, READ)
    clean, bad = await sent(upload), await harmful(resources, upload)
    await read(resources, clean)
    await api.post(f"/api/v1/files/{bad}/release", json=WHY, headers=admin.headers)
    early = await api.post(f"/api/v1/files/{bad}/rescan", json=WHY, headers=admin.headers)
    assert (early.status_code, early.json()["code"]) == (409, "file_in_work")
    await read(resources, bad)
    for file_id in (clean, bad):
        answer = await api.post(f"/api/v1/files/{file_id}/rescan", json=WHY, headers=admin.headers)
        assert (answer.status_code, answer.json()["scan_status"]) == (200, "received")
        nothing = await api.get(f"/api/v1/files/{file_id}/text", headers=sender.headers)
        assert (nothing.status_code, nothing.json()["code"]) == (409, "file_not_scanned")
    async with resources.db.session() as db:
        assert (await db.execute(select(func.count()).select_from(FileSegment))).scalar_one() == 0
    await read(resources, clean)
    await read(resources, bad)
    states = [(await api.get(f"/api/v1/files/{one}", headers=admin.headers)).json() for one in (clean, bad)]
    assert [state["processing_status"] for state in states] == ["completed", "quarantined"]


async def test_a_reason_is_asked_for(api: httpx2.AsyncClient, upload: Upload, admin: Person) -> None:
    at = f"/api/v1/files/{await sent(upload)}"
    for body in ({}, {"reason": "x"}, {"reason": "x" * 501}, {"reason": "yes, because", "more": 1}):
        assert (await api.post(f"{at}/rescan", json=body, headers=admin.headers)).status_code == 422


async def test_a_deleted_file_leaves_nothing_but_the_note_that_it_was_deleted(
    api: httpx2.AsyncClient,
    upload: Upload,
    resources: Resources,
    sender: Person,
    agent: Person,
    stranger: Person,
    admin: Person,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scripted(monkeypatch, READ)
    before = stored(resources)
    file_id, bad = await sent(upload), await harmful(resources, upload)
    await read(resources, file_id)
    at = f"/api/v1/files/{file_id}"
    assert (await api.delete(at, headers=stranger.headers)).status_code == 404
    refused = await api.delete(at, headers=agent.headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "file_not_yours")
    assert (await api.delete(at, headers=sender.headers)).status_code == 204
    assert (await api.delete(f"/api/v1/files/{bad}", headers=admin.headers)).status_code == 204
    for path in ("", "/text", "/content", "/status", "/preview"):
        assert (await api.get(f"{at}{path}", headers=sender.headers)).status_code == 404
    assert resume.name in await carried_out(resources)
    assert stored(resources) == before
    async with resources.db.session() as db:
        assert (await db.execute(select(func.count()).select_from(FileSegment))).scalar_one() == 0
        kept = (await db.execute(select(FileChange).where(FileChange.action == "deleted"))).scalars().all()
    assert {(str(one.file_id), one.actor_id) for one in kept} == {(file_id, sender.id), (bad, admin.id)}
    # Again, for whoever did not hear the answer.
    assert (await api.delete(at, headers=sender.headers)).status_code == 204
    assert (await api.delete(at, headers=stranger.headers)).status_code == 404
    assert len((await api.get(f"{at}/history", headers=admin.headers)).json()) == 1
    assert (await api.get(f"{at}/history", headers=stranger.headers)).status_code == 404
    assert await carried_out(resources) == set()


async def test_a_file_deleted_while_it_is_read_ends_its_job_and_keeps_nothing(
    api: httpx2.AsyncClient, upload: Upload, resources: Resources, sender: Person
) -> None:
    body = (await upload(b"some words\n")).json()
    async with claims.hold(resources, uuid.UUID(body["job_id"])) as claim:
        assert claim is not None
        async with resources.db.unit_of_work() as db:
            await service.pass_scan(db, claim, scanners="scripted", flags=[])
        assert (await api.delete(f"/api/v1/files/{body['id']}", headers=sender.headers)).status_code == 204
        async with resources.db.unit_of_work() as db:
            await service.complete(db, claim, READ, doubted_below=0.7)
    async with resources.db.session() as db:
        job = await db.get_one(Job, uuid.UUID(body["job_id"]))
        assert (job.state, job.error) == (JobState.FAILED, "The file was deleted.")
        assert (await db.execute(select(func.count()).select_from(FileSegment))).scalar_one() == 0
