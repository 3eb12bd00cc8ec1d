"""Which event is told to whom, in which message. Only translates: the relay numbers, stores and publishes.

A message's data are those fields of the event that its payload names.
"""

from app.accounts import events as accounts
from app.agents import events as agents
from app.analytics import events as analytics
from app.conversations import events as conversations
from app.core.schemas import Event
from app.files import events as files
from app.outbox.deliveries import Push
from app.resolutions import events as resolutions
from app.tickets import events as tickets
from app.websocket import messages
from app.websocket.channels import ACCOUNTS, BUDGET, QUEUE, job_channel, own_channel, ticket_channel


def access_changed(event: accounts.AccessChanged) -> list[Push]:
    """To the API processes, which look at that person's sockets again."""
    return [Push(ACCOUNTS, "system", "access_changed", {"user_id": event.user_id})]


def ticket_status_changed(event: tickets.TicketStatusChanged) -> list[Push]:
    return _to_ticket(event, messages.TicketStatusUpdate)


def ticket_assigned(event: tickets.TicketAssigned) -> list[Push]:
    return _to_ticket(event, messages.TicketAssigned)


def ticket_comment_added(event: tickets.TicketCommentAdded) -> list[Push]:
    """An internal comment is for the staff alone."""
    if event.internal:
        return [_push(ticket_channel(event.ticket_id, staff=True), messages.TicketCommentAdded, event)]
    return _to_ticket(event, messages.TicketCommentAdded)


def ticket_categorised(event: tickets.TicketCategorised) -> list[Push]:
    return _to_ticket(event, messages.AiCategorizationComplete)


def ticket_updated(event: tickets.TicketUpdated) -> list[Push]:
    return _to_ticket(event, messages.TicketUpdated)


def resolution_progressed(event: resolutions.ResolutionProgressed) -> list[Push]:
    """For the staff alone."""
    return [_push(ticket_channel(event.ticket_id, staff=True), messages.ResolutionProgress, event)]


def batch_progressed(event: agents.BatchProgressed) -> list[Push]:
    """To the person who asked for it."""
    return [_push(own_channel(event.user_id), messages.BatchProgress, event)]


def budget_nearly_spent(event: analytics.BudgetNearlySpent) -> list[Push]:
    """To administrators."""
    return [_push(BUDGET, messages.BudgetNearlySpent, event)]


def budget_spent(event: analytics.BudgetSpent) -> list[Push]:
    """To administrators."""
    return [_push(BUDGET, messages.BudgetSpent, event)]


def ticket_deleted(event: tickets.TicketDeleted) -> list[Push]:
    return _to_ticket(event, messages.TicketDeleted)


def ticket_overdue(event: conversations.SessionOverdue) -> list[Push]:
    """To the staff: those who watch the ticket, and those who watch the queue."""
    return [
        _push(ticket_channel(event.ticket_id, staff=True), messages.TicketOverdue, event),
        _push(QUEUE, messages.HandoverOverdue, event),
    ]


def file_upload_started(event: files.FileUploadStarted) -> list[Push]:
    return _to_job(event, messages.FileUploadStarted)


def file_upload_completed(event: files.FileUploadCompleted) -> list[Push]:
    return _to_job(event, messages.FileUploadCompleted)


def file_processing_progress(event: files.FileProcessingProgress) -> list[Push]:
    return _to_job(event, messages.FileProcessingProgress)


def ocr_completed(event: files.OcrCompleted) -> list[Push]:
    return _to_job(event, messages.OcrCompleted)


def transcription_completed(event: files.TranscriptionCompleted) -> list[Push]:
    return _to_job(event, messages.TranscriptionCompleted)


def file_processing_failed(event: files.FileProcessingFailed) -> list[Push]:
    return _to_job(event, messages.FileProcessingFailed)


def file_deleted(event: files.FileDeleted) -> list[Push]:
    return _to_job(event, messages.FileDeleted)


def _to_ticket(event: tickets.TicketEvent, kind: type[messages.TicketNotification]) -> list[Push]:
    return [_push(ticket_channel(event.ticket_id, staff=staff), kind, event) for staff in (False, True)]


def _to_job(event: files.FileEvent, kind: type[messages.FileNotification]) -> list[Push]:
    return [_push(job_channel(event.job_id), kind, event)]


def _push(channel: str, kind: type[messages.Notification], event: Event) -> Push:
    message = kind.model_validate({"data": event})
    return Push(channel, message.protocol, message.type, message.data.model_dump(mode="json"))
