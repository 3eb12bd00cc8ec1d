"""Every message of the server: closed types, told apart by `type`. Section 3 of the public contract.

`{"type", "protocol", "success", "timestamp", "data"}`, with `error` when it failed, `request_id` when it answers one
that had it, and `seq` on notifications.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from app.core.clock import now
from app.websocket.frames import text_frame
from app.websocket.payloads import (
    AuthenticatedData,
    BatchProgressData,
    BudgetData,
    CategorizationData,
    Data,
    DegradedData,
    FailureData,
    FileDeletedData,
    HandoverOverdueData,
    JobSubscriptionData,
    NotificationSubscriptionData,
    PresenceData,
    PresenceSubscriptionData,
    ProcessingFailedData,
    ProgressData,
    RecognisedData,
    RecoveredData,
    ResolutionData,
    TicketAssignedData,
    TicketCommentData,
    TicketDeletedData,
    TicketOverdueData,
    TicketStatusData,
    TicketSubscriptionData,
    TicketUpdatedData,
    UploadCompletedData,
    UploadStartedData,
)
from app.websocket.requests import RequestId

Protocol = Literal["ticket", "file", "presence", "notification", "system"]

_OPTIONAL = ("error", "request_id", "seq")
_SPARSE = (
    TicketSubscriptionData,
    JobSubscriptionData,
    PresenceSubscriptionData,
    NotificationSubscriptionData,
    FailureData,
)


class Envelope(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    type: str
    protocol: Protocol
    success: bool = True
    timestamp: datetime = Field(default_factory=now)
    data: Data
    error: str | None = None
    request_id: RequestId | None = None
    seq: int | None = None

    def frame(self) -> bytes:
        """As it goes out. What does not apply is left out; a null inside the data of a notification stays."""
        absent: dict[str, Any] = {name: True for name in _OPTIONAL if getattr(self, name) is None}
        if isinstance(self.data, _SPARSE):
            absent["data"] = {name for name, value in self.data if value is None}
        return text_frame(self.model_dump_json(exclude=absent, serialize_as_any=True))


class TicketMessage(Envelope):
    protocol: Literal["ticket"] = "ticket"


class FileMessage(Envelope):
    protocol: Literal["file"] = "file"


class NotificationMessage(Envelope):
    protocol: Literal["notification"] = "notification"


class TicketStatusUpdate(TicketMessage):
    type: Literal["ticket_status_update"] = "ticket_status_update"
    data: TicketStatusData


class TicketAssigned(TicketMessage):
    type: Literal["ticket_assigned"] = "ticket_assigned"
    data: TicketAssignedData


class TicketCommentAdded(TicketMessage):
    type: Literal["ticket_comment_added"] = "ticket_comment_added"
    data: TicketCommentData


class AiCategorizationComplete(TicketMessage):
    type: Literal["ai_categorization_complete"] = "ai_categorization_complete"
    data: CategorizationData


class TicketUpdated(TicketMessage):
    type: Literal["ticket_updated"] = "ticket_updated"
    data: TicketUpdatedData


class ResolutionProgress(TicketMessage):
    type: Literal["resolution_progress"] = "resolution_progress"
    data: ResolutionData


class TicketDeleted(TicketMessage):
    type: Literal["ticket_deleted"] = "ticket_deleted"
    data: TicketDeletedData


class TicketOverdue(TicketMessage):
    type: Literal["ticket_overdue"] = "ticket_overdue"
    data: TicketOverdueData


class FileUploadStarted(FileMessage):
    type: Literal["file_upload_started"] = "file_upload_started"
    data: UploadStartedData


class FileUploadCompleted(FileMessage):
    type: Literal["file_upload_completed"] = "file_upload_completed"
    data: UploadCompletedData


class FileProcessingProgress(FileMessage):
    type: Literal["file_processing_progress"] = "file_processing_progress"
    data: ProgressData


class TranscriptionCompleted(FileMessage):
    type: Literal["transcription_completed"] = "transcription_completed"
    data: RecognisedData


class OcrCompleted(FileMessage):
    type: Literal["ocr_completed"] = "ocr_completed"
    data: RecognisedData


class FileProcessingFailed(FileMessage):
    type: Literal["file_processing_failed"] = "file_processing_failed"
    data: ProcessingFailedData


class FileDeleted(FileMessage):
    type: Literal["file_deleted"] = "file_deleted"
    data: FileDeletedData


class BatchProgress(NotificationMessage):
    type: Literal["batch_progress"] = "batch_progress"
    data: BatchProgressData


class BudgetNearlySpent(NotificationMessage):
    type: Literal["budget_nearly_spent"] = "budget_nearly_spent"
    data: BudgetData


class BudgetSpent(NotificationMessage):
    type: Literal["budget_spent"] = "budget_spent"
    data: BudgetData


class HandoverOverdue(NotificationMessage):
    type: Literal["handover_overdue"] = "handover_overdue"
    data: HandoverOverdueData


class PresenceUpdate(Envelope):
    type: Literal["presence_update"] = "presence_update"
    protocol: Literal["presence"] = "presence"
    data: PresenceData


class Degraded(Envelope):
    type: Literal["degraded"] = "degraded"
    protocol: Literal["system"] = "system"
    data: DegradedData


class Recovered(Envelope):
    type: Literal["recovered"] = "recovered"
    protocol: Literal["system"] = "system"
    data: RecoveredData = RecoveredData()


class SubscriptionResponse(Envelope):
    type: Literal["subscription_response"] = "subscription_response"
    data: (
        TicketSubscriptionData
        | JobSubscriptionData
        | PresenceSubscriptionData
        | NotificationSubscriptionData
        | FailureData
    )


class AuthenticationResponse(Envelope):
    type: Literal["authentication_response"] = "authentication_response"
    protocol: Literal["system"] = "system"
    data: AuthenticatedData


class ErrorMessage(Envelope):
    type: Literal["error"] = "error"
    success: Literal[False] = False
    data: FailureData


TicketNotification = (
    TicketStatusUpdate
    | TicketAssigned
    | TicketCommentAdded
    | AiCategorizationComplete
    | ResolutionProgress
    | TicketUpdated
    | TicketDeleted
    | TicketOverdue
)
FileNotification = (
    FileUploadStarted
    | FileUploadCompleted
    | FileProcessingProgress
    | TranscriptionCompleted
    | OcrCompleted
    | FileProcessingFailed
    | FileDeleted
)
PersonNotification = BatchProgress | BudgetNearlySpent | BudgetSpent | HandoverOverdue
Notification = TicketNotification | FileNotification | PersonNotification
Answer = SubscriptionResponse | AuthenticationResponse | ErrorMessage
ServerMessage = Notification | PresenceUpdate | Degraded | Recovered | Answer
SERVER_MESSAGE: TypeAdapter[ServerMessage] = TypeAdapter(Annotated[ServerMessage, Field(discriminator="type")])
