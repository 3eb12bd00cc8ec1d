"""Which event is told to whom, in which message. Only translates: the relay numbers, stores and publishes."""

from app.accounts import events as accounts
from app.agents import events as agents
from app.analytics import events as analytics
from app.conversations import events as conversations
from app.files import events as files
from app.outbox.deliveries import Push
from app.resolutions import events as resolutions
from app.tickets import events as tickets
from app.websocket import messages, payloads
from app.websocket.channels import ACCOUNTS, BUDGET, QUEUE, job_channel, own_channel, ticket_channel


def access_changed(event: accounts.AccessChanged) -> list[Push]:
    """To the API processes, which look at that person's sockets again."""
    return [Push(ACCOUNTS, "system", "access_changed", {"user_id": event.user_id})]


def ticket_status_changed(event: tickets.TicketStatusChanged) -> list[Push]:
    data = payloads.TicketStatusData(
        ticket_id=event.ticket_id, status=event.status, updated_by=event.updated_by, timestamp=event.timestamp
    )
    return _to_ticket(event, messages.TicketStatusUpdate(data=data))


def ticket_assigned(event: tickets.TicketAssigned) -> list[Push]:
    data = payloads.TicketAssignedData(
        ticket_id=event.ticket_id,
        assigned_to=event.assigned_to,
        assigned_by=event.assigned_by,
        timestamp=event.timestamp,
    )
    return _to_ticket(event, messages.TicketAssigned(data=data))


def ticket_comment_added(event: tickets.TicketCommentAdded) -> list[Push]:
    """An internal comment is for the staff alone."""
    data = payloads.TicketCommentData(
        ticket_id=event.ticket_id,
        comment_id=event.comment_id,
        author=event.author,
        content=event.content,
        timestamp=event.timestamp,
    )
    return _to_ticket(event, messages.TicketCommentAdded(data=data), internal=event.internal)


def ticket_categorised(event: tickets.TicketCategorised) -> list[Push]:
    data = payloads.CategorizationData(
        ticket_id=event.ticket_id,
        category=event.category,
        priority=event.priority,
        team=event.team,
        confidence=event.confidence,
        timestamp=event.timestamp,
    )
    return _to_ticket(event, messages.AiCategorizationComplete(data=data))


def ticket_updated(event: tickets.TicketUpdated) -> list[Push]:
    data = payloads.TicketUpdatedData(
        ticket_id=event.ticket_id,
        version=event.version,
        changes=event.changes,
        updated_by=event.updated_by,
        timestamp=event.timestamp,
    )
    return _to_ticket(event, messages.TicketUpdated(data=data))


def resolution_progressed(event: resolutions.ResolutionProgressed) -> list[Push]:
    """For the staff alone."""
    data = payloads.ResolutionData(**event.model_dump())
    return [_push(ticket_channel(event.ticket_id, staff=True), messages.ResolutionProgress(data=data))]


def batch_progressed(event: agents.BatchProgressed) -> list[Push]:
    """To the person who asked for it."""
    data = payloads.BatchProgressData(**event.model_dump(exclude={"user_id"}))
    return [_push(own_channel(event.user_id), messages.BatchProgress(data=data))]


def budget_nearly_spent(event: analytics.BudgetNearlySpent) -> list[Push]:
    """To administrators."""
    return [_push(BUDGET, messages.BudgetNearlySpent(data=payloads.BudgetData(**event.model_dump())))]


def budget_spent(event: analytics.BudgetSpent) -> list[Push]:
    """To administrators."""
    return [_push(BUDGET, messages.BudgetSpent(data=payloads.BudgetData(**event.model_dump())))]


def ticket_deleted(event: tickets.TicketDeleted) -> list[Push]:
    data = payloads.TicketDeletedData(ticket_id=event.ticket_id, deleted_by=event.deleted_by, timestamp=event.timestamp)
    return _to_ticket(event, messages.TicketDeleted(data=data))


def ticket_overdue(event: conversations.SessionOverdue) -> list[Push]:
    """To the staff: those who watch the ticket, and those who watch the queue."""
    data = payloads.TicketOverdueData(
        ticket_id=event.ticket_id,
        team=event.team,
        assigned_to=event.assigned_to,
        due_at=event.due_at,
        timestamp=event.timestamp,
    )
    queue = payloads.HandoverOverdueData(session_id=event.session_id, **data.model_dump())
    return [
        _push(ticket_channel(event.ticket_id, staff=True), messages.TicketOverdue(data=data)),
        _push(QUEUE, messages.HandoverOverdue(data=queue)),
    ]


def file_upload_started(event: files.FileUploadStarted) -> list[Push]:
    data = payloads.UploadStartedData(job_id=event.job_id, filename=event.filename, timestamp=event.timestamp)
    return _to_job(event, messages.FileUploadStarted(data=data))


def file_upload_completed(event: files.FileUploadCompleted) -> list[Push]:
    data = payloads.UploadCompletedData(
        job_id=event.job_id,
        file_id=event.file_id,
        filename=event.filename,
        file_size=event.file_size,
        timestamp=event.timestamp,
    )
    return _to_job(event, messages.FileUploadCompleted(data=data))


def file_processing_progress(event: files.FileProcessingProgress) -> list[Push]:
    data = payloads.ProgressData(
        job_id=event.job_id,
        stage=event.stage,
        progress=event.progress,
        message=event.message,
        timestamp=event.timestamp,
    )
    return _to_job(event, messages.FileProcessingProgress(data=data))


def ocr_completed(event: files.OcrCompleted) -> list[Push]:
    return _to_job(event, messages.OcrCompleted(data=_recognised(event)))


def transcription_completed(event: files.TranscriptionCompleted) -> list[Push]:
    return _to_job(event, messages.TranscriptionCompleted(data=_recognised(event)))


def file_processing_failed(event: files.FileProcessingFailed) -> list[Push]:
    data = payloads.ProcessingFailedData(
        job_id=event.job_id,
        filename=event.filename,
        error=event.error,
        stage=event.stage,
        timestamp=event.timestamp,
    )
    return _to_job(event, messages.FileProcessingFailed(data=data))


def file_deleted(event: files.FileDeleted) -> list[Push]:
    data = payloads.FileDeletedData(
        job_id=event.job_id, file_id=event.file_id, filename=event.filename, timestamp=event.timestamp
    )
    return _to_job(event, messages.FileDeleted(data=data))


def _recognised(event: files.OcrCompleted | files.TranscriptionCompleted) -> payloads.RecognisedData:
    return payloads.RecognisedData(
        job_id=event.job_id,
        file_id=event.file_id,
        filename=event.filename,
        confidence=event.confidence,
        timestamp=event.timestamp,
    )


def _to_ticket(
    event: tickets.TicketEvent, message: messages.TicketNotification, *, internal: bool = False
) -> list[Push]:
    audiences = (True,) if internal else (False, True)
    return [_push(ticket_channel(event.ticket_id, staff=staff), message) for staff in audiences]


def _to_job(event: files.FileEvent, message: messages.FileNotification) -> list[Push]:
    return [_push(job_channel(event.job_id), message)]


def _push(channel: str, message: messages.Notification) -> Push:
    return Push(channel, message.protocol, message.type, message.data.model_dump(mode="json"))
