"""What events say on the wire: the contract's names, to the right channels."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from app.core.clock import now
from app.core.schemas import Event
from app.files import events as files
from app.outbox.deliveries import Push
from app.relay.subscriptions import build
from app.resolutions.events import ResolutionProgressed
from app.tickets import events as tickets
from app.websocket.messages import SERVER_MESSAGE

FILE = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
JOB = UUID("01890a5d-ac96-774b-bcce-b302099a8058")
AT = now()

ticket: dict[str, Any] = {"ticket_id": 12, "timestamp": AT}
file: dict[str, Any] = {"file_id": FILE, "job_id": JOB, "timestamp": AT}
Case = tuple[Event, str, set[str]]

TICKETS: list[Case] = [
    (
        tickets.TicketStatusChanged(status="resolved", previous="open", updated_by="mia", **ticket),
        "ticket_status_update",
        {"ticket_id", "status", "updated_by", "timestamp"},
    ),
    (
        tickets.TicketAssigned(assigned_to=None, assigned_by="mia", **ticket),
        "ticket_assigned",
        {"ticket_id", "assigned_to", "assigned_by", "timestamp"},
    ),
    (
        tickets.TicketCommentAdded(comment_id=3, author="mia", content="hello", internal=False, **ticket),
        "ticket_comment_added",
        {"ticket_id", "comment_id", "author", "content", "timestamp"},
    ),
    (
        tickets.TicketCategorised(category="bug", priority="high", team="engineering", confidence=0.8, **ticket),
        "ai_categorization_complete",
        {"ticket_id", "category", "priority", "team", "confidence", "timestamp"},
    ),
    (
        tickets.TicketUpdated(
            version=2, fields=["team", "tags"], changes={"team": None, "tags": ["vpn"]}, updated_by="mia", **ticket
        ),
        "ticket_updated",
        {"ticket_id", "version", "changes", "updated_by", "timestamp"},
    ),
    (
        tickets.TicketDeleted(deleted_by="mia", **ticket),
        "ticket_deleted",
        {"ticket_id", "deleted_by", "timestamp"},
    ),
]
FILES: list[Case] = [
    (files.FileUploadStarted(filename="a.png", **file), "file_upload_started", {"job_id", "filename", "timestamp"}),
    (
        files.FileUploadCompleted(filename="a.png", file_size=9, **file),
        "file_upload_completed",
        {"job_id", "file_id", "filename", "file_size", "timestamp"},
    ),
    (
        files.FileProcessingProgress(stage="ocr", progress=0.5, message="half", **file),
        "file_processing_progress",
        {"job_id", "stage", "progress", "message", "timestamp"},
    ),
    (
        files.TranscriptionCompleted(filename="a.wav", confidence=None, **file),
        "transcription_completed",
        {"job_id", "file_id", "filename", "confidence", "timestamp"},
    ),
    (
        files.OcrCompleted(filename="a.png", confidence=0.9, **file),
        "ocr_completed",
        {"job_id", "file_id", "filename", "confidence", "timestamp"},
    ),
    (
        files.FileProcessingFailed(filename="a.png", error="truncated", stage="validation", **file),
        "file_processing_failed",
        {"job_id", "filename", "error", "stage", "timestamp"},
    ),
    (
        files.FileDeleted(filename="a.png", keys=["2026/11/25/a"], **file),
        "file_deleted",
        {"job_id", "file_id", "filename", "timestamp"},
    ),
]

Pushes = Callable[[Event], list[Push]]


@pytest.fixture
def pushes() -> Pushes:
    subscriptions = build()

    def told(event: Event) -> list[Push]:
        deliveries = subscriptions.deliveries(event.type, event.model_dump(mode="json"))
        return [delivery for delivery in deliveries if isinstance(delivery, Push)]

    return told


def _is_message(push: Push, type_: str, fields: set[str]) -> None:
    assert push.type == type_
    assert set(push.data) == fields
    SERVER_MESSAGE.validate_python(
        {"type": push.type, "protocol": push.protocol, "timestamp": AT, "data": push.data, "seq": 1}
    )


@pytest.mark.parametrize(("event", "type_", "fields"), TICKETS, ids=lambda value: value if value is str else None)
def test_a_ticket_event_goes_to_customer_and_staff(pushes: Pushes, event: Event, type_: str, fields: set[str]) -> None:
    told = pushes(event)
    assert [push.channel for push in told] == ["ticket:12", "ticket:12:staff"]
    for push in told:
        assert push.protocol == "ticket"
        _is_message(push, type_, fields)


@pytest.mark.parametrize(("event", "type_", "fields"), FILES, ids=lambda value: value if value is str else None)
def test_a_file_event_goes_to_its_job(pushes: Pushes, event: Event, type_: str, fields: set[str]) -> None:
    (push,) = pushes(event)
    assert (push.channel, push.protocol) == (f"job:{JOB}", "file")
    _is_message(push, type_, fields)


def test_an_internal_comment_goes_to_the_staff_alone(pushes: Pushes) -> None:
    said = tickets.TicketCommentAdded(comment_id=3, author="mia", content="hm", internal=True, **ticket)
    assert [push.channel for push in pushes(said)] == ["ticket:12:staff"]


def test_how_far_the_agents_are_is_for_the_staff_alone(pushes: Pushes) -> None:
    about = {"resolution_id": JOB, "state": "started", "step": "triage", "status": "running", "progress": 0.17}
    event = ResolutionProgressed.model_validate({**ticket, **about, "error": None})
    (push,) = pushes(event)
    assert push.channel == "ticket:12:staff"
    _is_message(push, "resolution_progress", {*about, "ticket_id", "error", "timestamp"})
