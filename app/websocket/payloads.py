"""The `data` of what the server sends, read from the fields of an event that are named here. Section 3 of the public
contract names them."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue

from app.core.errors import FieldError
from app.websocket.channels import Topic


class Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, from_attributes=True)


class TicketStatusData(Data):
    """People are named by username; `updated_by` is null when it is not known."""

    ticket_id: int
    status: str
    updated_by: str | None
    timestamp: datetime


class TicketAssignedData(Data):
    """`assigned_to` is null when the ticket was taken from its assignee."""

    ticket_id: int
    assigned_to: str | None
    assigned_by: str
    timestamp: datetime


class TicketCommentData(Data):
    ticket_id: int
    comment_id: int
    author: str
    content: str
    timestamp: datetime


class CategorizationData(Data):
    ticket_id: int
    category: str
    priority: str
    team: str | None
    confidence: float
    timestamp: datetime


class TicketUpdatedData(Data):
    """`changes` gives the new value of each field that was edited; status and assignee have messages of their own."""

    ticket_id: int
    version: int
    changes: dict[str, JsonValue]
    updated_by: str
    timestamp: datetime


class ResolutionData(Data):
    """`step` is null when the whole has ended; `progress` is the share of the chain that is done."""

    ticket_id: int
    resolution_id: UUID
    state: Literal["started", "completed", "ended"]
    step: str | None
    status: str
    progress: float
    error: str | None
    timestamp: datetime


class TicketDeletedData(Data):
    """The last message of its channel."""

    ticket_id: int
    deleted_by: str
    timestamp: datetime


class TicketOverdueData(Data):
    """To the staff alone. `assigned_to` is a username, None where it lies in the queue of `team`."""

    ticket_id: int
    team: str | None
    assigned_to: str | None
    due_at: datetime
    timestamp: datetime


class UploadStartedData(Data):
    job_id: UUID
    filename: str
    timestamp: datetime


class UploadCompletedData(Data):
    job_id: UUID
    file_id: UUID
    filename: str
    file_size: int
    timestamp: datetime


class ProgressData(Data):
    """`progress` is the share of the work that is done, 0..1."""

    job_id: UUID
    stage: str
    progress: float
    message: str
    timestamp: datetime


class RecognisedData(Data):
    """What was read is at GET /files/{file_id}/text; `confidence` 0..1 is the engine's own."""

    job_id: UUID
    file_id: UUID
    filename: str
    confidence: float | None
    timestamp: datetime


class ProcessingFailedData(Data):
    job_id: UUID
    filename: str
    error: str
    stage: str
    timestamp: datetime


class FileDeletedData(Data):
    """The last message of its channel."""

    job_id: UUID
    file_id: UUID
    filename: str
    timestamp: datetime


class TicketSubscriptionData(Data):
    """`seq` is the channel's present number. `recovered` false: what was missed is gone, read the ticket anew."""

    ticket_id: int
    subscribed: bool
    seq: int | None = None
    recovered: bool | None = None


class JobSubscriptionData(Data):
    """As for a ticket; what a late subscriber missed comes with `after: 0`."""

    job_id: UUID
    subscribed: bool
    seq: int | None = None
    recovered: bool | None = None


class BatchProgressData(Data):
    """How far a batch is: whole numbers, which replace those told before. `ticket_id` and `run_id` are of the run that
    ended just now, null when the batch began; completed: every run has ended, well or not."""

    batch_id: UUID
    operation: str
    status: Literal["running", "completed"]
    total: int
    pending: int
    running: int
    completed: int
    failed: int
    ticket_id: int | None
    run_id: UUID | None
    timestamp: datetime


class BudgetData(Data):
    """Of a month (`2026-11`), in US dollars."""

    month: str
    budget_usd: float
    spent_usd: float
    timestamp: datetime


class HandoverOverdueData(Data):
    """`assigned_to` is a username, None where it lies in the queue of `team`."""

    session_id: UUID
    ticket_id: int
    team: str | None
    assigned_to: str | None
    due_at: datetime
    timestamp: datetime


class NotificationSubscriptionData(Data):
    """As for a ticket; what a late subscriber missed comes with `after`."""

    topic: Topic
    subscribed: bool
    seq: int | None = None
    recovered: bool | None = None


class PresentData(Data):
    """Once a person, however many windows they have open; `typing` in any of them counts. `since` they are there."""

    username: str
    state: Literal["viewing", "typing"]
    since: datetime


class PresenceData(Data):
    """Everybody who is there now: it replaces what was told before."""

    ticket_id: int
    people: list[PresentData]
    timestamp: datetime


class PresenceSubscriptionData(Data):
    ticket_id: int
    subscribed: bool
    people: list[PresentData] | None = None


class DegradedData(Data):
    """The bus between the processes is away: messages come late, none is lost; presence is that of one process."""

    retry_seconds: float


class RecoveredData(Data):
    """Everything that was missed has been sent before this."""


class AuthenticatedData(Data):
    username: str
    role: str


class FailureData(Data):
    """`code` is stable, `errors` names the fields that are wrong, the ids say what the request was about."""

    code: str
    ticket_id: int | None = None
    job_id: UUID | None = None
    topic: Topic | None = None
    errors: list[FieldError] | None = None
