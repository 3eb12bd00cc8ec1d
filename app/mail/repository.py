"""Mail as its viewer may see it: the staff all of it, others none; and what the worker needs of it."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Select, exists, false, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import now
from app.core.repository import Repository
from app.mail.errors import MailMissing, SentMailMissing
from app.models.conversation import ChannelName, Conversation, Message, Speaker
from app.models.file import File
from app.models.mail import (
    Mail,
    MailAddress,
    MailAttachment,
    MailJoin,
    MailKind,
    MailSource,
    MailState,
    MailThread,
    SentMail,
)

OUTWARD = (Speaker.ASSISTANT, Speaker.AGENT, Speaker.SYSTEM)
_LOOKED_BACK = timedelta(days=3)


class MailRepository(Repository[Mail]):
    model = Mail
    missing = MailMissing

    def visible(self) -> Select[Mail]:
        query = select(Mail)
        return query if self.who.is_staff else query.where(false())


class SentMailRepository(Repository[SentMail]):
    model = SentMail
    missing = SentMailMissing

    def visible(self) -> Select[SentMail]:
        query = select(SentMail)
        return query if self.who.is_staff else query.where(false())


async def known(db: AsyncSession, source: str, digest: str) -> UUID | None:
    query = select(Mail.id).where(Mail.source == source, Mail.digest == digest)
    return (await db.execute(query)).scalar_one_or_none()


async def locked(db: AsyncSession, mail_id: UUID) -> Mail | None:
    query = select(Mail).where(Mail.id == mail_id).with_for_update()
    return (await db.execute(query.execution_options(populate_existing=True))).scalar_one_or_none()


async def twin_of(db: AsyncSession, mail: Mail) -> UUID | None:
    """An earlier mail that says the same under the same Message-ID, and came by another road."""
    query = select(Mail.id).where(
        Mail.message_id == mail.message_id,
        Mail.fingerprint == mail.fingerprint,
        Mail.id != mail.id,
        Mail.state.in_((MailState.JOINED, MailState.KEPT)),
    )
    return (await db.execute(query.limit(1))).scalar_one_or_none()


async def earlier_waits(db: AsyncSession, mail: Mail) -> bool:
    query = select(exists().where(Mail.state == MailState.RECEIVED, Mail.id < mail.id))
    return bool((await db.execute(query)).scalar_one())


async def session_of_ids(db: AsyncSession, message_ids: Collection[str]) -> UUID | None:
    """The conversation of the newest mail, in or out, that has one of these."""
    came = select(Mail.session_id, Mail.created_at).where(
        Mail.message_id.in_(message_ids), Mail.session_id.is_not(None)
    )
    went = select(SentMail.session_id, SentMail.created_at).where(SentMail.message_id.in_(message_ids))
    both = came.union_all(went).subquery()
    query = select(both.c.session_id).order_by(both.c.created_at.desc()).limit(1)
    return (await db.execute(query)).scalar_one_or_none()


async def sent_by_ids(db: AsyncSession, message_ids: Collection[str]) -> SentMail | None:
    query = select(SentMail).where(SentMail.message_id.in_(message_ids)).order_by(SentMail.id.desc()).limit(1)
    return (await db.execute(query.with_for_update())).scalar_one_or_none()


async def taken_lately(db: AsyncSession, address: str) -> int:
    """Mails of this sender that were put into conversations within an hour."""
    query = select(func.count()).where(
        Mail.from_address == address,
        Mail.state == MailState.JOINED,
        Mail.kind == MailKind.MESSAGE,
        Mail.created_at > func.clock_timestamp() - timedelta(hours=1),
    )
    return (await db.execute(query)).scalar_one()


async def drop_raw(db: AsyncSession, *, days: int, limit: int) -> Sequence[str]:
    """The keys of the bytes of mails that were read so long ago, which have them no more. What is still to be read,
    or could not be, keeps them: nothing else says what is in it."""
    query = (
        select(Mail)
        .where(
            Mail.storage_key.is_not(None),
            Mail.created_at < func.clock_timestamp() - timedelta(days=days),
            Mail.state.not_in((MailState.RECEIVED, MailState.UNREADABLE)),
        )
        .order_by(Mail.created_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    keys = []
    for mail in (await db.execute(query)).scalars():
        keys.append(mail.storage_key or "")
        mail.storage_key, mail.raw_removed_at = None, now()
    return keys


async def thread(db: AsyncSession, session_id: UUID, *, lock: bool = False) -> MailThread | None:
    query = select(MailThread).where(MailThread.session_id == session_id)
    return (await db.execute(query.with_for_update() if lock else query)).scalar_one_or_none()


async def owner_of(db: AsyncSession, address: str) -> int | None:
    return (await db.execute(select(MailAddress.user_id).where(MailAddress.address == address))).scalar_one_or_none()


async def answered_mail(db: AsyncSession, session_id: UUID, said: Message) -> Mail | None:
    """The mail that a message answers: the one whose message it replies to, else the last one before it."""
    query = select(Mail).where(Mail.session_id == session_id, Mail.said_id.is_not(None))
    if said.reply_to is not None:
        exact = (await db.execute(query.where(Mail.said_id == said.reply_to))).scalar_one_or_none()
        if exact is not None:
            return exact
    newest = query.where(Mail.created_at <= said.created_at).order_by(Mail.id.desc()).limit(1)
    return (await db.execute(newest)).scalar_one_or_none()


async def first_mail(db: AsyncSession, session_id: UUID) -> Mail | None:
    query = select(Mail).where(Mail.session_id == session_id, Mail.said_id.is_not(None))
    return (await db.execute(query.order_by(Mail.id).limit(1))).scalar_one_or_none()


async def outward(db: AsyncSession, said_id: UUID) -> Message | None:
    """A message that is to go out by mail and has not been put on its way."""
    query = (
        select(Message)
        .join(Conversation, Conversation.id == Message.session_id)
        .where(
            Message.id == said_id,
            Message.role.in_(OUTWARD),
            Conversation.channel == ChannelName.EMAIL,
            ~exists().where(SentMail.said_id == Message.id),
        )
    )
    return (await db.execute(query)).scalar_one_or_none()


async def forgotten(db: AsyncSession, *, seconds: float, limit: int = 100) -> Sequence[UUID]:
    """Messages that should be on their way for so long, and are not."""
    query = (
        select(Message.id)
        .join(Conversation, Conversation.id == Message.session_id)
        .where(
            Conversation.channel == ChannelName.EMAIL,
            Conversation.updated_at > func.clock_timestamp() - _LOOKED_BACK,
            Message.role.in_(OUTWARD),
            Message.created_at < func.clock_timestamp() - timedelta(seconds=seconds),
            Message.created_at > func.clock_timestamp() - _LOOKED_BACK,
            exists().where(MailThread.session_id == Conversation.id),
            ~exists().where(SentMail.said_id == Message.id),
        )
        .order_by(Message.created_at)
        .limit(limit)
    )
    return (await db.execute(query)).scalars().all()


async def unhung(
    db: AsyncSession, session_id: UUID | None = None, *, limit: int = 100
) -> Sequence[tuple[UUID, UUID, int]]:
    """Files of mails whose conversation has a ticket they do not hang on: conversation, file, ticket."""
    query = (
        select(Conversation.id, File.id, Conversation.ticket_id)
        .join(Mail, Mail.session_id == Conversation.id)
        .join(MailAttachment, MailAttachment.mail_id == Mail.id)
        .join(File, File.id == MailAttachment.file_id)
        .where(Conversation.ticket_id.is_not(None), File.ticket_id.is_(None))
        .order_by(File.id)
        .limit(limit)
    )
    if session_id is not None:
        query = query.where(Conversation.id == session_id)
    return [(row[0], row[1], row[2] or 0) for row in (await db.execute(query)).all()]


async def attachments(db: AsyncSession, mail_id: UUID) -> Sequence[MailAttachment]:
    query = select(MailAttachment).where(MailAttachment.mail_id == mail_id).order_by(MailAttachment.position)
    return (await db.execute(query)).scalars().all()


async def joins(db: AsyncSession, mail_id: UUID) -> Sequence[MailJoin]:
    return (await db.execute(select(MailJoin).where(MailJoin.mail_id == mail_id).order_by(MailJoin.id))).scalars().all()


async def sent_of_job(db: AsyncSession, job_id: UUID) -> SentMail | None:
    query = select(SentMail).where(SentMail.job_id == job_id).with_for_update()
    return (await db.execute(query.execution_options(populate_existing=True))).scalar_one_or_none()


async def sources(db: AsyncSession) -> dict[str, MailSource]:
    return {row.name: row for row in (await db.execute(select(MailSource))).scalars()}


async def counts(db: AsyncSession) -> dict[str, int]:
    wanted = (MailState.RECEIVED, MailState.UNREADABLE)
    query = select(Mail.state, func.count()).where(Mail.state.in_(wanted)).group_by(Mail.state)
    return {row[0]: row[1] for row in (await db.execute(query)).all()}
