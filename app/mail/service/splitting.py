"""Undoing a join: a mail leaves the conversation it was put into, and begins one of its own sender's."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.conversations import service as conversations
from app.core.auth import Principal
from app.core.resources import Resources
from app.files import service as files
from app.mail import repository
from app.mail.errors import MailNotJoined
from app.mail.repository import MailRepository
from app.mail.schemas import MailOut
from app.mail.service import senders
from app.mail.service.taking import begin, opening_words
from app.models.mail import JoinReason, Mail, MailJoin, MailKind, MailState

TAKEN_OUT = "Taken out of its conversation by {name}."


async def split(resources: Resources, db: AsyncSession, who: Principal, mail_id: UUID, *, note: str | None) -> MailOut:
    """What it said goes out of the old conversation, and its attachments go along. A machine's mail is only taken out.

    Raises MailMissing, MailNotJoined, NothingElse.
    """
    mail = await MailRepository(db, who).get(mail_id, lock=True)
    if mail.state != MailState.JOINED or mail.session_id is None:
        raise MailNotJoined
    if mail.said_id is not None:
        await conversations.withdraw(resources, db, who, mail.said_id)
    left, began = mail.session_id, mail.joined_by in (JoinReason.NEW, JoinReason.SPLIT)
    mail.said_id, mail.session_id, mail.joined_by = None, None, None
    mail.state, mail.note = MailState.KEPT, TAKEN_OUT.format(name=who.username)
    await db.flush()
    if began:
        await _rename(db, left)
    if mail.kind == MailKind.MESSAGE and mail.from_address is not None:
        await _begin_anew(resources, db, who, mail, mail.from_address, note)
    await db.flush()
    return MailOut.model_validate(mail)


async def _rename(db: AsyncSession, session_id: UUID) -> None:
    """After the mail that begins it now."""
    thread = await repository.thread(db, session_id, lock=True)
    first = await repository.first_mail(db, session_id)
    if thread is not None and first is not None:
        thread.subject = first.subject or thread.subject


async def _begin_anew(
    resources: Resources, db: AsyncSession, who: Principal, mail: Mail, address: str, note: str | None
) -> None:
    customer = await senders.staff_of(db, address, authenticated=mail.authenticated)
    customer = customer or await senders.requester_of(db, resources.settings.mail, address)
    if customer is None:
        return
    session_id = await begin(db, customer, address=address, subject=mail.subject)
    said = await conversations.say(
        db,
        customer,
        session_id,
        content=opening_words(mail),
        source_id=f"mail:{mail.id}",
        unproven=not mail.authenticated,
    )
    held = [row.file_id for row in await repository.attachments(db, mail.id) if row.file_id is not None]
    await files.reassign(db, held, to=customer, actor_id=who.user_id)
    mail.session_id, mail.said_id, mail.sender_id = session_id, said.message_id, customer.user_id
    mail.state, mail.joined_by, mail.note = MailState.JOINED, JoinReason.SPLIT, note
    db.add(MailJoin(mail_id=mail.id, session_id=session_id, reason=JoinReason.SPLIT, note=note, actor_id=who.user_id))
