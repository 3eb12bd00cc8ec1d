"""Handing a conversation over to a person: ticket, evidence, clock and the word to the customer, in one transaction."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.conversations import repository
from app.conversations.errors import SessionResolved
from app.conversations.events import SessionEscalated
from app.conversations.matter import matter
from app.conversations.repository import ConversationRepository, MessageRepository
from app.conversations.schemas import EscalationOut
from app.conversations.service.recording import append, recap_of, tell_status
from app.conversations.summary import lead
from app.core.auth import Principal
from app.core.clock import now
from app.core.settings import ConversationSettings
from app.grounding.outcome import Reason
from app.models.base import uuid7
from app.models.conversation import Conversation, Escalation, Handling, Message, SessionStatus, Speaker
from app.models.ticket import Priority
from app.outbox import writer as outbox
from app.tickets import service as tickets
from app.tickets.schemas import CategorizeOut

TRANSCRIPT_MOST = 200
LEVEL = "conversation"
"""Who handed over, in the ticket's timeline."""
DESCRIPTION_CHARS = 60_000
_MESSAGE_CHARS = 4_000
_QUOTE_CHARS = 1_000

WHY = {
    Reason.NO_EVIDENCE: "I found nothing in our sources that answers this.",
    Reason.INSUFFICIENT_COVERAGE: "Our sources answer this only in part.",
    Reason.CONFLICTING_SOURCES: "Our sources contradict each other here.",
    Reason.MISSING_CITATIONS: "I could not show a source for every part of an answer.",
    Reason.UNSUPPORTED_CLAIM: "What I could have said is not fully supported by our sources.",
    Reason.LLM_ERROR: "Something went wrong while I looked for an answer.",
    Reason.POLICY: "This is something I may not answer by myself.",
    Reason.CUSTOMER_REQUEST: "You asked for a person.",
}


async def hand_over(
    db: AsyncSession, settings: ConversationSettings, who: Principal, session_id: UUID, *, event: str, note: str | None
) -> EscalationOut:
    """At somebody's wish. The same event hands over once. Raises SessionMissing and SessionResolved."""
    session = await ConversationRepository(db, who).get(session_id, lock=True)
    made = await escalate(db, settings, session, event=event, reason=Reason.CUSTOMER_REQUEST, note=note, by=who)
    return EscalationOut.of(made, who)


async def escalate(
    db: AsyncSession,
    settings: ConversationSettings,
    session: Conversation,
    *,
    event: str,
    reason: Reason,
    evidence: dict[str, Any] | None = None,
    question: Message | None = None,
    note: str | None = None,
    by: Principal | None = None,
    anew: bool = False,
) -> Escalation:
    """The caller holds the session's lock. A handover of before stands; its ticket is told of a new event.

    `anew`: the ticket of before takes no more, so another is opened. Raises SessionResolved.
    """
    known = await repository.escalation_of_event(db, session.id, event)
    if known is not None:
        return known
    if session.status == SessionStatus.RESOLVED:
        raise SessionResolved
    customer, _ = await repository.customer(db, session.customer_id)
    said = await MessageRepository(db, customer, session.id).all(newest=TRANSCRIPT_MOST)
    asked = [message for message in said if message.role == Speaker.CUSTOMER]
    about = matter(asked)
    # What was answered before is in the transcript; it is not what the ticket is about.
    left = [message.content for message in asked if about is not None and message.position >= about.position]
    words = "\n\n".join(left) or "A customer asks for a person."
    found = await tickets.categorize(db, description=words[:20_000])
    due_at = now() + timedelta(hours=due_hours(settings, found.priority))
    recap = recap_of(session)
    made = Escalation(
        session_id=session.id,
        event=event,
        reason=reason,
        note=note,
        summary=session.summary,
        transcript=[_spoken(message) for message in said],
        evidence={**(evidence or {}), **({} if recap is None else {"recap": recap.model_dump(mode="json")})},
        team=found.team,
        priority=found.priority,
        due_at=due_at,
        created_at=now(),
    )
    if session.ticket_id is not None and not anew:
        made.ticket_id = session.ticket_id
        report = "\n\n".join(part for part in (f"Again: {reason}.", note) if part)
        await tickets.note_escalation(db, session.ticket_id, level=LEVEL, team=found.team, report=report)
        db.add(made)
        await db.flush()
        return made
    title = lead(about.content) if about is not None else "A customer asks for a person"
    await _open_ticket(db, session, customer, made, title=title, by=by)
    told = _told(reason, made.ticket_id, found, due_at)
    await append(db, session, Speaker.SYSTEM, told, reason=reason, reply_to=question and question.id)
    tell_status(db, session)
    outbox.add(db, SessionEscalated(session_id=session.id, ticket_id=made.ticket_id, reason=reason))
    return made


async def _open_ticket(
    db: AsyncSession, session: Conversation, customer: Principal, made: Escalation, *, title: str, by: Principal | None
) -> None:
    """In the customer's name; what waited for an answer waits there from now on."""
    words, priority = described(session, made), Priority(made.priority)
    ticket = await tickets.create(db, customer, title=title, description=words, priority=priority, team=made.team)
    made.ticket_id = ticket.id
    db.add(made)
    session.escalate(ticket_id=ticket.id, reason=made.reason)
    await db.flush()
    report = _report(session, made, by)
    await tickets.note_escalation(db, ticket.id, level=LEVEL, team=made.team, report=report)
    for message in await MessageRepository(db, customer, session.id).waiting():
        message.handled_as = Handling.HANDED_OVER


def due_hours(settings: ConversationSettings, priority: Priority) -> float:
    hours: float = getattr(settings, f"due_hours_{priority.value}")
    return hours


def new_event() -> str:
    """A cause of its own, for a wish that came without a name."""
    return f"wish:{uuid7()}"


def _told(reason: Reason, ticket_id: int, found: CategorizeOut, due_at: datetime) -> str:
    return (
        f"{WHY[reason]} I have handed this over to a person ({found.team}), who will answer here by "
        f"{due_at:%Y-%m-%d %H:%M} UTC. Your ticket is number {ticket_id}; you can go on writing here."
    )


def described(session: Conversation, made: Escalation) -> str:
    """The ticket's text, for both sides: nothing in it that the customer has not seen or may not see."""
    parts = [made.summary or "No message yet.", "Conversation so far"]
    parts += [f"[{turn['at']}] {turn['role']}: {turn['content']}" for turn in made.transcript]
    passages = made.evidence.get("evidence") or []
    if passages:
        parts.append("Passages that were found")
        parts += [f"{number}. {_passage(passage)}" for number, passage in enumerate(passages, start=1)]
    parts.append(f"Reason: {made.reason}. Conversation {session.id} ({session.channel}).")
    return "\n\n".join(parts)[:DESCRIPTION_CHARS]


def _passage(passage: dict[str, Any]) -> str:
    place = f"{passage.get('title', '')}, version {passage.get('version', '?')}"
    uri = f" <{passage['uri']}>" if passage.get("uri") else ""
    text = str(passage.get("text") or passage.get("quote") or "")[:_QUOTE_CHARS]
    return f"{place}{uri}: {text}"


def _report(session: Conversation, made: Escalation, by: Principal | None) -> str:
    asked_by = f" Asked by {by.username}." if by is not None else ""
    note = f" {made.note}" if made.note else ""
    signals, recap = made.evidence.get("signals"), made.evidence.get("recap")
    return (
        f"Conversation {session.id} was handed over: {made.reason}.{asked_by}{note} Due {made.due_at.isoformat()}."
        + (f" Measured: {signals}." if signals else "")
        + (f"\n\nUp to message {recap['until']}, as {recap['model']} sums it up: {recap['text']}" if recap else "")
    )


def _spoken(message: Message) -> dict[str, Any]:
    return {
        "message_id": str(message.id),
        "role": message.role,
        "content": message.content[:_MESSAGE_CHARS],
        "at": message.created_at.isoformat(timespec="seconds"),
    }
