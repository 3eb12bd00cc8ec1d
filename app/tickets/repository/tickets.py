"""Tickets as their viewer may see them: staff all of them, customers their own, nobody a deleted one."""

from collections.abc import Collection

from sqlalchemy import BigInteger, Select, any_, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal, Role
from app.core.db import rows_of
from app.core.pagination import Page, encode_cursor
from app.core.repository import Repository
from app.core.schemas import BIGINT_MAX
from app.models.ticket import Ticket, TicketStatus
from app.models.user import User
from app.tickets.errors import AssigneeUnfit, TicketMissing
from app.tickets.repository.keyset import Columns
from app.tickets.repository.listing import cursor_of, full_text, list_statement
from app.tickets.repository.shown import PLAIN, SHOWN, shown, tickets
from app.tickets.schemas import PersonOut, TicketOut, TicketQuery


class TicketRepository(Repository[Ticket]):
    model = Ticket
    missing = TicketMissing

    def visible(self) -> Select[Ticket]:
        query = select(Ticket).where(Ticket.deleted_at.is_(None))
        return query if self.who.is_staff else query.where(Ticket.requester_id == self.who.user_id)

    async def get(self, key: int, *, lock: bool = False) -> Ticket:
        if not 1 <= key <= BIGINT_MAX:
            raise TicketMissing
        return await super().get(key, lock=lock)

    async def read(self, ticket_id: int) -> TicketOut:
        """The ticket with its people's names, in one query."""
        found = await self.read_all([ticket_id]) if 1 <= ticket_id <= BIGINT_MAX else []
        if not found:
            raise TicketMissing
        return found[0]

    async def read_all(self, ticket_ids: Collection[int]) -> list[TicketOut]:
        """Those of them that may be seen, in no order."""
        return shown(await self.db.execute(self._shown().where(tickets.c.id.in_(ticket_ids))))

    async def search(self, asked: TicketQuery) -> Page[TicketOut]:
        """One page, in one query; the cursor is bound to the sort that it came from."""
        statement, values = list_statement(self.who, asked)
        rows = await rows_of(self.db, statement, values)
        if len(rows) <= asked.limit:
            return Page(shown(rows))
        rows = rows[: asked.limit]
        return Page(shown(rows), encode_cursor(cursor_of(rows[-1], asked.sort)))

    async def best(self, words: str, *, statuses: Collection[TicketStatus], limit: int) -> list[TicketOut]:
        """Full-text matches, the best first."""
        query = self._shown().where(full_text(literal(words)))
        if statuses:
            query = query.where(tickets.c.status.in_(statuses))
        rank = func.ts_rank(tickets.c.search, func.websearch_to_tsquery("simple", words))
        return shown(await self.db.execute(query.order_by(rank.desc(), tickets.c.id.desc()).limit(limit)))

    async def named(self, ticket: Ticket) -> TicketOut:
        """A row that is already here, with its people's names."""
        names = {self.who.user_id: self.who.username}
        missing = {ticket.requester_id, ticket.assignee_id or ticket.requester_id} - names.keys()
        if missing:
            found = await self.db.execute(select(User.id, User.username).where(User.id.in_(missing)))
            names.update((row.id, row.username) for row in found)
        people = {user_id: PersonOut(id=user_id, username=name) for user_id, name in names.items()}
        return TicketOut(
            **{name: getattr(ticket, name) for name in PLAIN},
            requester=people[ticket.requester_id],
            assignee=None if ticket.assignee_id is None else people[ticket.assignee_id],
        )

    async def assignable(self, user_id: int) -> str:
        """The name of an active member of the staff; raises AssigneeUnfit for anybody else."""
        query = select(User.username).where(User.id == user_id, User.active, User.role != Role.CUSTOMER)
        username = (await self.db.execute(query)).scalar_one_or_none()
        if username is None:
            raise AssigneeUnfit
        return username

    async def supervisor(self, team: str | None) -> int | None:
        """The active one with the fewest tickets that are not ended; of the team, if it has one."""
        open_ones = (
            select(func.count())
            .where(Ticket.assignee_id == User.id, Ticket.deleted_at.is_(None), Ticket.resolved_at.is_(None))
            .correlate(User)
            .scalar_subquery()
        )
        query = select(User.id).where(User.active, User.role == Role.SUPERVISOR)
        ours = [User.teams.contains([team]).desc()] if team is not None else []
        return (await self.db.execute(query.order_by(*ours, open_ones, User.id).limit(1))).scalar_one_or_none()

    def _shown(self) -> Columns:
        return SHOWN if self.who.is_staff else SHOWN.where(tickets.c.requester_id == self.who.user_id)


async def seen(db: AsyncSession, asked: Collection[tuple[Principal, int]]) -> set[tuple[Principal, int]]:
    """Which of these people may see which ticket, in one query: the rule of `TicketRepository.visible`."""
    query = select(Ticket.id, Ticket.requester_id).where(
        Ticket.id == any_(literal(list({ticket_id for _, ticket_id in asked}), ARRAY(BigInteger))),
        Ticket.deleted_at.is_(None),
    )
    requesters = {row.id: row.requester_id for row in await db.execute(query)}
    return {
        (who, ticket_id)
        for who, ticket_id in asked
        if ticket_id in requesters and (who.is_staff or requesters[ticket_id] == who.user_id)
    }
