"""Finding what got lost on the way: messages that are not on theirs, and files that hang on no ticket."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import now
from app.core.settings import Settings
from app.mail import repository
from app.mail.service import attaching, sending
from app.models.mail import MailSource


async def look(db: AsyncSession, settings: Settings, *, seconds: float) -> int:
    """How many were neglected for longer than that."""
    if settings.mail.address is None:
        return 0
    found = 0
    for said_id in await repository.forgotten(db, seconds=seconds):
        found += await sending.put_on_way(db, settings, said_id)
    return found + await attaching.hang(db)


async def note_look(db: AsyncSession, name: str, error: str | None) -> None:
    """How a look at a source went, for those who ask how it is."""
    row = await db.get(MailSource, name, with_for_update=True)
    if row is None:
        row = MailSource(name=name, last_uid=0, taken=0)
        db.add(row)
    row.looked_at, row.error = now(), error
    row.failing_since = None if error is None else row.failing_since or now()
    await db.flush()
