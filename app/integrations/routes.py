"""Connections, for administrators; passing tickets on, for the staff. Translation only."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.accounts.authentication import AdminUser, StaffUser
from app.accounts.errors import ScopeMissing
from app.core.db import ReadSession, WriteSession
from app.core.errors import Forbidden, Invalid, PreconditionFailed, RateLimited, TooLarge, Unauthenticated, documented
from app.core.http import IfMatch, etag
from app.core.idempotency import IdempotencyConflict, IdempotencyKeyInvalid, IdempotentRoute
from app.core.pagination import BadCursor, Cursor, Limit, link_next
from app.core.resources import Res
from app.core.schemas import RowId
from app.integrations import service
from app.integrations.errors import (
    IntegrationDisabled,
    IntegrationInvalid,
    IntegrationMissing,
    IntegrationNameTaken,
)
from app.integrations.schemas import (
    CheckOut,
    ExportIn,
    ExportOut,
    IntegrationChanges,
    IntegrationIn,
    IntegrationOut,
    IntegrationsHealth,
)
from app.tickets.errors import TicketMissing

router = APIRouter(
    route_class=IdempotentRoute,
    prefix="/integrations",
    tags=["integrations"],
    responses=documented(Unauthenticated, ScopeMissing, Forbidden, Invalid, RateLimited),
)
_KEYED = (TooLarge, IdempotencyKeyInvalid, IdempotencyConflict)


@router.get("", responses=documented(BadCursor))
async def list_integrations(
    who: AdminUser,
    db: ReadSession,
    request: Request,
    response: Response,
    cursor: Cursor = None,
    limit: Limit = 20,
) -> list[IntegrationOut]:
    """Connections to other systems, without their secrets."""
    page = await service.list_connections(db, who, cursor=cursor, limit=limit)
    link_next(request, response, page.next_cursor)
    return list(page.rows)


@router.post("", status_code=201, responses=documented(IntegrationNameTaken, *_KEYED))
async def add_integration(
    body: IntegrationIn, _who: AdminUser, db: WriteSession, resources: Res, request: Request, response: Response
) -> IntegrationOut:
    """The secret is sealed and never shown again. Nothing is called: `/test` does that."""
    made = await service.add(resources, db, given=body)
    response.headers["Location"] = f"{request.url.path}/{made.id}"
    response.headers["ETag"] = etag(made.version)
    return made


@router.get("/health")
async def integrations_health(who: AdminUser, resources: Res) -> IntegrationsHealth:
    """Asks every connection that is switched on."""
    return await service.health(resources, who)


@router.get("/exports")
async def list_exports(
    who: StaffUser, db: ReadSession, ticket_id: Annotated[RowId | None, Query()] = None
) -> list[ExportOut]:
    """Tickets that were passed on, the newest 100."""
    return await service.exports(db, who, ticket_id=ticket_id)


@router.get("/{integration_id}", responses=documented(IntegrationMissing))
async def get_integration(integration_id: int, who: AdminUser, db: ReadSession, response: Response) -> IntegrationOut:
    """One connection, without its secret."""
    found = await service.read(db, who, integration_id)
    response.headers["ETag"] = etag(found.version)
    return found


@router.patch(
    "/{integration_id}",
    responses=documented(IntegrationMissing, IntegrationNameTaken, IntegrationInvalid, PreconditionFailed, TooLarge),
)
async def change_integration(
    integration_id: int,
    body: IntegrationChanges,
    who: AdminUser,
    db: WriteSession,
    resources: Res,
    response: Response,
    if_match: IfMatch = None,
) -> IntegrationOut:
    """What is left out stays; settings and secret are replaced whole."""
    changed = await service.change(resources, db, who, integration_id, changes=body, if_match=if_match)
    response.headers["ETag"] = etag(changed.version)
    return changed


@router.delete("/{integration_id}", status_code=204, responses=documented(IntegrationMissing))
async def delete_integration(integration_id: int, who: AdminUser, db: WriteSession) -> None:
    """With the record of what was passed on; what is in the other system stays there."""
    await service.remove(db, who, integration_id)


@router.post("/{integration_id}/test", responses=documented(IntegrationMissing, *_KEYED))
async def try_integration(integration_id: int, who: AdminUser, resources: Res) -> CheckOut:
    """Whether address, credentials and target are good; changes nothing there."""
    return await service.check(resources, who, integration_id)


@router.post(
    "/{integration_id}/exports",
    status_code=202,
    responses=documented(IntegrationMissing, IntegrationDisabled, TicketMissing, *_KEYED),
)
async def export_ticket(integration_id: int, body: ExportIn, who: StaffUser, db: WriteSession) -> ExportOut:
    """Pass a ticket on, once: a second wish is told how the first one is; one that failed is tried again."""
    return await service.pass_on(
        db,
        who,
        ticket_id=body.ticket_id,
        integration_id=integration_id,
        title=body.title,
        description=body.description,
    )
