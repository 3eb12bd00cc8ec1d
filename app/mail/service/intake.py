"""Taking a mail in, whatever road it came by: first the bytes, then the row with its job. Nothing is read yet.

When this returns, the mail is durable, and its sender may be told so. The same bytes by the same road are one mail.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import now
from app.core.resources import Resources
from app.core.storage import chunked, discard
from app.core.telemetry import get_logger
from app.jobs import service as jobs
from app.mail import repository
from app.mail.parsing.texts import storable
from app.models.base import uuid7
from app.models.mail import Mail, MailSource, MailState

log = get_logger(__name__)

TAKE_IN = "mail.take_in"
TOO_LARGE = "The mail is larger than the limit; it is still where it came from."


@dataclass(frozen=True, slots=True)
class Incoming:
    """`sender` is the envelope's: empty for a mail that wants no report, None where the road does not tell it."""

    source: str
    raw: bytes
    ref: str | None = None
    sender: str | None = None
    recipients: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Taken:
    mail_id: UUID
    new: bool


Along = Callable[[AsyncSession], Awaitable[None]]
"""What is committed with the mail's row, such as how far its source was read."""


async def receive(resources: Resources, mail: Incoming, *, along: Along | None = None) -> Taken:
    """Raises StorageError or what the database raises; then nothing was taken."""
    digest = await asyncio.to_thread(lambda: hashlib.sha256(mail.raw).hexdigest())
    async with resources.db.unit_of_work() as db:
        known = await repository.known(db, mail.source, digest)
        if known is not None:
            if along is not None:
                await along(db)
            return Taken(known, new=False)
    # The day and the id in the key let a collector find objects that never got a row.
    key = f"mail/{now():%Y/%m/%d}/{uuid7()}"
    await resources.storage.put(key, chunked(mail.raw))
    # Should the commit fail, nobody knows whether the row is there: the bytes stay, and are collected if it is not.
    taken = await _add(resources, mail, digest=digest, key=key, size=len(mail.raw), along=along)
    if not taken.new:
        await discard(resources.storage, [key])
    return taken


async def note_too_large(resources: Resources, mail: Incoming, *, size: int, along: Along | None = None) -> Taken:
    """A row for administrators about a mail that stays where it is; `raw` is something that names it there."""
    digest = hashlib.sha256(b"too large:" + mail.raw).hexdigest()
    return await _add(resources, mail, digest=digest, key=None, size=size, along=along)


async def _add(
    resources: Resources, mail: Incoming, *, digest: str, key: str | None, size: int, along: Along | None
) -> Taken:
    async with resources.db.unit_of_work() as db:
        mail_id = uuid7()
        added = await db.execute(
            insert(Mail)
            .values(
                id=mail_id,
                source=mail.source,
                source_ref=None if mail.ref is None else storable(mail.ref)[:300],
                digest=digest,
                size=size,
                storage_key=key,
                envelope_from=None if mail.sender is None else storable(mail.sender)[:400],
                envelope_to=[storable(one)[:400] for one in mail.recipients[:100]],
                state=MailState.RECEIVED if key is not None else MailState.UNREADABLE,
                note=None if key is not None else TOO_LARGE,
                created_at=now(),
            )
            .on_conflict_do_nothing(index_elements=["source", "digest"])
            .returning(Mail.id)
        )
        new = added.one_or_none() is not None
        if new and key is not None:
            job = jobs.create(db, kind=TAKE_IN, subject=str(mail_id))
            await db.flush()
            row = await db.get_one(Mail, mail_id)
            row.job_id = job.id
        if new:
            await _count(db, mail.source)
        if along is not None:
            await along(db)
        known = mail_id if new else await repository.known(db, mail.source, digest)
    return Taken(known or mail_id, new)


async def _count(db: AsyncSession, source: str) -> None:
    more = insert(MailSource).values(name=source, taken=1, looked_at=func.clock_timestamp())
    await db.execute(
        more.on_conflict_do_update(
            index_elements=[MailSource.name],
            set_={"taken": MailSource.taken + 1, "looked_at": more.excluded.looked_at},
        )
    )
