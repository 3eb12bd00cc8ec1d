"""Who is at a ticket. For the staff alone: a customer is not told who looks at their ticket, nor when."""

from app.core.auth import Principal
from app.core.clock import now
from app.core.errors import Conflict, Forbidden
from app.core.resources import Resources
from app.websocket.access import Access
from app.websocket.channels import Subject, presence_channel
from app.websocket.connection import Connection
from app.websocket.feeds import Feeds
from app.websocket.messages import PresenceUpdate, SubscriptionResponse
from app.websocket.payloads import PresenceData, PresenceSubscriptionData
from app.websocket.presence import Presence, Seat
from app.websocket.protocols.base_protocol import BaseProtocol
from app.websocket.requests import PresenceRequest, RequestId, SetPresence, SubscribePresence, UnsubscribePresence


class NotSubscribed(Conflict):
    code = "not_subscribed"
    title = "Not subscribed"
    detail = "Send subscribe_presence for this ticket first."


class PresenceProtocol(BaseProtocol[PresenceRequest]):
    name = "presence"

    def __init__(self, resources: Resources, feeds: Feeds, access: Access, presence: Presence) -> None:
        super().__init__(resources, feeds, access)
        self._presence = presence

    async def handle(self, connection: Connection, who: Principal, request: PresenceRequest) -> None:
        ticket_id, request_id = request.data.ticket_id, request.request_id
        if isinstance(request, UnsubscribePresence):
            self.unsubscribe(connection, presence_channel(ticket_id))
            self._answer(connection, PresenceSubscriptionData(ticket_id=ticket_id, subscribed=False), request_id)
            return
        await self._access.require(who, Subject(ticket_id=ticket_id))
        if not who.is_staff:
            raise Forbidden("Who is at a ticket is for the support staff to know.")
        if isinstance(request, SubscribePresence):
            await self._enter(connection, who, ticket_id, request_id)
            return
        seat = connection.subscriptions.get(presence_channel(ticket_id))
        if not isinstance(seat, Seat):
            raise NotSubscribed
        if isinstance(request, SetPresence):
            self._presence.show(seat, request.data.state)
        data = PresenceData(ticket_id=ticket_id, people=seat.room.people(), timestamp=now())
        connection.send(PresenceUpdate(data=data, request_id=request_id).frame())

    async def _enter(
        self, connection: Connection, who: Principal, ticket_id: int, request_id: RequestId | None
    ) -> None:
        channel = presence_channel(ticket_id)
        self.unsubscribe(connection, channel)
        self.require_room(connection)
        seat = connection.subscriptions[channel] = await self._presence.enter(ticket_id, connection, who.username)
        people = seat.room.people()
        self._answer(
            connection, PresenceSubscriptionData(ticket_id=ticket_id, subscribed=True, people=people), request_id
        )

    def _answer(self, connection: Connection, data: PresenceSubscriptionData, request_id: RequestId | None) -> None:
        connection.send(SubscriptionResponse(protocol="presence", data=data, request_id=request_id).frame())
