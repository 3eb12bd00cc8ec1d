"""Finding what got lost on the way: messages that are not on theirs, and files that hang on no ticket. And letting go
of mails as they came, when they have been kept for as long as they should be."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import now
from app.core.resources import Resources
from app.core.settings import Settings
from app.core.storage import discard
from app.core.telemetry import get_logger
from app.mail import repository
from app.mail.service import attaching, sending
from app.models.mail import MailSource

log = get_logger(__name__)

ROWS = 500


async def look(db: AsyncSession, settings: Settings, *, seconds: float) -> int:
    """How many were neglected for longer than that."""
    if settings.mail.address is None:
        return 0
    found = 0
    for said_id in await repository.forgotten(db, seconds=seconds):
        found += await sending.put_on_way(db, settings, said_id)
    return found + await attaching.hang(db)


async def retire_raw(resources: Resources) -> int:
    """How many mails have given up their bytes. What was read of them stays: words, Message-IDs, files."""
    days = resources.settings.mail.keep_raw_days
    retired, more = 0, days > 0
    while more:
        async with resources.db.unit_of_work() as db:
            keys = await repository.drop_raw(db, days=days, limit=ROWS)
        await discard(resources.storage, keys)
        retired, more = retired + len(keys), len(keys) == ROWS
    if retired:
        log.info("mails_retired", mails=retired)
    return retired


async def note_look(db: AsyncSession, name: str, error: str | None) -> None:
    """How a look at a source went, for those who ask how it is."""
    row = await db.get(MailSource, name, with_for_update=True)
    if row is None:
        row = MailSource(name=name, last_uid=0, taken=0)
        db.add(row)
    row.looked_at, row.error = now(), error
    row.failing_since = None if error is None else row.failing_since or now()
    await db.flush()
