"""Looking at resolutions, decisions and drafts."""

import uuid

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.core.pagination import Page
from app.models.resolution import (
    DecisionStatus,
    DraftStatus,
    ReplyDraft,
    ResolutionStatus,
    RoutingDecision,
)
from app.resolutions import repository
from app.resolutions.repository import DecisionRepository, DraftRepository, ResolutionRepository
from app.resolutions.schemas import ResolutionOut, StepOut
from app.resolutions.service.advancing import progress


async def shown(db: AsyncSession, who: Principal, resolution_id: uuid.UUID) -> ResolutionOut:
    """Raises ResolutionMissing."""
    resolution = await ResolutionRepository(db, who).get(resolution_id)
    steps = await repository.steps(db, resolution.id)
    return ResolutionOut(
        resolution_id=resolution.id,
        ticket_id=resolution.ticket_id,
        status=ResolutionStatus(resolution.status),
        progress=progress(resolution, steps),
        steps=[StepOut.model_validate(step) for step in steps],
        decision_id=await repository.decision_of(db, resolution.id),
        draft_id=await repository.draft_of(db, resolution.id),
        error=resolution.error,
        created_at=resolution.created_at,
        finished_at=resolution.finished_at,
    )


async def decisions(
    db: AsyncSession,
    who: Principal,
    *,
    requires_manual_review: bool | None,
    ticket_id: int | None,
    cursor: str | None,
    limit: int,
) -> Page[RoutingDecision]:
    """Newest first. `requires_manual_review` means: still waits for a person, or not."""
    found = DecisionRepository(db, who)
    query = found.visible()
    if requires_manual_review is not None:
        waits = RoutingDecision.status == DecisionStatus.PENDING_REVIEW
        query = query.where(waits if requires_manual_review else ~waits)
    if ticket_id is not None:
        query = query.where(RoutingDecision.ticket_id == ticket_id)
    return await found.page(query, cursor=cursor, limit=limit)


async def drafts(
    db: AsyncSession, who: Principal, *, status: DraftStatus | None, cursor: str | None, limit: int
) -> Page[ReplyDraft]:
    found = DraftRepository(db, who)
    query = found.visible()
    if status is not None:
        query = query.where(ReplyDraft.status == status)
    return await found.page(query, cursor=cursor, limit=limit)
