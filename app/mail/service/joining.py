"""Which conversation a mail belongs to, and whether its sender may write there. Never by subject.

First the signed token, in an address it was sent to or in a Message-ID of ours it refers to; then the Message-IDs of
mails that are known. Whoever writes must be the conversation's customer, somebody they have copied, or staff: a token
that was forwarded, or a Message-ID that was guessed, opens nothing.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.conversations import service as conversations
from app.conversations.errors import SessionMissing
from app.core.auth import Principal
from app.core.settings import Settings
from app.mail import repository
from app.mail.parsing.mail import ParsedMail
from app.mail.tokens import Tokens
from app.models.conversation import SessionStatus
from app.models.mail import JoinReason
from app.tickets.service import DESK

FOREIGN = "The sender has no part in the conversation {session} to which the mail points ({reason})."
RESOLVED = "The conversation {session}, to which the mail points ({reason}), is resolved."


@dataclass(frozen=True, slots=True)
class Place:
    """`session_id` None: a new conversation; `note` says why, where the mail points to one."""

    session_id: UUID | None
    reason: JoinReason
    note: str | None = None


async def pointed_at(
    db: AsyncSession, settings: Settings, mail: ParsedMail, recipients: tuple[str, ...]
) -> tuple[UUID, JoinReason] | None:
    """The conversation a mail names, whoever has sent it."""
    tokens = Tokens(settings)
    about = mail.report.about if mail.report is not None else ()
    for found in (
        tokens.in_addresses((*recipients, *mail.recipients)),
        tokens.in_ids((*mail.references, *mail.in_reply_to, *about)),
    ):
        if found is not None and await _exists(db, found):
            return found, JoinReason.TOKEN
    for ids, reason in ((mail.in_reply_to, JoinReason.IN_REPLY_TO), (mail.references, JoinReason.REFERENCES)):
        if ids and (session_id := await repository.session_of_ids(db, ids)) is not None:
            return session_id, reason
    return None


async def place_of(
    db: AsyncSession, settings: Settings, mail: ParsedMail, recipients: tuple[str, ...], *, staff: Principal | None
) -> Place:
    found = await pointed_at(db, settings, mail, recipients)
    if found is None:
        return Place(None, JoinReason.NEW)
    session_id, reason = found
    thread = await repository.thread(db, session_id)
    about = {"session": session_id, "reason": reason.value}
    takes_part = thread is not None and mail.from_address in (thread.address, *thread.others)
    if staff is None and not takes_part:
        return Place(None, JoinReason.NEW, FOREIGN.format(**about))
    if (await conversations.get(db, DESK, session_id)).status is SessionStatus.RESOLVED:
        return Place(None, JoinReason.NEW, RESOLVED.format(**about))
    return Place(session_id, reason)


async def _exists(db: AsyncSession, session_id: UUID) -> bool:
    try:
        await conversations.get(db, DESK, session_id)
    except SessionMissing:
        return False
    return True
