"""What relays do on the side: look for abandoned jobs and neglected tickets, and forget what nobody needs any more."""

import asyncio
from datetime import timedelta

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.service.confirming import forget_old
from app.accounts.service.logins import forget_ended_logins
from app.conversations import service as conversations
from app.core.db import DATABASE_AWAY
from app.core.idempotency import forget_old_answers
from app.core.resources import Resources
from app.core.telemetry import get_logger
from app.files.service import keeping
from app.jobs import reaper
from app.knowledge import service as knowledge
from app.learning import service as learning
from app.mail import service as mail
from app.tickets.service import Rounds

log = get_logger(__name__)

PRUNE_SECONDS = 300.0
PRUNE_ROWS = 5000
ORPHAN_SECONDS = 6 * 3600.0
"""Listing a whole store is slow, and nobody misses what it finds."""

_PRUNER_LOCK = text("SELECT pg_try_advisory_xact_lock(1702257001, 1)")

# Ids rise with time, so the lowest ones tell whether there is anything old; no index over delivered_at is needed.
_PRUNE_OUTBOX = text(
    """
    WITH gone AS (
        DELETE FROM outbox WHERE id IN (
            SELECT id FROM (
                SELECT id, delivered_at FROM outbox WHERE state = 'delivered' ORDER BY id LIMIT :rows
            ) AS lowest
            WHERE delivered_at < now() - CAST(:age AS interval)
        ) RETURNING 1
    )
    SELECT count(*) FROM gone
    """
)
# The newest of a channel stays for ever: the next one takes its number from it.
_PRUNE_NOTIFICATIONS = text(
    """
    WITH gone AS (
        DELETE FROM notifications WHERE (channel, seq) IN (
            SELECT o.channel, o.seq FROM notifications o
            WHERE o.created_at < now() - CAST(:age AS interval)
              AND EXISTS (SELECT FROM notifications n WHERE n.channel = o.channel AND n.seq > o.seq)
            ORDER BY o.created_at LIMIT :rows
        ) RETURNING 1
    )
    SELECT count(*) FROM gone
    """
)


async def keep_house(resources: Resources) -> None:
    """Until cancelled. The database may be away: then it is tried again at the next turn."""
    settings = resources.settings
    turns = max(1, round(PRUNE_SECONDS / settings.jobs.reap_seconds))
    round_of_orphans = max(1, round(ORPHAN_SECONDS / settings.jobs.reap_seconds))
    tickets = Rounds()
    turn = 0
    while True:
        try:
            async with resources.db.unit_of_work() as db:
                await reaper.due(db, settings.jobs)
                await tickets.look(db, seconds=settings.jobs.claim_seconds)
                await conversations.look(db, seconds=settings.jobs.claim_seconds)
                await mail.look(db, settings, seconds=settings.jobs.claim_seconds)
                await knowledge.look_at_pages(db, hours=settings.knowledge.page_refresh_hours)
            if turn % turns == 0:
                await prune(resources)
                await keeping.end_expired_uploads(resources.db, resources.storage)
                await keeping.end_expired_direct(resources.db, resources.storage, settings.storage)
                await keeping.end_abandoned_files(resources.db)
                async with resources.db.unit_of_work() as db:
                    await learning.retrain_if_due(db, after=settings.agents.retrain_after)
            if turn % round_of_orphans == 0:
                await keeping.retire(resources.db, settings.files)
                await mail.retire_raw(resources)
                await keeping.collect_orphans(resources.db, resources.storage, settings.files)
            turn += 1
        except DATABASE_AWAY as error:
            log.warning("housekeeping_failed", error=type(error).__name__)
        await asyncio.sleep(settings.jobs.reap_seconds)


async def prune(resources: Resources) -> None:
    """Delivered rows, old notifications and answers, ended logins; in small transactions, by one relay at a time."""
    settings = resources.settings
    kept = timedelta(hours=settings.outbox.keep_delivered_hours)
    history = timedelta(hours=settings.websocket.history_hours)
    more = True
    while more:
        async with resources.db.unit_of_work() as db:
            if not (await db.execute(_PRUNER_LOCK)).scalar_one():
                return
            outbox_rows = await _deleted(db, _PRUNE_OUTBOX, kept)
            notification_rows = await _deleted(db, _PRUNE_NOTIFICATIONS, history)
            await forget_old_answers(db)
            await forget_ended_logins(db)
            await forget_old(db)
            searches = await knowledge.forget_searches(db, days=settings.knowledge.diagnostics_days)
        more = PRUNE_ROWS in (outbox_rows, notification_rows, searches)


async def _deleted(db: AsyncSession, statement: TextClause, age: timedelta) -> int:
    count: int = (await db.execute(statement, {"age": age, "rows": PRUNE_ROWS})).scalar_one()
    return count
