"""Watching tickets. Staff are told of internal comments too: their channel is another one, with its own numbers."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.tickets import service as tickets
from app.tickets.schemas import TicketOut
from app.websocket.channels import Subject, ticket_channel
from app.websocket.connection import Connection
from app.websocket.messages import SubscriptionResponse, TicketStatusUpdate
from app.websocket.payloads import TicketStatusData, TicketSubscriptionData
from app.websocket.protocols.base_protocol import BaseProtocol
from app.websocket.requests import GetTicketStatus, SubscribeTicket, TicketRequest

PAGE = 100


class TicketProtocol(BaseProtocol[TicketRequest]):
    name = "ticket"

    async def handle(self, connection: Connection, who: Principal, request: TicketRequest) -> None:
        ticket_id = request.data.ticket_id
        channel = ticket_channel(ticket_id, staff=who.is_staff)
        if isinstance(request, SubscribeTicket):
            await self._access.require(who, Subject(ticket_id=ticket_id))

            def about(seq: int, recovered: bool | None) -> TicketSubscriptionData:
                return TicketSubscriptionData(ticket_id=ticket_id, subscribed=True, seq=seq, recovered=recovered)

            await self.subscribe(connection, channel, about, after=request.data.after, request_id=request.request_id)
        elif isinstance(request, GetTicketStatus):
            async with self.db.session() as db:
                status = await _status(db, who, await tickets.get(db, who, ticket_id))
            connection.send(TicketStatusUpdate(data=status, request_id=request.request_id).frame())
        else:
            self.unsubscribe(connection, channel)
            left = TicketSubscriptionData(ticket_id=ticket_id, subscribed=False)
            connection.send(SubscriptionResponse(protocol="ticket", data=left, request_id=request.request_id).frame())


async def _status(db: AsyncSession, who: Principal, ticket: TicketOut) -> TicketStatusData:
    """The present status, and who brought it about and when."""
    by: str | None = ticket.requester.username
    at = ticket.created_at
    cursor: str | None = None
    while True:
        page = await tickets.timeline(db, who, ticket.id, cursor=cursor, limit=PAGE)
        for change in page.rows:
            if "status" in change.changes:
                by, at = change.actor.username if change.actor else None, change.created_at
        cursor = page.next_cursor
        if cursor is None:
            return TicketStatusData(ticket_id=ticket.id, status=ticket.status, updated_by=by, timestamp=at)
