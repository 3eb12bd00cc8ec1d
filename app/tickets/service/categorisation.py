"""Finding a ticket's category, priority and team, and writing them down."""

import asyncio
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.ai_config.priorities import WEIGHTS
from app.core.auth import Principal, Role
from app.inference.local.categorize import categorize as categorize_locally
from app.learning import service as learning
from app.models.ticket import Priority
from app.outbox import writer as outbox
from app.tickets.events import TicketCategorised
from app.tickets.repository import TicketRepository, Timeline
from app.tickets.schemas import AlternativeOut, Categorisation, CategorizeOut, TicketOut
from app.tickets.service.telling import enter

ACTION = "categorised"
DESK = Principal(user_id=0, username="evidesk", role=Role.ADMIN)
"""The desk itself, when it acts by no one's order. It has no row in users; timelines show it as null."""


async def categorize(db: AsyncSession, *, description: str, title: str | None = None) -> CategorizeOut:
    """What the desk would make of a report, by the classifier that is in force. Stores nothing, and asks no one outside
    this process."""
    await learning.refresh(db)
    _version, weights = await WEIGHTS.in_force(db)
    found = await asyncio.to_thread(categorize_locally, description, title, weights=weights)
    return CategorizeOut(
        category=found.category,
        priority=Priority(found.priority),
        team=found.team,
        confidence=found.confidence,
        reasoning=found.reasoning,
        alternatives=[AlternativeOut(category=name, confidence=share) for name, share in found.alternatives],
    )


async def attach_categorisation(
    db: AsyncSession, who: Principal, ticket_id: int, *, found: Categorisation, overwrite: bool = False
) -> TicketOut:
    """Write a categorisation onto a ticket. What a person chose stays, unless `overwrite`; the confidence is noted."""
    tickets = TicketRepository(db, who)
    ticket = await tickets.get(ticket_id, lock=True)
    chosen = frozenset[str]() if overwrite else await Timeline(db, who).chosen(ticket_id, but=ACTION)
    wanted: dict[str, Any] = {
        name: getattr(found, name) for name in ("category", "priority", "team") if name not in chosen
    }
    wanted["confidence"] = found.confidence
    changes = {name: [getattr(ticket, name), value] for name, value in wanted.items() if getattr(ticket, name) != value}
    for name, value in wanted.items():
        setattr(ticket, name, value)
    ticket.touch()
    enter(db, ticket, who, ACTION, changes)
    outbox.add(
        db,
        TicketCategorised(
            ticket_id=ticket.id,
            category=ticket.category,
            priority=ticket.priority,
            team=ticket.team,
            confidence=found.confidence,
            timestamp=ticket.updated_at,
        ),
    )
    await db.flush()
    return await tickets.named(ticket)


async def categorise_once(db: AsyncSession, ticket_id: int, *, found: Categorisation) -> None:
    """As the desk itself, and only if nothing has categorised the ticket before: the task may come twice."""
    await TicketRepository(db, DESK).get(ticket_id, lock=True)
    if not await Timeline(db, DESK).has(ticket_id, ACTION):
        await attach_categorisation(db, DESK, ticket_id, found=found)
