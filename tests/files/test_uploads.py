import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import event, select, text, update
from sqlalchemy.orm import Session

from app.core.resources import Resources
from app.core.storage import LocalStorage, StorageError
from app.files.receiving import keep_on_commit
from app.files.service import slot_in
from app.models.file import File, ScanStatus
from app.models.job import Job
from app.models.outbox import OutboxRow
from tests.factories import tickets
from tests.factories.people import Person
from tests.files import samples
from tests.files.conftest import SMALL_LIMIT, Upload

URL = "/api/v1/files/upload"
FORM = "multipart/form-data; boundary=XX"


def stored(resources: Resources) -> set[Path]:
    storage = resources.storage
    assert isinstance(storage, LocalStorage)
    return {path for path in storage.root.rglob("*") if path.is_file()}


@pytest.fixture
def before(resources: Resources) -> set[Path]:
    return stored(resources)


async def chunks(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def form(*parts: tuple[str, bytes], boundary: str = "XX", end: str = "--XX--\r\n") -> bytes:
    body = b"".join(
        b"--%s\r\n%s\r\n\r\n%s\r\n" % (boundary.encode(), head.encode(), content) for head, content in parts
    )
    return body + end.encode()


def part(name: str, content: bytes, filename: str | None = None) -> tuple[str, bytes]:
    named = "" if filename is None else f'; filename="{filename}"'
    return f'Content-Disposition: form-data; name="{name}"{named}', content


async def post_form(
    api: httpx2.AsyncClient,
    who: Person,
    body: bytes | AsyncIterator[bytes],
    kind: str = FORM,
) -> httpx2.Response:
    return await api.post(URL, content=body, headers=who.headers | {"Content-Type": kind})


async def test_an_upload_is_stored_hashed_typed_and_queued(
    upload: Upload, resources: Resources, sender: Person
) -> None:
    content = samples.png("hello")
    answer = await upload(content, "screen.png", "image/png")
    assert answer.status_code == 201
    body = answer.json()
    assert set(body) == {
        "id", "job_id", "filename", "file_type", "file_size", "sha256", "ticket_id", "processing_status",
    }  # fmt: skip
    assert body["filename"] == "screen.png"
    assert body["file_type"] == "image/png"
    assert body["file_size"] == len(content)
    assert body["sha256"] == hashlib.sha256(content).hexdigest()
    assert body["ticket_id"] is None
    assert body["processing_status"] == "pending"
    assert answer.headers["Location"] == f"/api/v1/files/{body['id']}"
    async with resources.db.session() as db:
        file = (await db.execute(select(File))).scalar_one()
        job = (await db.execute(select(Job))).scalar_one()
        events = (await db.execute(select(OutboxRow.type).order_by(OutboxRow.id))).scalars().all()
    assert (file.uploader_id, file.job_id, file.kind) == (sender.id, job.id, "image")
    assert (job.kind, job.subject, job.state) == ("files.recognise", body["id"], "queued")
    assert list(events) == ["job.due", "file.upload_started", "file.upload_completed"]


async def test_an_upload_hangs_on_a_ticket_that_its_sender_sees(
    upload: Upload, resources: Resources, sender: Person, stranger: Person
) -> None:
    ticket = await tickets.ticket(resources, sender.who)
    assert (await upload(b"log line one\n", ticket_id=ticket.id)).json()["ticket_id"] == ticket.id
    refused = await upload(b"log line two\n", ticket_id=ticket.id, by=stranger)
    assert (refused.status_code, refused.json()["code"]) == (404, "ticket_not_found")


NOBODYS = [999_999, 10**30]


async def test_a_ticket_nobody_has_is_404_and_leaves_no_bytes(
    upload: Upload, resources: Resources, before: set[Path]
) -> None:
    for number in NOBODYS:
        assert (await upload(b"text\n", ticket_id=number)).status_code == 404
        assert stored(resources) == before


NO_NUMBERS = ["one", "1.5", "-1", "٣", "1" * 200]


async def test_a_ticket_id_that_is_no_number_is_refused(upload: Upload) -> None:
    for value in NO_NUMBERS:
        answer = await upload(b"text\n", ticket_id=value)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["location"] == ["body", "ticket_id"]


async def test_an_empty_ticket_id_is_none(upload: Upload) -> None:
    assert (await upload(b"text\n", ticket_id="")).json()["ticket_id"] is None


async def test_an_unknown_field_is_refused(upload: Upload, resources: Resources, before: set[Path]) -> None:
    answer = await upload(b"text\n", owner="me")
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert answer.json()["errors"][0]["location"] == ["body", "owner"]
    assert stored(resources) == before


async def test_a_second_file_is_refused(api: httpx2.AsyncClient, sender: Person) -> None:
    answer = await post_form(api, sender, form(part("file", b"one", "a.txt"), part("file", b"two", "b.txt")))
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


async def test_an_empty_file_is_refused(upload: Upload, resources: Resources, before: set[Path]) -> None:
    answer = await upload(b"")
    assert (answer.status_code, answer.json()["code"]) == (400, "file_empty")
    assert stored(resources) == before


EXECUTABLES = [
    (samples.MZ, "holiday.png", "image/png"),
    (samples.ELF, "notes.txt", "text/plain"),
    (samples.ELF + os.urandom(200_000), "notes.txt", "text/plain"),
    (b"#!/bin/sh\necho hi\n", "notes.txt", "text/plain"),
    (b"harmless\n", "setup.exe", "text/plain"),
    (b"harmless\n", "a.exe\0.png", "image/png"),
    (b"harmless\n", "notes.txt", "application/x-msdownload"),
]


async def test_an_executable_is_refused_and_leaves_no_bytes(
    upload: Upload, resources: Resources, before: set[Path]
) -> None:
    for content, filename, declared in EXECUTABLES:
        answer = await upload(content, filename, declared)
        assert (answer.status_code, answer.json()["code"]) == (400, "file_type_not_allowed")
        assert stored(resources) == before


async def test_a_lying_content_type_is_resolved_to_the_content(upload: Upload) -> None:
    answer = await upload(b"only words here\n", "photo.png", "image/png")
    assert (answer.status_code, answer.json()["file_type"]) == (201, "text/plain")


HOSTILE_NAMES = [
    ("../../etc/passwd", "passwd"),
    ("..\\..\\boot.ini", "boot.ini"),
    ("x" * 4000 + ".log", "x" * 251 + ".log"),
    ("fiche\u202egnp.txt", "fichegnp.txt"),
    ("größe.txt", "größe.txt"),
]


async def test_a_hostile_filename_is_made_safe(upload: Upload) -> None:
    for given, shown in HOSTILE_NAMES:
        answer = await upload(b"words\n", given)
        assert (answer.status_code, answer.json()["filename"]) == (201, shown)


async def test_a_file_over_the_limit_is_refused_by_its_declared_length(
    small_api: httpx2.AsyncClient, sender: Person
) -> None:
    answer = await small_api.post(URL, files={"file": ("a.txt", bytes(SMALL_LIMIT * 2))}, headers=sender.headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "file_too_large")


async def test_a_file_over_the_limit_is_refused_while_it_streams(
    small_api: httpx2.AsyncClient, sender: Person, resources: Resources, before: set[Path]
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield form(part("file", b"", "a.txt"), end="")[:-2]
        for _ in range(1000):
            sent += 10_000
            yield b"a" * 10_000

    answer = await post_form(small_api, sender, endless())
    assert (answer.status_code, answer.json()["code"]) == (413, "file_too_large")
    assert sent < SMALL_LIMIT * 2
    assert stored(resources) == before


async def test_a_file_of_exactly_the_limit_is_accepted(small_api: httpx2.AsyncClient, sender: Person) -> None:
    line = b"a line of a log that goes on\n"
    content = (line * (SMALL_LIMIT // len(line) + 1))[:SMALL_LIMIT]
    answer = await small_api.post(URL, files={"file": ("a.log", content)}, headers=sender.headers)
    assert answer.status_code == 201
    assert answer.json()["file_size"] == SMALL_LIMIT


MALFORMED = [
    (b"{}", "application/json"),
    (b"anything", "multipart/form-data"),
    (b"anything", "multipart/form-data; boundary=" + "x" * 300),
    (b"not a form", FORM),
    (b"", FORM),
    (form(part("file", b"words", "a.txt"), end=""), FORM),
    (form(("Content-Type: text/plain", b"words")), FORM),
    (form(("X: " + "y" * 70_000, b"words")), FORM),
    (form(("Content-Disposition: form-data", b"words")), FORM),
]


async def test_a_malformed_body_is_400(api: httpx2.AsyncClient, sender: Person) -> None:
    for body, kind in MALFORMED:
        answer = await post_form(api, sender, body, kind)
        assert (answer.status_code, answer.json()["code"]) == (400, "multipart_malformed")


async def test_a_form_of_too_many_parts_is_400(api: httpx2.AsyncClient, sender: Person) -> None:
    answer = await post_form(api, sender, form(*[("Content-Disposition: form-data; name=ticket_id", b"")] * 40))
    assert answer.status_code in (400, 422)


async def test_a_form_without_a_file_is_400(api: httpx2.AsyncClient, sender: Person) -> None:
    answer = await post_form(api, sender, form(part("ticket_id", b"")))
    assert (answer.status_code, answer.json()["code"]) == (400, "file_field_missing")


async def test_a_form_that_arrives_byte_by_byte_is_read(api: httpx2.AsyncClient, sender: Person) -> None:
    body = form(part("file", b"words and words\n", "a.txt"))
    answer = await post_form(api, sender, chunks(*(body[at : at + 1] for at in range(len(body)))))
    assert answer.status_code == 201
    assert answer.json()["sha256"] == hashlib.sha256(b"words and words\n").hexdigest()


async def test_a_filename_that_is_not_utf8_is_read_as_latin1(api: httpx2.AsyncClient, sender: Person) -> None:
    body = form(part("file", b"words\n", "grXe.txt")).replace(b"grXe", b"gr\xf6e")
    assert (await post_form(api, sender, body)).json()["filename"] == "gröe.txt"


async def test_a_file_without_a_name_is_called_file(api: httpx2.AsyncClient, sender: Person) -> None:
    assert (await post_form(api, sender, form(part("file", b"words\n")))).json()["filename"] == "file"


async def test_a_sender_who_leaves_in_the_middle_leaves_no_bytes(
    app: FastAPI, sender: Person, resources: Resources, before: set[Path]
) -> None:
    messages: Iterator[dict[str, object]] = iter(
        [
            {"type": "http.request", "body": form(part("file", b"words", "a.txt"), end=""), "more_body": True},
            {"type": "http.disconnect"},
        ]
    )

    async def receive() -> dict[str, object]:
        return next(messages)

    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    headers = sender.headers | {"content-type": FORM}
    scope = {
        "type": "http", "method": "POST", "path": URL, "raw_path": URL.encode(), "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1), "server": ("testserver", 80), "scheme": "http", "http_version": "1.1",
        "root_path": "",
    }  # fmt: skip
    await app(scope, receive, send)  # type: ignore[arg-type] # a hand-made scope
    assert sent[0]["status"] == 400
    assert stored(resources) == before


async def test_bytes_stay_where_nobody_knows_whether_their_row_was_committed(
    resources: Resources, before: set[Path]
) -> None:
    def lost(_session: Session) -> None:
        raise ConnectionResetError("the answer to COMMIT is lost")

    async def upload() -> None:
        async with slot_in(resources.storage) as slot, resources.db.unit_of_work() as db:
            event.listen(db.sync_session, "after_commit", lost)
            slot.key = "2026/11/25/01890a5d-ac96-774b-bcce-b302099a8057"
            await resources.storage.put(slot.key, chunks(b"words"))
            keep_on_commit(db, slot)
            await db.execute(text("SELECT 1"))

    with pytest.raises(ConnectionResetError):
        await upload()
    assert len(stored(resources) - before) == 1


class FailingStorage(LocalStorage):
    """A store that is away."""

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        raise StorageError(key)

    async def delete(self, key: str) -> None:
        raise StorageError(key)

    async def read(self, key: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        raise StorageError(key)
        yield b""  # pragma: no cover


async def test_a_store_that_is_away_is_503(
    app: FastAPI, upload: Upload, api: httpx2.AsyncClient, sender: Person
) -> None:
    file_id = (await upload(b"words\n")).json()["id"]
    resources: Resources = app.state.resources
    async with resources.db.unit_of_work() as db:
        await db.execute(update(File).values(scan_status=ScanStatus.CLEAN))
    fields = {name: getattr(resources, name) for name in Resources.__slots__}
    app.state.resources = Resources(**{**fields, "storage": FailingStorage(Path("nowhere"))})
    for answer in (
        await upload(b"words\n"),
        await api.get(f"/api/v1/files/{file_id}/content", headers=sender.headers),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "file_store_unavailable")


async def test_nobody_uploads_without_a_login(api: httpx2.AsyncClient) -> None:
    assert (await api.post(URL, files={"file": ("a.txt", b"words")})).status_code == 401


async def test_a_repeated_upload_with_the_same_key_is_one_file(
    upload: Upload, resources: Resources, before: set[Path]
) -> None:
    key = {"Idempotency-Key": "upload-1"}
    first = await upload(b"the same words\n", headers=key)
    again = await upload(b"the same words\n", headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(stored(resources) - before) == 1


async def test_concurrent_uploads_with_one_key_are_one_file(
    upload: Upload, resources: Resources, before: set[Path]
) -> None:
    key = {"Idempotency-Key": "upload-2"}
    answers = await asyncio.gather(*(upload(b"the same words\n", headers=key) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(stored(resources) - before) == 1


@pytest.mark.parametrize(("content", "filename"), [(b"other words\n", "report.txt"), (b"the same words\n", "b.txt")])
async def test_a_key_used_for_another_file_is_a_conflict(
    upload: Upload, resources: Resources, before: set[Path], content: bytes, filename: str
) -> None:
    key = {"Idempotency-Key": "upload-3"}
    await upload(b"the same words\n", headers=key)
    answer = await upload(content, filename, headers=key)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_conflict")
    assert len(stored(resources) - before) == 1
