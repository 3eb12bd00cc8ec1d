"""What is said on a ticket."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.core.clock import now
from app.core.pagination import Page
from app.models.ticket import TicketComment, TicketStatus, Visibility
from app.outbox import writer as outbox
from app.tickets.errors import StaffOnly, TicketClosed
from app.tickets.events import TicketCommentAdded
from app.tickets.repository import CommentRepository, TicketRepository
from app.tickets.schemas import CommentOut, PersonOut
from app.tickets.service.telling import enter, tell_status

_WAITING = (TicketStatus.PENDING, TicketStatus.RESOLVED)


async def comments(
    db: AsyncSession, who: Principal, ticket_id: int, *, cursor: str | None = None, limit: int = 50
) -> Page[CommentOut]:
    await TicketRepository(db, who).get(ticket_id)
    return await CommentRepository(db, who).of_ticket(ticket_id, cursor=cursor, limit=limit)


async def comment(
    db: AsyncSession, who: Principal, ticket_id: int, *, body: str, visibility: Visibility = Visibility.PUBLIC
) -> CommentOut:
    """Say something on a ticket. What its customer says on a pending or resolved one opens it again.

    A public comment moves `updated_at`; the version changes only with the ticket's own fields. Raises TicketClosed,
    and StaffOnly for a customer's internal comment.
    """
    ticket = await TicketRepository(db, who).get(ticket_id, lock=True)
    internal = visibility is Visibility.INTERNAL
    if internal and not who.is_staff:
        raise StaffOnly("Internal comments are for the support staff.")
    if ticket.is_closed:
        raise TicketClosed
    at = now()
    said = TicketComment(ticket_id=ticket.id, author_id=who.user_id, body=body, visibility=visibility, created_at=at)
    db.add(said)
    await db.flush()
    changes: dict[str, list[object]] = {"comment_id": [None, said.id]}
    previous = ticket.status
    reopened = not who.is_staff and previous in _WAITING
    if reopened:
        ticket.move_to(TicketStatus.OPEN)
        ticket.touch()
        changes["status"] = [previous, ticket.status]
    elif not internal:
        ticket.updated_at = at
    enter(db, ticket, who, "commented", changes, internal=internal, at=at)
    outbox.add(
        db,
        TicketCommentAdded(
            ticket_id=ticket.id,
            comment_id=said.id,
            author=who.username,
            content=body,
            internal=internal,
            timestamp=at,
        ),
    )
    if reopened:
        tell_status(db, ticket, who, previous=previous)
    return CommentOut(
        id=said.id,
        ticket_id=ticket.id,
        author=PersonOut(id=who.user_id, username=who.username),
        body=body,
        visibility=visibility,
        created_at=at,
    )


async def withdraw_comment(db: AsyncSession, who: Principal, ticket_id: int, comment_id: int, *, words: str) -> None:
    """Put other words in the place of a comment that should not be here. Raises StaffOnly and TicketMissing."""
    if not who.is_staff:
        raise StaffOnly
    ticket = await TicketRepository(db, who).get(ticket_id, lock=True)
    said = await db.get(TicketComment, comment_id)
    if said is None or said.ticket_id != ticket.id:
        return
    said.body = words
    enter(db, ticket, who, "comment_withdrawn", {"comment_id": [said.id, None]}, internal=True, at=now())
    await db.flush()
