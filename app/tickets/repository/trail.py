"""What was said on a ticket and what happened to it. The ticket itself is looked up first, which checks access."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.core.pagination import Page, encode_cursor
from app.models.ticket import TicketChange, TicketComment, Visibility
from app.models.user import User
from app.tickets.repository.keyset import Columns, after_id
from app.tickets.schemas import ChangeOut, CommentOut, PersonOut

_COMMENTS: Columns = select(
    TicketComment.id,
    TicketComment.ticket_id,
    TicketComment.author_id,
    User.username,
    TicketComment.body,
    TicketComment.visibility,
    TicketComment.created_at,
).join(User, User.id == TicketComment.author_id)

_CHANGES: Columns = select(
    TicketChange.id,
    TicketChange.action,
    TicketChange.actor_id,
    User.username,
    TicketChange.version,
    TicketChange.changes,
    TicketChange.internal,
    TicketChange.created_at,
).outerjoin(User, User.id == TicketChange.actor_id)


class CommentRepository:
    def __init__(self, db: AsyncSession, who: Principal) -> None:
        self.db = db
        self.who = who

    def visible(self) -> Columns:
        if self.who.is_staff:
            return _COMMENTS
        return _COMMENTS.where(TicketComment.visibility == Visibility.PUBLIC)

    async def of_ticket(self, ticket_id: int, *, cursor: str | None, limit: int) -> Page[CommentOut]:
        """Oldest first."""
        query = self.visible().where(TicketComment.ticket_id == ticket_id)
        query = after_id(query, TicketComment.id, cursor=cursor, limit=limit)
        rows = (await self.db.execute(query)).all()
        comments = [
            CommentOut(
                id=row.id,
                ticket_id=row.ticket_id,
                author=PersonOut(id=row.author_id, username=row.username),
                body=row.body,
                visibility=row.visibility,
                created_at=row.created_at,
            )
            for row in rows[:limit]
        ]
        return Page(comments, encode_cursor(["id", comments[-1].id]) if len(rows) > limit else None)


class Timeline:
    def __init__(self, db: AsyncSession, who: Principal) -> None:
        self.db = db
        self.who = who

    def visible(self) -> Columns:
        return _CHANGES if self.who.is_staff else _CHANGES.where(TicketChange.internal.is_(False))

    async def of_ticket(self, ticket_id: int, *, cursor: str | None, limit: int) -> Page[ChangeOut]:
        """Oldest first."""
        query = self.visible().where(TicketChange.ticket_id == ticket_id)
        query = after_id(query, TicketChange.id, cursor=cursor, limit=limit)
        rows = (await self.db.execute(query)).all()
        entries = [
            ChangeOut(
                id=row.id,
                action=row.action,
                actor=None if row.actor_id is None else PersonOut(id=row.actor_id, username=row.username),
                version=row.version,
                changes=row.changes,
                internal=row.internal,
                created_at=row.created_at,
            )
            for row in rows[:limit]
        ]
        return Page(entries, encode_cursor(["id", entries[-1].id]) if len(rows) > limit else None)

    async def chosen(self, ticket_id: int, *, but: str) -> frozenset[str]:
        """The fields that any entry other than those of action `but` has set: what people decided."""
        query = select(TicketChange.changes).where(TicketChange.ticket_id == ticket_id, TicketChange.action != but)
        return frozenset(name for changes in (await self.db.execute(query)).scalars() for name in changes)

    async def has(self, ticket_id: int, action: str) -> bool:
        query = select(TicketChange.id).where(TicketChange.ticket_id == ticket_id, TicketChange.action == action)
        return (await self.db.execute(query.limit(1))).first() is not None
