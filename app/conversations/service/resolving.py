"""The end of a conversation, and what may be learnt from it: by those who might see the origin, without its people."""

import contextlib
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.conversations import repository, summary
from app.conversations.errors import SessionBusy
from app.conversations.events import SessionEnded
from app.conversations.matter import matter
from app.conversations.repository import ConversationRepository, MessageRepository
from app.conversations.schemas import CaseOut
from app.conversations.service.bridging import take_comments
from app.conversations.service.recording import append, tell_status
from app.core.auth import Principal, Role
from app.core.clock import now
from app.inference.privacy.detectors import without_personal_data
from app.knowledge import service as knowledge
from app.knowledge.errors import DocumentMissing
from app.knowledge.schemas import Acl, DocumentIn
from app.models.conversation import Case, Conversation, Handling, Message, Speaker
from app.models.ticket import TicketStatus
from app.outbox import writer as outbox
from app.providers import service as providers
from app.tickets import service as tickets
from app.tickets.errors import TicketMissing

SOLVED = "This conversation is resolved. If something is left, start a new one."
_STAFF = [Role.AGENT, Role.SUPERVISOR, Role.ADMIN]
_ALIVE = (TicketStatus.OPEN, TicketStatus.IN_PROGRESS, TicketStatus.PENDING)
_TEXT_CHARS = 20_000


async def resolve(db: AsyncSession, who: Principal, session_id: UUID, *, resolution: str | None) -> CaseOut:
    """By the customer or staff, and with the conversation its ticket. The outcome of a resolved one stands.

    Raises SessionMissing, and SessionBusy when staff would end what the customer has just gone on with.
    """
    session = await ConversationRepository(db, who).get(session_id, lock=True)
    known = await repository.case(db, session_id)
    if known is not None:
        return CaseOut.model_validate(known)
    waiting = await MessageRepository(db, who, session.id).waiting()
    if waiting and who.user_id != session.customer_id:
        raise SessionBusy
    for message in waiting:
        message.handled_as = Handling.CLOSED
    if session.ticket_id is not None:
        await _resolve_ticket(db, who, session, session.ticket_id)
    return CaseOut.model_validate(await close(db, session, resolution=resolution))


async def _resolve_ticket(db: AsyncSession, who: Principal, session: Conversation, ticket_id: int) -> None:
    try:
        ticket = await tickets.get(db, who, ticket_id)
    except TicketMissing:
        return
    # What staff has said last may not have come over yet, and is often the solution.
    await take_comments(db, session, ticket_id, customer=session.customer_id)
    if ticket.status in _ALIVE:
        await tickets.change_status(db, who, ticket_id, status=TicketStatus.RESOLVED)


async def close(
    db: AsyncSession, session: Conversation, *, resolution: str | None, word: str = SOLVED, learn: bool = True
) -> Case:
    """The caller holds the session's lock, and nothing waits in it any more."""
    session.resolve()
    await append(db, session, Speaker.SYSTEM, word)
    tell_status(db, session)
    outbox.add(db, SessionEnded(session_id=session.id, ticket_id=session.ticket_id))
    case = await _case(db, session, resolution)
    db.add(case)
    if learn and case.resolution is not None:
        case.document_id = await _index(db, session, case)
    await db.flush()
    return case


async def forget_case(db: AsyncSession, session_id: UUID) -> None:
    """The origin is gone: so is what was learnt from it."""
    case = await repository.case(db, session_id)
    if case is None or case.document_id is None:
        return
    with contextlib.suppress(DocumentMissing):
        await knowledge.delete(db, tickets.DESK, case.document_id)
    case.document_id = None


async def _case(db: AsyncSession, session: Conversation, resolution: str | None) -> Case:
    said = MessageRepository(db, tickets.DESK, session.id)
    about = await _matter(db, session)
    last = await said.last_of(Speaker.AGENT) or await said.last_of(Speaker.ASSISTANT)
    category = None
    if session.ticket_id is not None:
        with contextlib.suppress(TicketMissing):
            category = (await tickets.get(db, tickets.DESK, session.ticket_id)).category
    words = "\n".join(part for part in (about and about.content, resolution) if part)
    return Case(
        session_id=session.id,
        ticket_id=session.ticket_id,
        summary=session.summary,
        resolution=resolution or (last.content if last is not None else None),
        references=await _references(db, session),
        tags=summary.tags(words, category=category),
        created_at=now(),
    )


async def _matter(db: AsyncSession, session: Conversation) -> Message | None:
    said = await MessageRepository(db, tickets.DESK, session.id).all()
    return matter([message for message in said if message.role == Speaker.CUSTOMER])


async def _references(db: AsyncSession, session: Conversation) -> list[Any]:
    """The sources of the answers, each version once."""
    said = await MessageRepository(db, tickets.DESK, session.id).all()
    cited = await repository.citations(db, [message.id for message in said if message.role == Speaker.ASSISTANT])
    found = {(one.document_id, one.version): one for citations in cited.values() for one in citations}
    return [
        {"doc_id": str(one.document_id), "version": one.version, "title": one.title, "uri": one.uri}
        for one in found.values()
    ]


async def _index(db: AsyncSession, session: Conversation, case: Case) -> UUID | None:
    about = await _matter(db, session)
    if about is None or case.resolution is None:
        return None
    regions = (await providers.platform(db)).safety.phone_regions
    problem = without_personal_data(about.content[:_TEXT_CHARS], regions=regions)
    solution = without_personal_data(case.resolution[:_TEXT_CHARS], regions=regions)
    text = f"# Problem\n\n{problem}\n\n# Resolution\n\n{solution}"
    if case.tags:
        text += f"\n\n# Tags\n\n{without_personal_data(', '.join(case.tags), regions=regions)}"
    made = await knowledge.create(
        db,
        tickets.DESK,
        document=DocumentIn(
            title=f"Resolved: {summary.lead(problem)}",
            text=text,
            uri=f"session:{session.id}",
            acl=Acl(people=[session.customer_id], roles=_STAFF),
        ),
    )
    return made.doc_id
