"""What is said in public on the ticket comes into its conversation: once, in order, and nothing that went there."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.conversations import repository
from app.conversations.service.recording import append
from app.core.pagination import encode_cursor
from app.models.conversation import Conversation, Handling, Speaker
from app.models.ticket import Visibility
from app.tickets import service as tickets
from app.tickets.schemas import CommentOut

_PAGE = 100


async def take_comments(db: AsyncSession, session: Conversation, ticket_id: int, *, customer: int) -> None:
    """The caller holds the session's lock. Raises TicketMissing."""
    while True:
        after = encode_cursor(["id", session.comments_until])
        page = await tickets.comments(db, tickets.DESK, ticket_id, cursor=after, limit=_PAGE)
        known = await repository.known_comments(db, [comment.id for comment in page.rows])
        for comment in page.rows:
            session.comments_until = comment.id
            if comment.visibility is Visibility.PUBLIC and comment.id not in known:
                await _take(db, session, comment, customer)
        if page.next_cursor is None:
            return


async def _take(db: AsyncSession, session: Conversation, comment: CommentOut, customer: int) -> None:
    theirs = comment.author.id == customer
    await append(
        db,
        session,
        Speaker.CUSTOMER if theirs else Speaker.AGENT,
        comment.body,
        author_id=comment.author.id,
        comment_id=comment.id,
        handled_as=Handling.FORWARDED if theirs else None,
    )
