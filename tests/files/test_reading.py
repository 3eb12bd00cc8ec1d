import hashlib
import uuid
from urllib.parse import unquote

import httpx2
import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from app.core.resources import Resources
from app.files import service
from app.files.errors import FileMissing
from app.models.file import File, ProcessingStatus, ScanStatus
from tests.factories import tickets
from tests.factories.people import Person
from tests.files.conftest import Upload

TEXT = b"0123456789 and then some words\n"


async def sent(upload: Upload, content: bytes = TEXT, name: str = "a.txt", **options: object) -> str:
    answer = await upload(content, name, **options)
    assert answer.status_code == 201, answer.text
    file_id: str = answer.json()["id"]
    return file_id


async def scanned(
    upload: Upload, resources: Resources, content: bytes = TEXT, name: str = "a.txt", **options: object
) -> str:
    """Sent, and found clean; not read yet."""
    file_id = await sent(upload, content, name, **options)
    await mark(resources, file_id, ProcessingStatus.PENDING)
    return file_id


async def mark(resources: Resources, file_id: str, status: ProcessingStatus) -> None:
    async with resources.db.unit_of_work() as db:
        file = await db.get(File, uuid.UUID(file_id))
        assert file is not None
        file.processing_status = status
        quarantined = status == ProcessingStatus.QUARANTINED
        file.scan_status = ScanStatus.QUARANTINED if quarantined else ScanStatus.CLEAN


async def test_a_files_metadata_are_shown(api: httpx2.AsyncClient, upload: Upload, sender: Person) -> None:
    file_id = await sent(upload)
    body = (await api.get(f"/api/v1/files/{file_id}", headers=sender.headers)).json()
    assert body["id"] == file_id
    assert (body["kind"], body["file_type"], body["uploader_id"]) == ("text", "text/plain", sender.id)
    assert body["metadata"]["format"] == "txt"
    assert body["error"] is None


async def test_the_status_before_a_worker_began(api: httpx2.AsyncClient, upload: Upload, sender: Person) -> None:
    file_id = await sent(upload)
    body = (await api.get(f"/api/v1/files/{file_id}/status", headers=sender.headers)).json()
    assert set(body) == {"job_id", "processing_status", "scan_status", "stage", "progress", "error"}
    assert body["scan_status"] == "received"
    assert (body["processing_status"], body["stage"], body["progress"], body["error"]) == ("pending", None, 0.0, None)


async def test_the_text_before_it_was_read_is_null(
    api: httpx2.AsyncClient, upload: Upload, resources: Resources, sender: Person
) -> None:
    file_id = await scanned(upload, resources)
    body = (await api.get(f"/api/v1/files/{file_id}/text", headers=sender.headers)).json()
    assert (body["text"], body["segments"], body["processing_status"]) == (None, [], "pending")


PATHS = ["", "/status", "/content", "/text"]
GIVEN_OUT = ["/content", "/text", "/preview"]


async def test_a_file_is_seen_by_its_sender_the_staff_and_whoever_sees_its_ticket(
    api: httpx2.AsyncClient,
    upload: Upload,
    resources: Resources,
    sender: Person,
    agent: Person,
    stranger: Person,
) -> None:
    for path in PATHS:
        ticket = await tickets.ticket(resources, sender.who)
        from_agent = await scanned(upload, resources, by=agent, ticket_id=ticket.id)
        loose = await scanned(upload, resources)
        for person, file_id, status in (
            (sender, from_agent, 200),
            (agent, from_agent, 200),
            (stranger, from_agent, 404),
            (sender, loose, 200),
            (agent, loose, 200),
            (stranger, loose, 404),
        ):
            answer = await api.get(f"/api/v1/files/{file_id}{path}", headers=person.headers)
            assert answer.status_code == status
            if status == 404:
                assert answer.json()["code"] == "file_not_found"


async def test_a_file_nobody_has_is_404_and_an_id_that_is_none_422(api: httpx2.AsyncClient, sender: Person) -> None:
    for path in PATHS:
        assert (await api.get(f"/api/v1/files/{uuid.uuid4()}{path}", headers=sender.headers)).status_code == 404
        assert (await api.get(f"/api/v1/files/12{path}", headers=sender.headers)).status_code == 422


async def test_the_bytes_come_as_a_harmless_attachment(
    api: httpx2.AsyncClient, upload: Upload, resources: Resources, sender: Person
) -> None:
    page = b"<html><body><script>alert(1)</script><p>hello there</p></body></html>"
    file_id = await scanned(upload, resources, page, 'größe "1".html')
    answer = await api.get(f"/api/v1/files/{file_id}/content", headers=sender.headers)
    assert answer.content == page
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    disposition = answer.headers["Content-Disposition"]
    assert disposition.startswith("attachment; filename=\"gr__e _1_.html\"; filename*=UTF-8''")
    assert unquote(disposition.rpartition("''")[2]) == "größe _1_.html"
    assert answer.headers["ETag"] == f'"{hashlib.sha256(page).hexdigest()}"'


RANGES = [
    ("bytes=0-3", 206, TEXT[:4], f"bytes 0-3/{len(TEXT)}"),
    ("bytes=10-", 206, TEXT[10:], f"bytes 10-{len(TEXT) - 1}/{len(TEXT)}"),
    ("bytes=-5", 206, TEXT[-5:], f"bytes {len(TEXT) - 5}-{len(TEXT) - 1}/{len(TEXT)}"),
    ("bytes=-500", 206, TEXT, f"bytes 0-{len(TEXT) - 1}/{len(TEXT)}"),
    ("bytes=5-5000", 206, TEXT[5:], f"bytes 5-{len(TEXT) - 1}/{len(TEXT)}"),
    ("bytes=5-3", 200, TEXT, None),
    ("bytes=-", 200, TEXT, None),
    ("bytes=0-1,4-5", 200, TEXT, None),
    ("lines=1-2", 200, TEXT, None),
]


async def test_a_range_of_bytes_is_given(
    api: httpx2.AsyncClient, upload: Upload, resources: Resources, sender: Person
) -> None:
    for asked, status, content, given in RANGES:
        file_id = await scanned(upload, resources)
        answer = await api.get(f"/api/v1/files/{file_id}/content", headers=sender.headers | {"Range": asked})
        assert (answer.status_code, answer.content) == (status, content)
        assert answer.headers.get("Content-Range") == given


async def test_a_range_of_an_older_content_is_not_given_in_part(
    api: httpx2.AsyncClient, upload: Upload, resources: Resources, sender: Person
) -> None:
    file_id = await scanned(upload, resources)
    headers = sender.headers | {"Range": "bytes=0-3", "If-Range": '"another"'}
    assert (await api.get(f"/api/v1/files/{file_id}/content", headers=headers)).status_code == 200


OUTSIDE = ["bytes=5000-", "bytes=-0"]


async def test_a_range_outside_the_file_is_416(
    api: httpx2.AsyncClient, upload: Upload, resources: Resources, sender: Person
) -> None:
    for asked in OUTSIDE:
        file_id = await scanned(upload, resources)
        answer = await api.get(f"/api/v1/files/{file_id}/content", headers=sender.headers | {"Range": asked})
        assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
        assert answer.headers["Content-Range"] == f"bytes */{len(TEXT)}"


async def test_the_bytes_of_a_quarantined_file_are_refused(
    api: httpx2.AsyncClient, upload: Upload, sender: Person, resources: Resources
) -> None:
    file_id = await sent(upload)
    await mark(resources, file_id, ProcessingStatus.QUARANTINED)
    for path in GIVEN_OUT:
        answer = await api.get(f"/api/v1/files/{file_id}{path}", headers=sender.headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "file_quarantined")
    assert (await api.get(f"/api/v1/files/{file_id}", headers=sender.headers)).status_code == 200


async def test_nothing_is_given_out_before_the_file_was_found_clean(
    api: httpx2.AsyncClient, upload: Upload, sender: Person, agent: Person
) -> None:
    file_id = await sent(upload)
    for path in GIVEN_OUT:
        for person in (sender, agent):
            answer = await api.get(f"/api/v1/files/{file_id}{path}", headers=person.headers)
            assert (answer.status_code, answer.json()["code"]) == (409, "file_not_scanned")
            assert answer.headers["Retry-After"] == "1"


async def test_the_table_itself_refuses_text_of_a_file_that_was_not_scanned(
    upload: Upload, resources: Resources
) -> None:
    file_id = uuid.UUID(await sent(upload))
    for values in ({"text": "words"}, {"processing_status": "completed"}, {"processing_status": "quarantined"}):
        with pytest.raises(IntegrityError):
            async with resources.db.unit_of_work() as db:
                await db.execute(update(File).where(File.id == file_id).values(**values))


async def test_bytes_that_are_gone_are_404(
    api: httpx2.AsyncClient, upload: Upload, sender: Person, resources: Resources
) -> None:
    file_id = await scanned(upload, resources)
    async with resources.db.session() as db:
        content = await service.content(db, sender.who, uuid.UUID(file_id))
    await resources.storage.delete(content.key)
    answer = await api.get(f"/api/v1/files/{file_id}/content", headers=sender.headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "file_content_not_found")


async def test_files_are_listed_newest_first_page_by_page(
    api: httpx2.AsyncClient, upload: Upload, sender: Person, stranger: Person
) -> None:
    mine = [await sent(upload, b"words number %d\n" % number) for number in range(5)]
    await sent(upload, by=stranger)
    first = await api.get("/api/v1/files?limit=3", headers=sender.headers)
    assert [file["id"] for file in first.json()] == mine[:1:-1]
    following = first.headers["Link"].partition(">")[0].lstrip("<")
    second = await api.get(following, headers=sender.headers)
    assert [file["id"] for file in second.json()] == mine[1::-1]
    assert "Link" not in second.headers


async def test_files_are_filtered(
    api: httpx2.AsyncClient, upload: Upload, resources: Resources, sender: Person
) -> None:
    ticket = await tickets.ticket(resources, sender.who)
    one = await sent(upload, b"on the ticket\n", ticket_id=ticket.id)
    two = await sent(upload, b"on its own, broken\n")
    await mark(resources, two, ProcessingStatus.FAILED)
    digest = hashlib.sha256(b"on the ticket\n").hexdigest()
    for query, found in (
        (f"ticket_id={ticket.id}", [one]),
        ("processing_status=failed", [two]),
        (f"sha256={digest.upper()}", [one]),
        (f"sha256={'0' * 64}", []),
        ("processing_status=pending&ticket_id=999", []),
    ):
        answer = await api.get(f"/api/v1/files?{query}", headers=sender.headers)
        assert [file["id"] for file in answer.json()] == found, query


INVALID_QUERIES = [
    "ticket_id=x",
    f"ticket_id={10**30}",
    "processing_status=odd",
    "sha256=xyz",
    "cursor=odd",
    "limit=0",
    "owner=me",
]


async def test_a_query_that_is_not_valid_is_422(api: httpx2.AsyncClient, sender: Person) -> None:
    for query in INVALID_QUERIES:
        assert (await api.get(f"/api/v1/files?{query}", headers=sender.headers)).status_code == 422


async def test_files_are_attached_to_a_ticket(
    upload: Upload, resources: Resources, sender: Person, stranger: Person, agent: Person
) -> None:
    ticket = await tickets.ticket(resources, sender.who)
    other = await tickets.ticket(resources, sender.who)
    foreign = await tickets.ticket(resources, stranger.who)
    file_id = uuid.UUID(await sent(upload))
    async with resources.db.unit_of_work() as db:
        attached = await service.attach(db, sender.who, [file_id, file_id], ticket_id=ticket.id)
        assert [file.ticket_id for file in attached] == [ticket.id]
        await service.attach(db, sender.who, [file_id], ticket_id=ticket.id)
    async with resources.db.unit_of_work() as db:
        with pytest.raises(FileMissing):
            await service.attach(db, sender.who, [file_id], ticket_id=other.id)
        with pytest.raises(FileMissing):
            await service.attach(db, stranger.who, [file_id], ticket_id=foreign.id)
        moved = await service.attach(db, agent.who, [file_id], ticket_id=other.id)
    assert moved[0].ticket_id == other.id


async def test_a_file_is_found_by_its_job(
    upload: Upload, resources: Resources, sender: Person, stranger: Person
) -> None:
    body = (await upload(TEXT)).json()
    job_id = uuid.UUID(body["job_id"])
    async with resources.db.session() as db:
        file, status = await service.status_of_job(db, sender.who, job_id)
        assert (str(file.id), status.job_id) == (body["id"], job_id)
        with pytest.raises(FileMissing):
            await service.status_of_job(db, stranger.who, job_id)
