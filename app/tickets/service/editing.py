"""Changing a ticket: who may change what, against which version, and what is told about it."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal, Role
from app.core.clock import now
from app.core.http import check_version
from app.models.ticket import ImpossibleTransition, Ticket, TicketStatus
from app.outbox import writer as outbox
from app.tickets.errors import StaffOnly, SupervisorOnly, TicketClosed, TransitionImpossible
from app.tickets.events import TicketAssigned, TicketDeleted, TicketUpdated
from app.tickets.repository import TicketRepository
from app.tickets.schemas import TicketEdit, TicketOut
from app.tickets.service.telling import enter, tell_status

Changes = dict[str, list[Any]]
"""[before, after] by field."""

EDITABLE = ("title", "description", "status", "priority", "category", "team", "tags", "assignee_id")
_CUSTOMERS_MAY = {"title", "description", "tags", "status"}
_CUSTOMERS_MOVES = {TicketStatus.RESOLVED, TicketStatus.CLOSED}
_DELETERS = {Role.SUPERVISOR, Role.ADMIN}


async def update(
    db: AsyncSession,
    who: Principal,
    ticket_id: int,
    *,
    edit: TicketEdit,
    if_match: str | None = None,
    whole: bool = False,
) -> TicketOut:
    """Apply an edit. `whole` says that it names every field (PUT), so that those a customer may not set are only
    refused when they differ; in a partial edit naming them is refused.

    Checked in this order: TicketMissing, StaffOnly, PreconditionFailed, TicketClosed, TransitionImpossible,
    AssigneeUnfit.
    An edit that changes nothing leaves version, timeline and outbox alone.
    """
    tickets = TicketRepository(db, who)
    ticket = await tickets.get(ticket_id, lock=True)
    current = {name: getattr(ticket, name) for name in EDITABLE}
    wanted: dict[str, Any] = dict(edit)
    changes: Changes = {name: [current[name], value] for name, value in wanted.items() if current[name] != value}
    if not who.is_staff:
        _check_customer(changes if whole else wanted, ticket, wanted)
    check_version(if_match, version=ticket.version, current=current, wanted=wanted)
    if not who.is_staff and ticket.is_closed and changes:
        raise TicketClosed
    if not changes:
        return await tickets.named(ticket)
    assignee = await _apply(tickets, ticket, changes)
    enter(db, ticket, who, _action(changes), changes)
    _tell(db, ticket, who, changes, assignee)
    await db.flush()
    return await tickets.named(ticket)


async def assign(
    db: AsyncSession, who: Principal, ticket_id: int, *, assignee_id: int | None, if_match: str | None = None
) -> TicketOut:
    """Give the ticket to an active member of the staff, or take it back with None."""
    return await update(db, who, ticket_id, edit={"assignee_id": assignee_id}, if_match=if_match)


async def change_status(
    db: AsyncSession, who: Principal, ticket_id: int, *, status: TicketStatus, if_match: str | None = None
) -> TicketOut:
    return await update(db, who, ticket_id, edit={"status": status}, if_match=if_match)


async def delete(db: AsyncSession, who: Principal, ticket_id: int, *, if_match: str | None = None) -> None:
    """Hide the ticket from everybody. Its rows stay, as does its timeline."""
    ticket = await TicketRepository(db, who).get(ticket_id, lock=True)
    if who.role not in _DELETERS:
        raise SupervisorOnly
    check_version(if_match, version=ticket.version, current={}, wanted={})
    ticket.deleted_at = now()
    ticket.touch()
    enter(db, ticket, who, "deleted", {})
    outbox.add(db, TicketDeleted(ticket_id=ticket.id, deleted_by=who.username, timestamp=ticket.updated_at))


def _check_customer(named: dict[str, Any], ticket: Ticket, wanted: dict[str, Any]) -> None:
    """Customers correct their own words, end their ticket or reopen a resolved one; the rest is for the desk to say."""
    refused = sorted(named.keys() - _CUSTOMERS_MAY)
    if refused:
        raise StaffOnly(f"Only the support staff may set {', '.join(refused)} of an existing ticket.")
    status = wanted.get("status", ticket.status)
    reopens = ticket.status == TicketStatus.RESOLVED and status == TicketStatus.OPEN
    if status != ticket.status and status not in _CUSTOMERS_MOVES and not reopens and not ticket.is_closed:
        raise StaffOnly("A customer may resolve or close a ticket, or reopen a resolved one.")


async def _apply(tickets: TicketRepository, ticket: Ticket, changes: Changes) -> str | None:
    """The name of a new assignee. Raises TransitionImpossible and AssigneeUnfit."""
    wanted = {name: new for name, (_, new) in changes.items()}
    if "status" in wanted:
        _move(ticket, TicketStatus(wanted.pop("status")))
    assignee_id = wanted.get("assignee_id")
    assignee = None if assignee_id is None else await tickets.assignable(assignee_id)
    for name, new in wanted.items():
        setattr(ticket, name, new)
    ticket.touch()
    return assignee


def _tell(db: AsyncSession, ticket: Ticket, who: Principal, changes: Changes, assignee: str | None) -> None:
    others = {name: new for name, (_, new) in changes.items() if name not in ("status", "assignee_id")}
    if others:
        edited = TicketUpdated(
            ticket_id=ticket.id,
            version=ticket.version,
            fields=list(others),
            changes=others,
            updated_by=who.username,
            timestamp=ticket.updated_at,
        )
        outbox.add(db, edited)
    if "status" in changes:
        tell_status(db, ticket, who, previous=changes["status"][0])
    if "assignee_id" in changes:
        assigned = TicketAssigned(
            ticket_id=ticket.id, assigned_to=assignee, assigned_by=who.username, timestamp=ticket.updated_at
        )
        outbox.add(db, assigned)


def _move(ticket: Ticket, status: TicketStatus) -> None:
    try:
        ticket.move_to(status)
    except ImpossibleTransition as error:
        raise TransitionImpossible(str(error)) from error


def _action(changes: dict[str, Any]) -> str:
    if changes.keys() == {"status"}:
        return "status_changed"
    if changes.keys() == {"assignee_id"}:
        return "assigned"
    return "updated"
