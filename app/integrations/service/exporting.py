"""Passing a ticket on to another system, once.

The wish is a row with a job; a worker carries it out. What it makes bears the row's own id as its marker. A worker that
was killed between the call and its commit, or never heard the answer, leaves a thing behind that the next attempt looks
for before it makes another.
"""

import asyncio
import uuid
from datetime import timedelta
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.core.clock import now
from app.core.errors import Forbidden
from app.core.resources import Resources
from app.core.schemas import BIGINT_MAX
from app.integrations import repository
from app.integrations.base import Issue, IssueTracker, NewIssue
from app.integrations.errors import (
    IntegrationDisabled,
    IntegrationMissing,
    RateLimited,
    Rejected,
    SecretUnreadable,
    Unavailable,
    VendorFault,
)
from app.integrations.repository import ExportRepository
from app.integrations.schemas import ExportOut
from app.integrations.service.connections import opened
from app.integrations.vendors import Provider
from app.jobs import claims
from app.jobs import service as jobs
from app.jobs.events import JobDue
from app.jobs.service import Claim
from app.models.base import uuid7
from app.models.integration import Export, ExportStatus, ExternalLink, Integration
from app.outbox import writer as outbox
from app.tickets import service as tickets

JOB_KIND = "integration.export"
CLOCKS_DIFFER = timedelta(minutes=10)
"""A vendor's clock may be behind: what was made since the wish is looked for from a little earlier."""
_ASK_AGAIN_SECONDS = 0.1


async def pass_on(
    db: AsyncSession,
    who: Principal,
    *,
    ticket_id: int,
    integration_id: int | None = None,
    provider: Provider | None = None,
    name: str | None = None,
    title: str | None = None,
    description: str | None = None,
) -> ExportOut:
    """Into the connection of this number or name, or the only one to this provider. A ticket goes into a connection
    once: the second wish is told of the first; one that failed is tried again.

    Raises Forbidden for customers, TicketMissing, IntegrationMissing, IntegrationDisabled.
    """
    if not who.is_staff:
        raise Forbidden("Only the support staff may pass tickets on to other systems.")
    ticket = await tickets.get(db, who, ticket_id)
    integration = await _chosen(db, integration_id, provider, name)
    fields = {
        "title": title or ticket.title,
        "description": description or ticket.description,
        "priority": ticket.priority,
        "labels": [ticket.category, *ticket.tags],
    }
    export_id = uuid7()
    job = jobs.create(db, kind=JOB_KIND, subject=str(export_id), start=False)
    await db.flush()
    values = {"id": export_id, "integration_id": integration.id, "ticket_id": ticket.id, "job_id": job.id}
    added = await db.execute(
        insert(Export)
        .values(**values, requested_by=who.user_id, status=ExportStatus.QUEUED, fields=fields)
        .on_conflict_do_nothing(index_elements=["integration_id", "ticket_id"])
        .returning(Export.id)
    )
    if added.one_or_none() is not None:
        await jobs.dispatch(db, job.id)
    else:
        known = await repository.export_of(db, integration.id, ticket.id)
        if known is not None and known.status == ExportStatus.FAILED:
            # The same marker as before: should the failed attempt have made something after all, it is found.
            job.subject = str(known.id)
            known.job_id, known.status, known.error, known.fields = job.id, ExportStatus.QUEUED, None, fields
            await db.flush()
            await jobs.dispatch(db, job.id)
        else:
            await db.delete(job)
    await db.flush()
    return await state(db, who, ticket_id=ticket.id, integration_id=integration.id)


async def state(db: AsyncSession, who: Principal, *, ticket_id: int, integration_id: int) -> ExportOut:
    rows = await ExportRepository(db, who).with_connections(ticket_id=ticket_id, integration_id=integration_id)
    if not rows:
        raise IntegrationMissing
    export, integration = rows[0]
    return _shown(export, integration)


async def exports(db: AsyncSession, who: Principal, *, ticket_id: int | None) -> list[ExportOut]:
    """The newest 100, of one ticket or of all."""
    rows = await ExportRepository(db, who).with_connections(ticket_id=ticket_id)
    return [_shown(export, integration) for export, integration in rows]


async def wait_for(resources: Resources, who: Principal, export: ExportOut, *, seconds: float) -> ExportOut:
    """What it has come to, at the latest after so long."""
    until = asyncio.get_running_loop().time() + seconds
    while export.status == ExportStatus.QUEUED and asyncio.get_running_loop().time() < until:
        await asyncio.sleep(_ASK_AGAIN_SECONDS)
        async with resources.db.session() as db:
            export = await state(db, who, ticket_id=export.ticket_id, integration_id=export.integration_id)
    return export


async def carry_out(resources: Resources, job_id: uuid.UUID) -> None:
    """Raises ClaimLost."""
    async with claims.hold(resources, job_id) as claim:
        if claim is None:
            return
        async with resources.db.unit_of_work() as db:
            found = await repository.export(db, uuid.UUID(claim.subject))
            if found is None or found[0].status == ExportStatus.CREATED:
                await jobs.succeed(db, claim)
                return
            export, integration = found
            tried, export.tried = export.tried, True
        # From here on the call may have been made, and whoever comes next knows.
        try:
            issue = await _made(_usable(resources, integration), export, tried=tried)
        except (VendorFault, SecretUnreadable) as fault:
            await _failed(resources, claim, export, fault)
        else:
            await _succeeded(resources, claim, export, integration, issue)


async def give_up(db: AsyncSession, export_id: uuid.UUID, job_id: uuid.UUID, *, reason: str) -> None:
    found = await repository.export(db, export_id)
    if found is not None and found[0].status == ExportStatus.QUEUED and found[0].job_id == job_id:
        found[0].status, found[0].error = ExportStatus.FAILED, reason


async def _chosen(
    db: AsyncSession, integration_id: int | None, provider: Provider | None, name: str | None
) -> Integration:
    if integration_id is not None:
        found = await repository.connection(db, integration_id) if 1 <= integration_id <= BIGINT_MAX else None
        if found is None:
            raise IntegrationMissing
        if not found.enabled:
            raise IntegrationDisabled
        return found
    usable = await repository.usable(db, provider, name)
    if not usable:
        wanted = " ".join(filter(None, [provider, name and f"named “{name}”"]))
        raise IntegrationMissing(f"No connection {f'({wanted}) ' if wanted else ''}is set up and switched on.")
    if len(usable) > 1:
        names = ", ".join(f"“{one.name}”" for one in usable)
        raise IntegrationMissing(f"There are several connections: say which of {names}.")
    return usable[0]


def _usable(resources: Resources, integration: Integration) -> IssueTracker:
    if not integration.enabled:
        raise Rejected(IntegrationDisabled.detail)
    return opened(resources, integration)


async def _made(adapter: IssueTracker, export: Export, *, tried: bool) -> Issue:
    """Found, if an earlier attempt has made it; else made now."""
    marker = f"evidesk-{export.id.hex}"
    found = await adapter.find(marker, since=export.created_at - CLOCKS_DIFFER) if tried else None
    if found is not None:
        return found
    fields: dict[str, Any] = export.fields
    return await adapter.create(
        NewIssue(fields["title"], fields["description"], fields["priority"], tuple(fields["labels"]), marker)
    )


async def _succeeded(
    resources: Resources, claim: Claim, export: Export, integration: Integration, issue: Issue
) -> None:
    async with resources.db.unit_of_work() as db:
        await jobs.succeed(db, claim)
        found = await repository.export(db, export.id)
        if found is None:
            return
        row = found[0]
        row.status, row.external_id, row.url, row.error = ExportStatus.CREATED, issue.external_id, issue.url, None
        link = {"integration_id": integration.id, "ticket_id": export.ticket_id}
        await db.execute(
            insert(ExternalLink)
            .values(**link, external_id=issue.external_id, url=issue.url)
            .on_conflict_do_nothing(index_elements=["integration_id", "external_id"])
        )
        await tickets.note_export(
            db, export.ticket_id, system=integration.name, external_id=issue.external_id, url=issue.url
        )


async def _failed(resources: Resources, claim: Claim, export: Export, fault: VendorFault | SecretUnreadable) -> None:
    reason = fault.reason if isinstance(fault, VendorFault) else fault.detail
    passing, most = isinstance(fault, Unavailable | RateLimited), resources.settings.jobs.max_attempts
    async with resources.db.unit_of_work() as db:
        found = await repository.export(db, export.id)
        if isinstance(fault, RateLimited) and claim.attempt < most:
            due = now() + timedelta(seconds=fault.retry_after)
            await jobs.requeue(db, claim, due_at=due, error=reason)
            outbox.add(db, JobDue(job_id=claim.job_id, kind=claim.kind, subject=claim.subject), not_before=due)
        else:
            await claims.end_attempt(db, claim, reason=reason, passing=passing, max_attempts=most)
        if found is not None:
            found[0].error = reason
            if not passing:
                found[0].status = ExportStatus.FAILED


def _shown(export: Export, integration: Integration) -> ExportOut:
    return ExportOut(
        export_id=export.id,
        ticket_id=export.ticket_id,
        integration_id=integration.id,
        integration=integration.name,
        provider=Provider(integration.provider),
        status=ExportStatus(export.status),
        external_id=export.external_id,
        url=export.url,
        error=export.error,
        created_at=export.created_at,
    )
