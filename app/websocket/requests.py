"""Every message that a client sends: closed types, told apart by `type`: `{"type", "data", "request_id"?}`."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field, TypeAdapter

from app.core.schemas import BIGINT_MAX, In, RowId, Text
from app.websocket.channels import Topic


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


class TopicIn(In):
    topic: Topic = "own"


class TopicFrom(TopicIn):
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


class SubscribeNotifications(Request):
    type: Literal["subscribe_notifications"]
    data: TopicFrom = TopicFrom()


class UnsubscribeNotifications(Request):
    type: Literal["unsubscribe_notifications"]
    data: TopicIn = TopicIn()


TicketRequest = SubscribeTicket | UnsubscribeTicket | GetTicketStatus
FileRequest = SubscribeJob | UnsubscribeJob | GetJobStatus
PresenceRequest = SubscribePresence | UnsubscribePresence | SetPresence | GetPresence
NotificationRequest = SubscribeNotifications | UnsubscribeNotifications
ChannelRequest = TicketRequest | FileRequest | PresenceRequest | NotificationRequest
ClientMessage = Annotated[Authenticate | ChannelRequest, Field(discriminator="type")]
CLIENT_MESSAGE: TypeAdapter[Authenticate | ChannelRequest] = TypeAdapter(ClientMessage)
