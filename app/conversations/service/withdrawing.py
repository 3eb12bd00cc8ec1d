"""Taking back what came into the wrong conversation: its words go, its place in the chain stays."""

import contextlib
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.conversations import memory, repository, summary
from app.conversations.errors import NothingElse, SessionMissing
from app.conversations.memory import MemoryAway
from app.conversations.repository import ConversationRepository, MessageRepository
from app.conversations.service.recapping import forget_recap
from app.conversations.service.recording import MESSAGE, tell
from app.conversations.service.saying import see_to_next
from app.core.auth import Principal
from app.core.resources import Resources
from app.models.conversation import Handling, Speaker
from app.tickets import service as tickets
from app.tickets.errors import TicketMissing

WITHDRAWN = "(This message belongs to another conversation and was moved there.)"


async def withdraw(resources: Resources, db: AsyncSession, who: Principal, message_id: UUID) -> None:
    """Staff's. What a handover has already written down of it (transcript, evidence) stays with the staff.

    Raises SessionMissing, and NothingElse where its customer has said only this.
    """
    row = await repository.message(db, message_id)
    if row is None:
        raise SessionMissing
    session = await ConversationRepository(db, who).get(row.session_id, lock=True)
    row = await repository.message(db, message_id)
    if row is None or row.content == WITHDRAWN:
        return
    said_all = await MessageRepository(db, who, session.id).all()
    theirs = [one for one in said_all if one.role == Speaker.CUSTOMER and one.content != WITHDRAWN]
    if [one.id for one in theirs] == [row.id]:
        raise NothingElse
    row.content = WITHDRAWN
    if row.role == Speaker.CUSTOMER and row.handled_as is None:
        row.handled_as = Handling.CLOSED
    if row.comment_id is not None and session.ticket_id is not None:
        with contextlib.suppress(TicketMissing):
            await tickets.withdraw_comment(db, who, session.ticket_id, row.comment_id, words=WITHDRAWN)
    await db.flush()
    session.summary = ""
    for said in said_all:
        session.summary = summary.extended(session.summary, Speaker(said.role), said.content)
    forget_recap(db, session)
    # Watchers have it by its id, and show what it is now.
    tell(db, session, MESSAGE, message=row)
    customer, _ = await repository.customer(db, session.customer_id)
    await see_to_next(db, customer, session)
    with contextlib.suppress(MemoryAway):
        await memory.of(resources).forget(session.id)
