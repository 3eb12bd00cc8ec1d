"""The agents' work on tickets by HTTP: for staff, who have the last word on all of it."""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request, Response

from app.accounts.authentication import StaffUser
from app.accounts.errors import ScopeMissing
from app.core.db import ReadSession, WriteSession
from app.core.errors import Forbidden, Invalid, RateLimited, TooLarge, Unauthenticated, documented
from app.core.http import API_PREFIX
from app.core.idempotency import IdempotencyConflict, IdempotencyKeyInvalid, IdempotentRoute
from app.core.pagination import BadCursor, Cursor, Limit, link_next
from app.core.schemas import BIGINT_MAX
from app.models.resolution import DraftStatus
from app.resolutions import service
from app.resolutions.errors import AlreadyReviewed, DecisionMissing, DraftMissing, ResolutionMissing
from app.resolutions.schemas import CorrectionIn, DecisionOut, DraftOut, EditedIn, ResolutionOut, ReviewIn
from app.tickets.errors import TicketClosed, TicketMissing

router = APIRouter(
    route_class=IdempotentRoute,
    prefix="/agent",
    tags=["agent"],
    responses=documented(Unauthenticated, ScopeMissing, Forbidden, Invalid, RateLimited),
)

Number = Annotated[int, Path(ge=1, le=BIGINT_MAX)]
_POSTING = (TooLarge, IdempotencyKeyInvalid, IdempotencyConflict)
_REVIEWING = (AlreadyReviewed, TicketMissing, *_POSTING)


@router.post("/resolve/{ticket_id}", status_code=202, responses=documented(TicketMissing, *_POSTING))
async def resolve(ticket_id: Number, who: StaffUser, db: WriteSession, response: Response) -> ResolutionOut:
    """Let the agents work on a ticket. `Location` says where to look; while they do, asking again answers the same."""
    resolution = await service.start(db, who, ticket_id)
    response.headers["Location"] = f"{API_PREFIX}/agent/resolutions/{resolution.id}"
    return await service.shown(db, who, resolution.id)


@router.get("/resolutions/{resolution_id}", responses=documented(ResolutionMissing))
async def get_resolution(resolution_id: uuid.UUID, who: StaffUser, db: ReadSession) -> ResolutionOut:
    """How far it is, what each step found, and the runs in which to look closer."""
    return await service.shown(db, who, resolution_id)


ReviewBody = Annotated[ReviewIn | None, Body()]


def _review(body: ReviewIn | None) -> dict[str, Any]:
    given = body or ReviewIn()
    return {"rating": given.rating, "note": given.note}


@router.get("/decisions", responses=documented(BadCursor))
async def list_decisions(
    request: Request,
    response: Response,
    who: StaffUser,
    db: ReadSession,
    requires_manual_review: Annotated[bool | None, Query(description="true: those that wait for a person.")] = None,
    ticket_id: Annotated[int | None, Query(ge=1, le=BIGINT_MAX)] = None,
    cursor: Cursor = None,
    limit: Limit = 20,
) -> list[DecisionOut]:
    """Routing decisions, newest first."""
    page = await service.decisions(
        db, who, requires_manual_review=requires_manual_review, ticket_id=ticket_id, cursor=cursor, limit=limit
    )
    link_next(request, response, page.next_cursor)
    return [DecisionOut.model_validate(row) for row in page.rows]


@router.post("/decisions/{decision_id}/approve", responses=documented(DecisionMissing, *_REVIEWING))
async def approve_decision(
    decision_id: Number, who: StaffUser, db: WriteSession, body: ReviewBody = None
) -> DecisionOut:
    """It was right; what waited goes onto the ticket now."""
    return DecisionOut.model_validate(await service.approve_decision(db, who, decision_id, **_review(body)))


@router.post("/decisions/{decision_id}/correct", responses=documented(DecisionMissing, *_REVIEWING))
async def correct_decision(decision_id: Number, body: CorrectionIn, who: StaffUser, db: WriteSession) -> DecisionOut:
    """What is given replaces what was decided, on the ticket too, and becomes a training example."""
    return DecisionOut.model_validate(
        await service.correct_decision(db, who, decision_id, labels=body.labels(), rating=body.rating, note=body.note)
    )


@router.post("/decisions/{decision_id}/reject", responses=documented(DecisionMissing, *_REVIEWING))
async def reject_decision(
    decision_id: Number, who: StaffUser, db: WriteSession, body: ReviewBody = None
) -> DecisionOut:
    """It is not to count."""
    return DecisionOut.model_validate(await service.reject_decision(db, who, decision_id, **_review(body)))


@router.get("/drafts", responses=documented(BadCursor))
async def list_drafts(
    request: Request,
    response: Response,
    who: StaffUser,
    db: ReadSession,
    status: Annotated[DraftStatus | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 20,
) -> list[DraftOut]:
    """Replies drafted by the agents, newest first."""
    page = await service.drafts(db, who, status=status, cursor=cursor, limit=limit)
    link_next(request, response, page.next_cursor)
    return [DraftOut.model_validate(row) for row in page.rows]


@router.post("/drafts/{draft_id}/approve", responses=documented(DraftMissing, TicketClosed, *_REVIEWING))
async def approve_draft(draft_id: Number, who: StaffUser, db: WriteSession, body: ReviewBody = None) -> DraftOut:
    """Send it to the customer, in your name."""
    return DraftOut.model_validate(await service.send_draft(db, who, draft_id, body=None, **_review(body)))


@router.post("/drafts/{draft_id}/edit", responses=documented(DraftMissing, TicketClosed, *_REVIEWING))
async def edit_draft(draft_id: Number, body: EditedIn, who: StaffUser, db: WriteSession) -> DraftOut:
    """Send it as you changed it."""
    return DraftOut.model_validate(
        await service.send_draft(db, who, draft_id, body=body.body, rating=body.rating, note=body.note)
    )


@router.post("/drafts/{draft_id}/reject", responses=documented(DraftMissing, *_REVIEWING))
async def reject_draft(draft_id: Number, who: StaffUser, db: WriteSession, body: ReviewBody = None) -> DraftOut:
    """Nothing is sent."""
    return DraftOut.model_validate(await service.reject_draft(db, who, draft_id, **_review(body)))
