"""From a frame to the protocol that answers it. Whatever a client sends, the answer is a message, not a dead socket."""

from typing import Any, assert_never

from pydantic import ValidationError
from pydantic_core import from_json

from app.core.auth import Principal
from app.core.errors import Problem, Unavailable
from app.core.http import field_errors
from app.core.resources import Resources
from app.core.telemetry import get_logger, span
from app.websocket.access import Access
from app.websocket.channels import Subject
from app.websocket.connection import Connection
from app.websocket.feeds import Feeds
from app.websocket.messages import ErrorMessage, Protocol, SubscriptionResponse
from app.websocket.payloads import FailureData
from app.websocket.presence import Presence
from app.websocket.protocols.file_protocol import FileProtocol
from app.websocket.protocols.notification_protocol import NotificationProtocol
from app.websocket.protocols.presence_protocol import PresenceProtocol
from app.websocket.protocols.ticket_protocol import TicketProtocol
from app.websocket.repository import DATABASE_AWAY
from app.websocket.requests import (
    CLIENT_MESSAGE,
    Authenticate,
    ChannelRequest,
    FileRequest,
    NotificationRequest,
    PresenceRequest,
    RequestId,
    SubscribeJob,
    SubscribeNotifications,
    SubscribePresence,
    SubscribeTicket,
    TicketRequest,
    UnsubscribeJob,
    UnsubscribeNotifications,
    UnsubscribePresence,
    UnsubscribeTicket,
)

log = get_logger(__name__)

SUBSCRIPTIONS = (
    SubscribeTicket,
    UnsubscribeTicket,
    SubscribeJob,
    UnsubscribeJob,
    SubscribePresence,
    UnsubscribePresence,
    SubscribeNotifications,
    UnsubscribeNotifications,
)

_NAMES: dict[str, Protocol] = {
    "ticket": "ticket",
    "job": "file",
    "file": "file",
    "presence": "presence",
    "user": "notification",
    "budget": "notification",
    "queue": "notification",
    "notification": "notification",
}
"""Of the protocol, by the first word of a channel or by itself."""

_KINDS = {"json_invalid": "invalid_json", "union_tag_invalid": "unknown_type", "union_tag_not_found": "missing_type"}
_SENTENCES = {
    "invalid_json": "The message is not JSON.",
    "unknown_type": "There is no message of this type.",
    "missing_type": "A message is an object with a type.",
    "invalid_message": "Some fields are missing, unknown or of the wrong form; 'errors' names them.",
}


def failure(
    code: str,
    sentence: str,
    *,
    request_id: RequestId | None = None,
    protocol: Protocol = "system",
    **about: Any,
) -> bytes:
    data = FailureData(code=code, **about)
    return ErrorMessage(protocol=protocol, error=sentence, data=data, request_id=request_id).frame()


class BadMessage(Exception):
    """`frame` is the answer to it."""

    def __init__(self, frame: bytes) -> None:
        self.frame = frame
        super().__init__(frame)


def parse(text: str) -> Authenticate | ChannelRequest:
    """Raises BadMessage."""
    try:
        # One pass in Rust: its depth is bounded, and a number of a million digits costs nothing.
        return CLIENT_MESSAGE.validate_json(text)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False, include_input=False)
        unfit = "invalid_message" if errors[0]["loc"] else "missing_type"
        code = _KINDS.get(errors[0]["type"], unfit)
        listed = field_errors(errors) if code == "invalid_message" else None
        request_id = None if code == "invalid_json" else _request_id(text)
        raise BadMessage(failure(code, _SENTENCES[code], request_id=request_id, errors=listed)) from None


def _request_id(text: str) -> RequestId | None:
    """A message may be wrong in all but its request id; one that is wrong itself is not repeated."""
    message = from_json(text)
    given = message.get("request_id") if isinstance(message, dict) else None
    try:
        return ErrorMessage(protocol="system", data=FailureData(code=""), request_id=given).request_id
    except ValidationError:
        return None


class MessageRouter:
    def __init__(self, resources: Resources, feeds: Feeds, presence: Presence, access: Access) -> None:
        self._tickets = TicketProtocol(resources, feeds, access)
        self._files = FileProtocol(resources, feeds, access)
        self._presence = PresenceProtocol(resources, feeds, access, presence)
        self._notifications = NotificationProtocol(resources, feeds, access)

    async def handle(self, connection: Connection, who: Principal, request: ChannelRequest) -> None:
        with span("websocket.message", type=request.type):
            try:
                await self._dispatch(connection, who, request)
            except Problem as problem:
                connection.send(_refusal(request, problem))
            except DATABASE_AWAY as error:
                log.warning("database_away", error=type(error).__name__)
                connection.send(_refusal(request, Unavailable()))

    async def _dispatch(self, connection: Connection, who: Principal, request: ChannelRequest) -> None:
        if isinstance(request, TicketRequest):
            await self._tickets.handle(connection, who, request)
        elif isinstance(request, FileRequest):
            await self._files.handle(connection, who, request)
        elif isinstance(request, PresenceRequest):
            await self._presence.handle(connection, who, request)
        elif isinstance(request, NotificationRequest):
            await self._notifications.handle(connection, who, request)
        else:
            assert_never(request)


def _protocol_of(request: ChannelRequest) -> Protocol:
    if isinstance(request, TicketRequest):
        return "ticket"
    if isinstance(request, FileRequest):
        return "file"
    return "presence" if isinstance(request, PresenceRequest) else "notification"


def refusal(protocol: str, problem: Problem, about: Subject, request_id: RequestId | None = None) -> bytes:
    """Of a subscription, or of its continuation."""
    data = FailureData(code=problem.code, ticket_id=about.ticket_id, job_id=about.job_id, topic=about.topic)
    return SubscriptionResponse(
        protocol=_NAMES[protocol], success=False, error=problem.detail, request_id=request_id, data=data
    ).frame()


def _refusal(request: ChannelRequest, problem: Problem) -> bytes:
    protocol = _protocol_of(request)
    about = request.data.model_dump(include={"ticket_id", "job_id", "topic"})
    if isinstance(request, SUBSCRIPTIONS):
        return refusal(protocol, problem, Subject(**about), request.request_id)
    return failure(problem.code, problem.detail, request_id=request.request_id, protocol=protocol, **about)
