"""From the service to the socket, through the real outbox and relay; and what the file protocol answers."""

from uuid import UUID

from app.core.auth import Role
from app.core.clock import now
from app.core.resources import Resources
from app.files import events as files
from app.models.base import uuid7
from app.models.file import File, ProcessingStatus, ScanStatus
from app.models.job import Job, JobState
from app.models.ticket import TicketStatus, Visibility
from app.outbox import writer as outbox
from app.tickets import service
from tests.factories import people, tickets
from tests.websocket.conftest import Client, Deliver, Document, Server


async def _file(resources: Resources, owner: people.Person, **fields: object) -> tuple[UUID, UUID]:
    """A file and its job, ids as (file, job)."""
    file_id, job_id = uuid7(), uuid7()
    state = fields.pop("state", JobState.SUCCEEDED)
    stage, progress = fields.pop("stage", None), fields.pop("progress", 0.0)
    async with resources.db.unit_of_work() as db:
        db.add(
            Job(id=job_id, kind="files.recognise", subject=str(file_id), state=state, stage=stage, progress=progress)
        )
        await db.flush()
        given = {
            "uploader_id": owner.id,
            "filename": "screen.png",
            "file_type": "image/png",
            "kind": "image",
            "file_size": 9,
            "sha256": "0" * 64,
            "storage_key": str(file_id),
            "scan_status": ScanStatus.CLEAN,
            **fields,
        }
        db.add(File(id=file_id, job_id=job_id, **given))
    return file_id, job_id


async def test_what_happens_to_a_ticket_arrives(
    server: Server, resources: Resources, customer: people.Person, agent: people.Person, deliver: Deliver
) -> None:
    ticket = await tickets.ticket(resources, customer.who, category="bug")
    async with server.connect(customer.token) as outside, server.connect(agent.token) as inside:
        for client in (outside, inside):
            await client.ask("subscribe_ticket", ticket_id=ticket.id)
        async with resources.db.unit_of_work() as db:
            await service.assign(db, agent.who, ticket.id, assignee_id=agent.id)
        async with resources.db.unit_of_work() as db:
            for visibility in (Visibility.INTERNAL, Visibility.PUBLIC):
                await service.comment(db, agent.who, ticket.id, body=f"{visibility} ☎", visibility=visibility)
        async with resources.db.unit_of_work() as db:
            await service.change_status(db, agent.who, ticket.id, status=TicketStatus.RESOLVED)
        await deliver()

        told_inside = [await inside.receive() for _ in range(4)]
        told_outside = [await outside.receive() for _ in range(3)]
    assert [message["seq"] for message in told_inside] == [1, 2, 3, 4]
    assert [message["seq"] for message in told_outside] == [1, 2, 3]
    kinds = ["ticket_assigned", "ticket_comment_added", "ticket_comment_added", "ticket_status_update"]
    assert [message["type"] for message in told_inside] == kinds
    assert [message["data"].get("content") for message in told_inside] == [None, "internal ☎", "public ☎", None]
    assert [message["data"] for message in told_outside] == [told_inside[n]["data"] for n in (0, 2, 3)]
    assert told_outside[0]["data"]["assigned_to"] == agent.username
    assert told_outside[2]["data"]["status"] == "resolved"


async def test_a_late_watcher_of_a_finished_job_hears_all_of_it(
    server: Server, resources: Resources, customer: people.Person, deliver: Deliver
) -> None:
    file_id, job_id = await _file(resources, customer)
    about = {"file_id": file_id, "job_id": job_id, "timestamp": now()}
    async with resources.db.unit_of_work() as db:
        outbox.add(db, files.FileUploadStarted(filename="screen.png", **about))
        outbox.add(db, files.FileUploadCompleted(filename="screen.png", file_size=9, **about))
        outbox.add(db, files.FileProcessingProgress(stage="ocr", progress=0.5, message="Half", **about))
        outbox.add(db, files.OcrCompleted(filename="screen.png", confidence=0.9, **about))
    await deliver()
    async with server.connect(customer.token) as client:
        answer = await client.ask("subscribe_job", "r", job_id=str(job_id), after=0)
        assert answer["protocol"] == "file"
        assert answer["data"] == {"job_id": str(job_id), "subscribed": True, "seq": 4, "recovered": True}
        told = [await client.receive() for _ in range(4)]
        assert [message["type"] for message in told] == [
            "file_upload_started",
            "file_upload_completed",
            "file_processing_progress",
            "ocr_completed",
        ]
        assert {message["data"]["job_id"] for message in told} == {str(job_id)}
        left = await client.ask("unsubscribe_job", job_id=str(job_id))
        assert left["data"] == {"job_id": str(job_id), "subscribed": False}


async def test_another_persons_job_is_refused_and_staff_may_watch(
    server: Server, resources: Resources, customer: people.Person
) -> None:
    _, job_id = await _file(resources, customer)
    for who, allowed in (
        (await people.register(resources), False),
        (await people.register(resources, Role.AGENT), True),
    ):
        async with server.connect(who.token) as client:
            subscribed = await client.ask("subscribe_job", job_id=str(job_id))
            status = await client.ask("get_job_status", job_id=str(job_id))
        assert (subscribed["success"], status["success"]) == (allowed, allowed)
        if not allowed:
            assert subscribed["data"] == {"code": "file_not_found", "job_id": str(job_id)}
            assert status["type"] == "error"
            assert status["data"] == subscribed["data"]


async def _status(client: Client, job_id: UUID) -> Document:
    answer = await client.ask("get_job_status", "r", job_id=str(job_id))
    assert (answer["protocol"], answer["success"], answer["request_id"]) == ("file", True, "r")
    assert answer["data"].pop("job_id") == str(job_id)
    assert answer["data"].pop("timestamp")
    return {"type": answer["type"], **answer["data"]}


async def test_the_state_of_a_job_is_told_like_its_last_notification(
    server: Server, resources: Resources, customer: people.Person
) -> None:
    _, waiting = await _file(resources, customer, state=JobState.QUEUED)
    completed = ProcessingStatus.COMPLETED
    _, done = await _file(resources, customer, processing_status=completed, stage="ocr", progress=1.0)
    broken = {"processing_status": ProcessingStatus.FAILED, "error": "truncated", "stage": "ocr"}
    _, failed = await _file(resources, customer, state=JobState.FAILED, **broken)
    async with server.connect(customer.token) as client:
        assert await _status(client, waiting) == {
            "type": "file_processing_progress",
            "stage": "validation",
            "progress": 0.0,
            "message": "pending",
        }
        assert await _status(client, done) == {
            "type": "file_processing_progress",
            "stage": "ocr",
            "progress": 1.0,
            "message": "completed",
        }
        assert await _status(client, failed) == {
            "type": "file_processing_failed",
            "filename": "screen.png",
            "error": "truncated",
            "stage": "ocr",
        }
