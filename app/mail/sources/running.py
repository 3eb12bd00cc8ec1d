"""The process that looks for mail: every source at once, each begun again after a rest when it fails."""

import asyncio
from collections.abc import Callable, Sequence

from sqlalchemy.exc import SQLAlchemyError

from app.core.backoff import spread
from app.core.db import DATABASE_AWAY
from app.core.process import lasting
from app.core.resources import NotConfigured, Resources
from app.core.settings import Settings
from app.core.telemetry import get_logger
from app.mail.service.keeping import note_look
from app.mail.sources.base import MailSource, SourceAway, rested
from app.mail.sources.imap import ImapSource
from app.mail.sources.maildir import MaildirSource
from app.mail.sources.smtp import SmtpSource

log = get_logger(__name__)

REST_FIRST_SECONDS = 1.0
REST_MOST_SECONDS = 60.0


def sources_of(resources: Resources) -> list[MailSource]:
    known: dict[str, Callable[[Resources], MailSource]] = {
        "maildir": MaildirSource,
        "imap": ImapSource,
        "smtp": SmtpSource,
    }
    return [known[name](resources) for name in dict.fromkeys(resources.settings.mail.sources)]


async def serve(resources: Resources, sources: Sequence[MailSource], stop: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as group:
        for source in sources:
            group.create_task(_keep_running(resources, source, stop), name=f"mail source {source.name}")


async def _keep_running(resources: Resources, source: MailSource, stop: asyncio.Event) -> None:
    rest = REST_FIRST_SECONDS
    while not stop.is_set():
        started = asyncio.get_running_loop().time()
        try:
            await source.run(stop)
            continue
        except SourceAway as away:
            reason = away.reason
        except (*DATABASE_AWAY, SQLAlchemyError) as error:
            reason = f"The database is away ({type(error).__name__})."
        if asyncio.get_running_loop().time() - started > REST_MOST_SECONDS:
            rest = REST_FIRST_SECONDS
        log.warning("mail_source_away", source=source.name, reason=reason)
        await _note(resources, source.name, reason)
        await rested(stop, spread(rest))
        rest = min(rest * 2, REST_MOST_SECONDS)


async def _note(resources: Resources, name: str, reason: str) -> None:
    try:
        async with resources.db.unit_of_work() as db:
            await note_look(db, name, reason)
    except (*DATABASE_AWAY, SQLAlchemyError) as error:
        log.warning("mail_source_not_noted", source=name, error=type(error).__name__)


async def run(settings: Settings) -> None:
    """The process. SIGTERM or SIGINT lets each source finish the mail it has. Raises NotConfigured."""
    if settings.mail.address is None:
        raise NotConfigured("Set EVIDESK_MAIL__ADDRESS: without an address there is no mail.")
    async with lasting("mail", settings) as (resources, stop):
        log.info("mail_started", sources=settings.mail.sources)
        await serve(resources, sources_of(resources), stop)
        log.info("mail_stopped")
