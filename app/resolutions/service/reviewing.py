"""A person's word on what the agents decided and drafted. It goes onto the ticket, and is learnt from."""

from typing import Any, cast

from sqlalchemy.ext.asyncio import AsyncSession

from app.agents import service as agents
from app.core.auth import Principal
from app.core.clock import now
from app.inference.operations import Operation
from app.models.learning import ExampleSource
from app.models.resolution import DecisionStatus, DraftStatus, ReplyDraft, RoutingDecision, SyncStatus
from app.models.ticket import Priority
from app.resolutions.errors import AlreadyReviewed
from app.resolutions.repository import DecisionRepository, DraftRepository
from app.tickets import service as tickets
from app.tickets.schemas import Categorisation, TicketEdit

_OPEN = (DecisionStatus.APPLIED, DecisionStatus.PENDING_REVIEW)
GOOD_RATING = 4


async def approve_decision(
    db: AsyncSession, who: Principal, decision_id: int, *, rating: int | None, note: str | None
) -> RoutingDecision:
    """It stands as it is, and goes onto the ticket if it did not. Raises DecisionMissing and AlreadyReviewed."""
    decision = await _decision(db, who, decision_id)
    found = Categorisation(
        category=decision.category,
        priority=Priority(decision.priority),
        team=decision.team,
        confidence=decision.confidence,
    )
    if decision.status == DecisionStatus.PENDING_REVIEW:
        await tickets.attach_categorisation(db, who, decision.ticket_id, found=found, overwrite=True)
    _review(decision, who, DecisionStatus.APPROVED, rating, note)
    decision.sync_status = SyncStatus.SYNCED
    if rating is None or rating >= GOOD_RATING:
        source = ExampleSource.APPROVAL if rating is None else ExampleSource.RATING
        await _learn(db, who, decision, _labels(decision), source)
    return decision


async def correct_decision(
    db: AsyncSession, who: Principal, decision_id: int, *, labels: dict[str, str], rating: int | None, note: str | None
) -> RoutingDecision:
    """What the person gave replaces what was decided, on the ticket too; the rest stands."""
    decision = await _decision(db, who, decision_id)
    edit: dict[str, Any] = {
        "category": labels.get("category", decision.category),
        "priority": Priority(labels.get("priority", decision.priority)),
        "team": labels.get("team", decision.team),
    }
    await tickets.update(db, who, decision.ticket_id, edit=cast("TicketEdit", edit))
    _review(decision, who, DecisionStatus.CORRECTED, rating, note)
    decision.corrections = dict(labels)
    decision.sync_status = SyncStatus.SYNCED
    await _learn(db, who, decision, labels, ExampleSource.CORRECTION)
    return decision


async def reject_decision(
    db: AsyncSession, who: Principal, decision_id: int, *, rating: int | None, note: str | None
) -> RoutingDecision:
    """It is not to count. What already stands on the ticket stays until somebody changes it."""
    decision = await _decision(db, who, decision_id)
    if decision.status == DecisionStatus.PENDING_REVIEW:
        decision.sync_status = SyncStatus.SKIPPED
    _review(decision, who, DecisionStatus.REJECTED, rating, note)
    return decision


async def send_draft(
    db: AsyncSession, who: Principal, draft_id: int, *, body: str | None, rating: int | None, note: str | None
) -> ReplyDraft:
    """Say it on the ticket in the person's name, as drafted or as they changed it. Raises TicketClosed."""
    draft = await _draft(db, who, draft_id)
    said = await tickets.comment(db, who, draft.ticket_id, body=body or draft.body)
    changed = body is not None and body != draft.body
    _review(draft, who, DraftStatus.EDITED if changed else DraftStatus.APPROVED, rating, note)
    draft.final_body = body if changed else None
    draft.comment_id = said.id
    return draft


async def reject_draft(
    db: AsyncSession, who: Principal, draft_id: int, *, rating: int | None, note: str | None
) -> ReplyDraft:
    draft = await _draft(db, who, draft_id)
    _review(draft, who, DraftStatus.REJECTED, rating, note)
    return draft


async def _decision(db: AsyncSession, who: Principal, decision_id: int) -> RoutingDecision:
    decision = await DecisionRepository(db, who).get(decision_id, lock=True)
    if decision.status not in _OPEN:
        raise AlreadyReviewed
    return decision


async def _draft(db: AsyncSession, who: Principal, draft_id: int) -> ReplyDraft:
    draft = await DraftRepository(db, who).get(draft_id, lock=True)
    if draft.status != DraftStatus.PENDING:
        raise AlreadyReviewed
    return draft


def _labels(decision: RoutingDecision) -> dict[str, str]:
    labels = {"category": decision.category, "priority": decision.priority, "team": decision.team}
    return labels if decision.type is None else {**labels, "type": decision.type}


async def _learn(
    db: AsyncSession, who: Principal, decision: RoutingDecision, labels: dict[str, str], source: ExampleSource
) -> None:
    """A run of the learning agent says which of the person's labels this text can teach."""
    ticket = await tickets.get(db, who, decision.ticket_id)
    document = {
        "user_input": f"{ticket.title}\n\n{ticket.description}",
        "ticket_id": ticket.id,
        "material": {"labels": labels, "before": _labels(decision), "source": source.value},
    }
    await agents.request(db, who, operation=Operation.LEARN, document=document, files=[], internal=True)


def _review(
    row: RoutingDecision | ReplyDraft,
    who: Principal,
    status: DecisionStatus | DraftStatus,
    rating: int | None,
    note: str | None,
) -> None:
    row.status, row.reviewed_by, row.reviewed_at = status, who.user_id, now()
    row.rating, row.note = rating, note
