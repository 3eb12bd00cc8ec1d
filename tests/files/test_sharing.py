"""The same bytes lie in the store once, and nobody can tell."""

import asyncio
import uuid
from collections.abc import Sequence

import httpx2
import pytest
from sqlalchemy import func, select, text, update

from app.core.resources import Resources
from app.core.settings import FileSettings, Settings
from app.files import service
from app.files.errors import FileMissing
from app.files.service import keeping
from app.files.tasks import rendering
from app.models.file import File, FileChange, ProcessingStatus, ScanStatus
from app.models.job import Job
from app.models.ticket import Ticket, TicketStatus
from tests.factories import tickets
from tests.factories.people import Person
from tests.factories.serving import serving
from tests.files.conftest import Upload
from tests.files.test_quarantine import carried_out, sent
from tests.files.test_uploads import stored

SAME = b"the same words in every file\n"
LATER = FileSettings.model_construct(orphan_hours=-1)
"""All that lies in the store is old."""


async def passed(resources: Resources, file_ids: Sequence[str]) -> list[uuid.UUID]:
    """Found clean; the jobs that follow."""
    async with resources.db.unit_of_work() as db:
        for file_id in file_ids:
            file = await db.get_one(File, uuid.UUID(file_id))
            file.scan_status, file.processing_status = ScanStatus.CLEAN, ProcessingStatus.FAILED
            service.want_rendering(db, file)
    async with resources.db.session() as db:
        query = select(Job.id).where(Job.kind == service.RENDERING, Job.subject.in_(file_ids))
        return list((await db.execute(query)).scalars())


async def followed(resources: Resources, file_ids: Sequence[str]) -> None:
    for job_id in await passed(resources, file_ids):
        await rendering.render_file.handler(resources, job_id)


async def keys(resources: Resources) -> list[str]:
    async with resources.db.session() as db:
        return list((await db.execute(select(File.storage_key).order_by(File.id))).scalars())


async def content(api: httpx2.AsyncClient, person: Person, file_id: str) -> bytes:
    answer = await api.get(f"/api/v1/files/{file_id}/content", headers=person.headers)
    assert answer.status_code == 200, answer.text
    return answer.content


async def test_two_people_with_the_same_bytes_have_one_object_and_each_their_file(
    api: httpx2.AsyncClient, upload: Upload, resources: Resources, sender: Person, stranger: Person
) -> None:
    before = stored(resources)
    first = await upload(SAME, "a.txt")
    second = await upload(SAME, "a.txt", by=stranger)
    own = {"id", "job_id"}
    assert {k: v for k, v in first.json().items() if k not in own} == {
        k: v for k, v in second.json().items() if k not in own
    }
    mine, theirs = first.json()["id"], second.json()["id"]
    # Until a worker has them, an upload is an upload, whatever others have.
    assert len(stored(resources) - before) == 2
    await followed(resources, [mine, theirs])
    assert len(set(await keys(resources))) == 1
    # Whoever is about to read the object that was left has time to do so.
    assert len(stored(resources) - before) == 2
    await carried_out(resources)
    assert len(stored(resources) - before) == 1
    shown = [
        (await api.get(f"/api/v1/files/{one}", headers=who.headers)).json()
        for one, who in ((mine, sender), (theirs, stranger))
    ]
    assert shown[0]["metadata"] == shown[1]["metadata"]
    found = await api.get(f"/api/v1/files?sha256={shown[0]['sha256']}", headers=stranger.headers)
    assert [file["id"] for file in found.json()] == [theirs]

    assert (await api.delete(f"/api/v1/files/{mine}", headers=sender.headers)).status_code == 204
    await carried_out(resources)
    assert await content(api, stranger, theirs) == SAME
    assert (await api.delete(f"/api/v1/files/{theirs}", headers=stranger.headers)).status_code == 204
    await carried_out(resources)
    assert stored(resources) == before


async def test_a_quota_counts_what_each_has_sent(resources: Resources, settings: Settings, sender: Person) -> None:
    files = FileSettings(user_quota_bytes=2 * len(SAME) + 1)
    async with serving(settings.model_copy(update={"files": files})) as api:
        body = {"file": ("a.txt", SAME)}
        answers = [await api.post("/api/v1/files/upload", files=body, headers=sender.headers) for _ in range(2)]
        await followed(resources, [answer.json()["id"] for answer in answers])
        assert len(set(await keys(resources))) == 1
        third = await api.post("/api/v1/files/upload", files=body, headers=sender.headers)
        assert (third.status_code, third.json()["code"]) == (413, "storage_quota_exceeded")


async def test_only_clean_files_share(upload: Upload, resources: Resources) -> None:
    files = [await sent(upload, SAME) for _ in range(3)]
    async with resources.db.unit_of_work() as db:
        statement = update(File).where(File.id == uuid.UUID(files[0]))
        await db.execute(statement.values(scan_status="quarantined", processing_status="quarantined"))
    await followed(resources, files[2:])
    assert len(set(await keys(resources))) == 3


async def test_many_at_once_end_in_one_object(upload: Upload, resources: Resources) -> None:
    before = stored(resources)
    files = [answer.json()["id"] for answer in await asyncio.gather(*(upload(SAME) for _ in range(6)))]
    jobs = await passed(resources, files)
    await asyncio.gather(*(rendering.render_file.handler(resources, job_id) for job_id in jobs))
    assert len(set(await keys(resources))) == 1
    await carried_out(resources)
    assert len(stored(resources) - before) == 1


async def test_sharing_deleting_and_collecting_at_once_never_take_a_files_bytes(
    api: httpx2.AsyncClient, upload: Upload, resources: Resources, sender: Person
) -> None:
    before = stored(resources)
    for _ in range(4):
        files = [answer.json()["id"] for answer in await asyncio.gather(*(upload(SAME) for _ in range(5)))]
        jobs = await passed(resources, files)
        await asyncio.gather(
            *(rendering.render_file.handler(resources, job_id) for job_id in jobs),
            *(api.delete(f"/api/v1/files/{file_id}", headers=sender.headers) for file_id in files[:3]),
            keeping.collect_orphans(resources.db, resources.storage, LATER),
            carried_out(resources),
        )
        await asyncio.gather(upload(SAME), carried_out(resources))
    async with resources.db.unit_of_work() as db:
        await db.execute(update(File).values(scan_status=ScanStatus.CLEAN, processing_status="failed"))
        left = list((await db.execute(select(File.id))).scalars())
    assert len(left) == 12
    for file_id in left:
        assert await content(api, sender, str(file_id)) == SAME
    known = set(await keys(resources))
    await keeping.collect_orphans(resources.db, resources.storage, LATER)
    assert len(stored(resources) - before) == len(known)


async def test_the_collector_leaves_an_upload_that_is_on_its_way(upload: Upload, resources: Resources) -> None:
    """Its object is there before its row; the grace time is what keeps it."""
    before = stored(resources)
    answers = await asyncio.gather(
        *(upload(b"words number %d\n" % n) for n in range(6)),
        *(keeping.collect_orphans(resources.db, resources.storage, FileSettings()) for _ in range(6)),
    )
    assert [answer.status_code for answer in answers if isinstance(answer, httpx2.Response)] == [201] * 6
    assert len(stored(resources) - before) == 6


async def test_a_twin_that_is_deleted_first_is_not_followed(
    upload: Upload, resources: Resources, sender: Person
) -> None:
    first, second = [await sent(upload, SAME) for _ in range(2)]
    await followed(resources, [first])
    await passed(resources, [second])

    async def sharing() -> bool:
        async with resources.db.unit_of_work() as db:
            return await service.share(db, uuid.UUID(second))

    async with resources.db.unit_of_work() as db:
        await service.delete(db, sender.who, uuid.UUID(first))
        waiting = asyncio.create_task(sharing())
        await asyncio.sleep(0.2)
        assert not waiting.done()
    assert await waiting is False
    async with resources.db.unit_of_work() as db:
        await service.delete(db, sender.who, uuid.UUID(second))
    assert await sharing() is False


async def aged(resources: Resources, table: str, column: str, days: int) -> None:
    async with resources.db.unit_of_work() as db:
        await db.execute(text(f"UPDATE {table} SET {column} = now() - interval '{days} days'"))  # noqa: S608


async def test_nothing_is_retired_unless_it_is_asked_for(upload: Upload, resources: Resources) -> None:
    await passed(resources, [await sent(upload)])
    await aged(resources, "files", "created_at", 5000)
    assert await keeping.retire(resources.db, FileSettings()) == 0


async def test_files_are_kept_as_long_as_their_state_says(
    api: httpx2.AsyncClient,
    upload: Upload,
    resources: Resources,
    sender: Person,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = stored(resources)
    monkeypatch.setattr(keeping, "ROWS", 2)
    closed, current = [await tickets.ticket(resources, sender.who) for _ in range(2)]
    names = ["closed one", "closed two", "closed three", "current", "loose", "in work", "harmful"]
    files = {name: await sent(upload, name.encode()) for name in names}
    await followed(resources, [files[name] for name in names if name not in ("in work", "harmful")])
    async with resources.db.unit_of_work() as db:
        for name, file_id in files.items():
            file = await db.get_one(File, uuid.UUID(file_id))
            file.ticket_id = closed.id if "closed" in name else current.id if name == "current" else None
            if name == "harmful":
                file.scan_status, file.processing_status = ScanStatus.QUARANTINED, ProcessingStatus.QUARANTINED
                file.scanned_at, file.ticket_id = func.now(), current.id
        ended = await db.get_one(Ticket, closed.id)
        ended.move_to(TicketStatus.CLOSED)
    for table, column in (("files", "created_at"), ("files", "scanned_at"), ("tickets", "updated_at")):
        await aged(resources, table, column, 40)

    async def retired(**days: int) -> set[str]:
        await keeping.retire(resources.db, FileSettings(**days))
        async with resources.db.session() as db:
            left = {str(one) for one in (await db.execute(select(File.id))).scalars()}
        return {name for name, file_id in files.items() if file_id not in left}

    assert await retired(keep_closed_days=41, keep_quarantined_days=41, keep_unattached_days=41) == set()
    gone = {"closed one", "closed two", "closed three"}
    assert await retired(keep_closed_days=30) == gone
    assert await retired(keep_quarantined_days=30) == gone | {"harmful"}
    assert await retired(keep_unattached_days=30) == gone | {"harmful", "loose"}
    await carried_out(resources)
    assert len(stored(resources) - before) == 2
    async with resources.db.session() as db:
        kept = (await db.execute(select(FileChange).where(FileChange.action == "expired"))).scalars().all()
        with pytest.raises(FileMissing):
            await service.get(db, sender.who, uuid.UUID(files["loose"]))
    assert {one.actor_id for one in kept} == {None}
    assert {one.reason for one in kept} == {
        "Kept for 30 days: its ticket is closed or deleted.",
        "Kept for 30 days: it is in quarantine.",
        "Kept for 30 days: it is on no ticket.",
    }
    history = await api.get(f"/api/v1/files/{files['loose']}/history", headers=sender.headers)
    assert [one["action"] for one in history.json()] == ["expired"]
