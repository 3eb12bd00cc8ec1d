"""Answers that were sent stay true to what happens to their sources: each citation says when it no longer holds."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.conversations import repository
from app.conversations.service.recording import FLAGGED, tell
from app.knowledge import service as knowledge
from app.models.conversation import Message, MessageCitation, Staleness
from app.tickets.service import DESK


async def citing(db: AsyncSession, document_id: UUID) -> Sequence[UUID]:
    """The conversations in which the document is cited."""
    query = (
        select(Message.session_id)
        .join(MessageCitation, MessageCitation.message_id == Message.id)
        .where(MessageCitation.document_id == document_id)
        .distinct()
    )
    return (await db.execute(query)).scalars().all()


async def recheck(db: AsyncSession, session_id: UUID, document_id: UUID) -> int:
    """Compare what the conversation cites of the document with what it is now; how many answers are flagged anew."""
    session = await repository.locked(db, session_id)
    who, _ = await repository.customer(db, session.customer_id)
    newest = await knowledge.versions(db, DESK, [document_id])
    allowed = await knowledge.versions(db, who, [document_id])
    query = (
        select(MessageCitation)
        .join(Message, Message.id == MessageCitation.message_id)
        .where(MessageCitation.document_id == document_id, Message.session_id == session_id)
    )
    changed: dict[UUID, Staleness | None] = {}
    for cited in (await db.execute(query.order_by(MessageCitation.id))).scalars():
        stale = _staleness(cited.version, newest.get(document_id), allowed.get(document_id))
        if cited.stale == stale:
            continue
        cited.stale = stale
        if stale is Staleness.DELETED:
            # Nothing of a deleted document is kept.
            cited.quote = ""
        changed[cited.message_id] = stale
    for message_id, stale in changed.items():
        data = {"message_id": str(message_id), "doc_id": str(document_id), "stale": stale}
        tell(db, session, FLAGGED, data=data)
    return len(changed)


def _staleness(cited: int, newest: int | None, allowed: int | None) -> Staleness | None:
    if newest is None:
        return Staleness.DELETED
    if allowed is None:
        return Staleness.NOT_ALLOWED
    return Staleness.CHANGED if newest > cited else None
