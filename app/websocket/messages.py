"""Every message of the socket: closed types, told apart by `type`. Section 3 of the public contract.

A client's message is `{"type", "data", "request_id"?}`. The server's is `{"type", "protocol", "success", "timestamp",
"data"}`, with `error` when it failed, `request_id` when it answers one that had it, and `seq` on notifications.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from app.core.clock import now
from app.core.schemas import BIGINT_MAX, In, RowId, Text
from app.websocket.frames import text_frame
from app.websocket.payloads import (
    AuthenticatedData,
    CategorizationData,
    Data,
    DegradedData,
    FailureData,
    FileDeletedData,
    JobSubscriptionData,
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


def _refuse_bool(value: Any) -> Any:
    # To Python true is the number 1; to a person it is a mistake.
    if isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004 - pydantic reports ValueError alone
    return value


TicketId = Annotated[RowId, BeforeValidator(_refuse_bool)]
Seq = Annotated[int, Field(ge=0, le=BIGINT_MAX), BeforeValidator(_refuse_bool)]
ShortText = Annotated[Text, Field(min_length=1, max_length=128)]
StrictInt = Annotated[int, Field(strict=True, ge=-BIGINT_MAX, le=BIGINT_MAX)]
RequestId = StrictInt | ShortText

# --- what a client sends ---------------------------------------------------------------------------------------------


class TokenIn(In):
    token: Annotated[Text, Field(min_length=1, max_length=8192)]


class TicketIn(In):
    ticket_id: TicketId


class TicketFrom(TicketIn):
    after: Seq | None = Field(default=None, description="First replay what came after this `seq`.")


class PresenceIn(TicketIn):
    state: Literal["viewing", "typing"]


class JobIn(In):
    job_id: UUID


class JobFrom(JobIn):
    after: Seq | None = Field(default=None, description="First replay what came after this `seq`.")


class Request(In):
    request_id: RequestId | None = None


class Authenticate(Request):
    type: Literal["authenticate"]
    data: TokenIn


class SubscribeTicket(Request):
    type: Literal["subscribe_ticket"]
    data: TicketFrom


class UnsubscribeTicket(Request):
    type: Literal["unsubscribe_ticket"]
    data: TicketIn


class GetTicketStatus(Request):
    type: Literal["get_ticket_status"]
    data: TicketIn


class SubscribeJob(Request):
    type: Literal["subscribe_job"]
    data: JobFrom


class UnsubscribeJob(Request):
    type: Literal["unsubscribe_job"]
    data: JobIn


class GetJobStatus(Request):
    type: Literal["get_job_status"]
    data: JobIn


class SubscribePresence(Request):
    type: Literal["subscribe_presence"]
    data: TicketIn


class UnsubscribePresence(Request):
    type: Literal["unsubscribe_presence"]
    data: TicketIn


class SetPresence(Request):
    type: Literal["set_presence"]
    data: PresenceIn


class GetPresence(Request):
    type: Literal["get_presence"]
    data: TicketIn


TicketRequest = SubscribeTicket | UnsubscribeTicket | GetTicketStatus
FileRequest = SubscribeJob | UnsubscribeJob | GetJobStatus
PresenceRequest = SubscribePresence | UnsubscribePresence | SetPresence | GetPresence
ChannelRequest = TicketRequest | FileRequest | PresenceRequest
ClientMessage = Annotated[Authenticate | ChannelRequest, Field(discriminator="type")]
CLIENT_MESSAGE: TypeAdapter[Authenticate | ChannelRequest] = TypeAdapter(ClientMessage)

# --- what the server sends -------------------------------------------------------------------------------------------

Protocol = Literal["ticket", "file", "presence", "system"]

_OPTIONAL = ("error", "request_id", "seq")
_SPARSE = (TicketSubscriptionData, JobSubscriptionData, PresenceSubscriptionData, FailureData)


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
    data: TicketSubscriptionData | JobSubscriptionData | PresenceSubscriptionData | FailureData


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
Notification = TicketNotification | FileNotification
Answer = SubscriptionResponse | AuthenticationResponse | ErrorMessage
ServerMessage = Notification | PresenceUpdate | Degraded | Recovered | Answer
SERVER_MESSAGE: TypeAdapter[ServerMessage] = TypeAdapter(Annotated[ServerMessage, Field(discriminator="type")])
