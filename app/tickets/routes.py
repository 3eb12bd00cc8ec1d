"""HTTP for tickets: translation only."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.accounts.authentication import CurrentUser
from app.core.db import ReadSession, WriteSession
from app.core.errors import Invalid, PreconditionFailed, RateLimited, TooLarge, Unauthenticated, documented
from app.core.http import IfMatch, etag
from app.core.idempotency import IdempotencyConflict, IdempotencyKeyInvalid, IdempotentRoute
from app.core.pagination import BadCursor, link_next
from app.inference.errors import ModelUnavailable
from app.tickets import service as tickets
from app.tickets.errors import (
    AssigneeUnfit,
    StaffOnly,
    SupervisorOnly,
    TicketClosed,
    TicketMissing,
    TransitionImpossible,
)
from app.tickets.query import documented_query, read_query
from app.tickets.schemas import (
    CategorizeIn,
    CategorizeOut,
    ChangeOut,
    CommentIn,
    CommentOut,
    PageQuery,
    SimilarOut,
    TicketIn,
    TicketOut,
    TicketPatch,
    TicketPut,
    TicketQuery,
)

router = APIRouter(
    route_class=IdempotentRoute,
    prefix="/tickets",
    tags=["tickets"],
    responses=documented(Unauthenticated, Invalid, RateLimited),
)

_EDITING = documented(
    StaffOnly, TicketMissing, TicketClosed, TransitionImpossible, PreconditionFailed, TooLarge, Invalid, AssigneeUnfit
)
_POSTING = (IdempotencyKeyInvalid, TooLarge, Invalid, IdempotencyConflict)


@router.post("", status_code=201, responses=documented(*_POSTING))
async def create_ticket(
    body: TicketIn, who: CurrentUser, db: WriteSession, request: Request, response: Response
) -> TicketOut:
    """A report. What is left open is categorised, prioritised and routed soon after the answer."""
    ticket = await tickets.create(
        db,
        who,
        title=body.title,
        description=body.description,
        priority=body.priority,
        category=body.category,
        tags=body.tags,
    )
    response.headers["Location"] = f"{request.scope['path']}/{ticket.id}"
    response.headers["ETag"] = etag(ticket.version)
    return ticket


@router.get("", responses=documented(Invalid, BadCursor), openapi_extra=documented_query(TicketQuery))
async def list_tickets(who: CurrentUser, db: ReadSession, request: Request, response: Response) -> list[TicketOut]:
    """What one may see: customers their own, staff all. `q` searches titles and descriptions by words."""
    page = await tickets.list_tickets(db, who, asked=read_query(request, TicketQuery))
    link_next(request, response, page.next_cursor)
    return list(page.rows)


@router.post("/categorize", responses=documented(*_POSTING, ModelUnavailable))
async def categorize(body: CategorizeIn, _who: CurrentUser, db: ReadSession) -> CategorizeOut:
    """What the desk would make of a report; nothing is stored."""
    return await tickets.categorize(db, description=body.description, title=body.title)


@router.get("/{ticket_id}", responses=documented(TicketMissing))
async def get_ticket(ticket_id: int, who: CurrentUser, db: ReadSession, response: Response) -> TicketOut:
    """The `ETag` is what `If-Match` of an edit refers to."""
    ticket = await tickets.get(db, who, ticket_id)
    response.headers["ETag"] = etag(ticket.version)
    return ticket


@router.put("/{ticket_id}", responses=_EDITING)
async def replace_ticket(
    ticket_id: int,
    body: TicketPut,
    who: CurrentUser,
    db: WriteSession,
    response: Response,
    if_match: IfMatch = None,
) -> TicketOut:
    """All editable fields at once: an optional one that is left out is cleared."""
    ticket = await tickets.update(db, who, ticket_id, edit=body.edit(), if_match=if_match, whole=True)
    response.headers["ETag"] = etag(ticket.version)
    return ticket


@router.patch("/{ticket_id}", responses=_EDITING)
async def edit_ticket(
    ticket_id: int,
    body: TicketPatch,
    who: CurrentUser,
    db: WriteSession,
    response: Response,
    if_match: IfMatch = None,
) -> TicketOut:
    """RFC 7396 merge-patch. Customers may change title, description and tags, and end or reopen their ticket."""
    ticket = await tickets.update(db, who, ticket_id, edit=body.edit(), if_match=if_match)
    response.headers["ETag"] = etag(ticket.version)
    return ticket


@router.delete("/{ticket_id}", status_code=204, responses=documented(SupervisorOnly, TicketMissing, PreconditionFailed))
async def delete_ticket(ticket_id: int, who: CurrentUser, db: WriteSession, if_match: IfMatch = None) -> None:
    """For supervisors. The ticket is hidden, its history is kept."""
    await tickets.delete(db, who, ticket_id, if_match=if_match)


@router.get("/{ticket_id}/comments", responses=documented(TicketMissing, Invalid, BadCursor))
async def list_comments(
    ticket_id: int,
    asked: Annotated[PageQuery, Query()],
    who: CurrentUser,
    db: ReadSession,
    request: Request,
    response: Response,
) -> list[CommentOut]:
    """Oldest first. Customers are not shown internal ones."""
    page = await tickets.comments(db, who, ticket_id, cursor=asked.cursor, limit=asked.limit)
    link_next(request, response, page.next_cursor)
    return list(page.rows)


@router.post(
    "/{ticket_id}/comments", status_code=201, responses=documented(StaffOnly, TicketMissing, TicketClosed, *_POSTING)
)
async def add_comment(ticket_id: int, body: CommentIn, who: CurrentUser, db: WriteSession) -> CommentOut:
    """Internal ones are for staff, to write and to read."""
    return await tickets.comment(db, who, ticket_id, body=body.body, visibility=body.visibility)


@router.get("/{ticket_id}/timeline", responses=documented(TicketMissing, Invalid, BadCursor))
async def get_timeline(
    ticket_id: int,
    asked: Annotated[PageQuery, Query()],
    who: CurrentUser,
    db: ReadSession,
    request: Request,
    response: Response,
) -> list[ChangeOut]:
    """Who changed what, and when, oldest first."""
    page = await tickets.timeline(db, who, ticket_id, cursor=asked.cursor, limit=asked.limit)
    link_next(request, response, page.next_cursor)
    return list(page.rows)


@router.get("/{ticket_id}/similar", responses=documented(TicketMissing, Invalid))
async def get_similar(
    ticket_id: int, who: CurrentUser, db: ReadSession, limit: Annotated[int, Query(ge=1, le=50)] = 5
) -> list[SimilarOut]:
    """Other tickets that one may see, most alike first."""
    return await tickets.similar(db, who, ticket_id, limit=limit)
