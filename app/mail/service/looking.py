"""Mail as staff and administrators look at it, and what they may have tried again."""

from collections.abc import AsyncIterator
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.core.pagination import Page
from app.core.settings import MailSettings
from app.core.storage import Storage
from app.jobs import service as jobs
from app.mail import repository
from app.mail.errors import RAW_REMOVED, MailInWork, RawMissing
from app.mail.repository import MailRepository, SentMailRepository
from app.mail.schemas import (
    MailAttachmentOut,
    MailDetailOut,
    MailJoinOut,
    MailOut,
    MailQuery,
    MailSourceOut,
    MailSourcesOut,
    SentMailOut,
    SentMailQuery,
)
from app.models.mail import Mail, MailState, SentMail, SentState


async def list_mails(db: AsyncSession, who: Principal, *, asked: MailQuery) -> Page[MailOut]:
    """Newest first."""
    rows = MailRepository(db, who)
    query = rows.visible()
    for column, value in (
        (Mail.state, asked.state),
        (Mail.kind, asked.kind),
        (Mail.session_id, asked.session_id),
        (Mail.from_address, asked.from_address and asked.from_address.lower()),
    ):
        if value is not None:
            query = query.where(column == value)
    page = await rows.page(query, cursor=asked.cursor, limit=asked.limit)
    return Page([MailOut.model_validate(row) for row in page.rows], page.next_cursor)


async def get(db: AsyncSession, who: Principal, mail_id: UUID) -> MailDetailOut:
    row = await MailRepository(db, who).get(mail_id)
    files = await repository.attachments(db, mail_id)
    joins = await repository.joins(db, mail_id)
    return MailDetailOut(
        **MailOut.model_validate(row).model_dump(),
        raw_removed_at=row.raw_removed_at,
        envelope_from=row.envelope_from,
        envelope_to=row.envelope_to,
        references=row.references,
        visible=row.visible,
        body=row.body,
        defects=row.defects,
        attachments=[MailAttachmentOut.model_validate(one) for one in files],
        joins=[MailJoinOut.model_validate(one) for one in joins],
    )


async def raw(db: AsyncSession, storage: Storage, who: Principal, mail_id: UUID) -> AsyncIterator[bytes]:
    """The bytes as they came. Raises MailMissing and RawMissing."""
    row = await MailRepository(db, who).get(mail_id)
    if row.storage_key is None:
        raise RawMissing(RAW_REMOVED if row.raw_removed_at else None)
    return storage.read(row.storage_key)


async def read_again(db: AsyncSession, who: Principal, mail_id: UUID) -> MailOut:
    """One that could not be read, after what was wrong here was mended. Raises MailInWork."""
    row = await MailRepository(db, who).get(mail_id, lock=True)
    if row.state != MailState.UNREADABLE or row.job_id is None or not await jobs.restart(db, row.job_id):
        raise MailInWork
    row.state, row.note = MailState.RECEIVED, None
    await db.flush()
    return MailOut.model_validate(row)


async def list_sent(db: AsyncSession, who: Principal, *, asked: SentMailQuery) -> Page[SentMailOut]:
    """Newest first."""
    rows = SentMailRepository(db, who)
    query = rows.visible()
    if asked.state is not None:
        query = query.where(SentMail.state == asked.state)
    if asked.session_id is not None:
        query = query.where(SentMail.session_id == asked.session_id)
    page = await rows.page(query, cursor=asked.cursor, limit=asked.limit)
    return Page([SentMailOut.model_validate(row) for row in page.rows], page.next_cursor)


async def send_again(db: AsyncSession, who: Principal, sent_id: UUID) -> SentMailOut:
    """One that failed or came back, under the Message-ID it had. Raises SentMailMissing and MailInWork."""
    row = await SentMailRepository(db, who).get(sent_id, lock=True)
    if row.state not in (SentState.FAILED, SentState.BOUNCED) or not await jobs.restart(db, row.job_id):
        raise MailInWork
    row.state, row.error = SentState.QUEUED, None
    await db.flush()
    return SentMailOut.model_validate(row)


async def sources(db: AsyncSession, settings: MailSettings) -> MailSourcesOut:
    """Every road that is open, and how it was the last time."""
    known = await repository.sources(db)
    counts = await repository.counts(db)
    names = [*settings.sources, *(["webhook"] if settings.webhook_secret is not None else [])]
    shown = []
    for name in names if settings.address is not None else []:
        row = known.get(name)
        shown.append(
            MailSourceOut(
                name=name,
                ok=row is None or row.failing_since is None,
                taken=0 if row is None else row.taken,
                looked_at=None if row is None else row.looked_at,
                failing_since=None if row is None else row.failing_since,
                error=None if row is None else row.error,
            )
        )
    return MailSourcesOut(
        address=settings.address,
        sources=shown,
        waiting=counts.get(MailState.RECEIVED, 0),
        unreadable=counts.get(MailState.UNREADABLE, 0),
    )
