from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from app.accounts.authentication import AdminUser
from app.core.db import ReadSession, WriteSession
from app.core.errors import Forbidden, Unauthenticated, documented
from app.core.idempotency import IdempotentRoute
from app.core.pagination import BadCursor, Cursor, Limit, link_next
from app.core.schemas import BIGINT_MAX
from app.outbox import service
from app.outbox.errors import OutboxEventMissing, OutboxEventNotDead
from app.outbox.schemas import OutboxEventOut, RedrivenOut

router = APIRouter(route_class=IdempotentRoute, prefix="/outbox", tags=["outbox"])

EventId = Annotated[int, Path(ge=1, le=BIGINT_MAX)]


@router.get("/dead", responses=documented(Unauthenticated, Forbidden, BadCursor))
async def list_dead(
    who: AdminUser, db: ReadSession, request: Request, response: Response, cursor: Cursor = None, limit: Limit = 50
) -> list[OutboxEventOut]:
    """Events that could not be delivered in any of their attempts, oldest first."""
    page = await service.dead(db, who, cursor=cursor, limit=limit)
    link_next(request, response, page.next_cursor)
    return [OutboxEventOut.model_validate(row) for row in page.rows]


@router.post("/redrive", responses=documented(Unauthenticated, Forbidden))
async def redrive_all(who: AdminUser, db: WriteSession) -> RedrivenOut:
    """Send out all dead letters again."""
    return RedrivenOut(redriven=await service.redrive_all(db, who))


@router.post(
    "/{event_id}/redrive", responses=documented(Unauthenticated, Forbidden, OutboxEventMissing, OutboxEventNotDead)
)
async def redrive(event_id: EventId, who: AdminUser, db: WriteSession) -> OutboxEventOut:
    """Send out one dead letter again, with all its attempts before it."""
    return OutboxEventOut.model_validate(await service.redrive(db, who, event_id))
