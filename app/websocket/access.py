"""Who may watch what: asked of the rooms that own it, for many at once."""

from collections.abc import Collection
from uuid import UUID

from app.core.auth import Principal, Role
from app.core.errors import Forbidden, Problem
from app.core.resources import Resources
from app.files import service as files
from app.files.errors import FileMissing
from app.tickets import service as tickets
from app.tickets.errors import StaffOnly, TicketMissing
from app.websocket.channels import Subject
from app.websocket.gather import Gather

Asked = tuple[Principal, Subject]


class Access:
    def __init__(self, resources: Resources) -> None:
        self._db = resources.db
        self._gather = Gather(self._answer)

    async def require(self, who: Principal, about: Subject) -> None:
        """Raises TicketMissing, FileMissing or Forbidden for what `who` may not see, DATABASE_AWAY."""
        if not await self._gather.get((who, about)):
            raise missing(about)

    async def lost(self, asked: Collection[Asked]) -> set[Asked]:
        """Those that may no longer be watched. Raises DATABASE_AWAY."""
        return {key for key, allowed in (await self._answer(asked)).items() if not allowed}

    async def settled(self) -> None:
        await self._gather.settled()

    async def _answer(self, asked: Collection[Asked]) -> dict[Asked, bool]:
        about_tickets = {(who, about.ticket_id) for who, about in asked if about.ticket_id is not None}
        about_jobs = {(who, about.job_id) for who, about in asked if about.job_id is not None}
        seen: set[tuple[Principal, int]] = set()
        read: set[tuple[Principal, UUID]] = set()
        async with self._db.session() as db:
            if about_tickets:
                seen = await tickets.watchable(db, about_tickets)
            if about_jobs:
                read = await files.watchable(db, about_jobs)
        return {
            (who, about): (who, about.ticket_id) in seen or (who, about.job_id) in read or _told(who, about)
            for who, about in asked
        }


def _told(who: Principal, about: Subject) -> bool:
    if about.topic == "own":
        return about.user_id == who.user_id
    if about.topic == "queue":
        return who.is_staff
    return about.topic == "budget" and who.role is Role.ADMIN


def missing(about: Subject) -> Problem:
    if about.topic == "queue":
        return StaffOnly()
    if about.topic is not None:
        return Forbidden("What models cost is for administrators to know.")
    return TicketMissing() if about.ticket_id is not None else FileMissing()
