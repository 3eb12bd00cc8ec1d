"""A customer's turn: an answer, a handover, or the way to the ticket. One message after the other, each once.

The job is settled in the transaction that stores what came of it, so a killed worker's turn is taken by another one,
and a worker that comes late stores nothing.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol
from uuid import UUID

from pydantic_core import to_jsonable_python
from sqlalchemy.ext.asyncio import AsyncSession

from app.conversations import repository
from app.conversations.service import remembering
from app.conversations.service.escalating import escalate
from app.conversations.service.recording import append
from app.conversations.service.saying import see_to_next
from app.conversations.wishes import wants_person
from app.core.auth import Principal
from app.core.resources import Resources
from app.core.settings import ConversationSettings
from app.core.telemetry import correlation_id, get_logger
from app.grounding import service as grounding
from app.grounding.outcome import SUMMARY, Answer, Reason, Refusal, Turn
from app.jobs import claims
from app.jobs import service as jobs
from app.jobs.service import Claim
from app.knowledge import service as knowledge
from app.models.conversation import Conversation, Handling, Message, MessageCitation, SessionStatus, Speaker
from app.tickets import service as tickets
from app.tickets.errors import TicketClosed, TicketMissing

log = get_logger(__name__)


class Answerer(Protocol):
    """`app.grounding.service.answer`."""

    def __call__(
        self, resources: Resources, who: Principal, question: str, *, context: Sequence[Turn] = ()
    ) -> Awaitable[Answer | Refusal]: ...


@dataclass(frozen=True, slots=True)
class _Question:
    session_id: UUID
    text: str
    who: Principal
    active: bool
    context: tuple[Turn, ...]


async def take_turn(resources: Resources, job_id: UUID, *, answer: Answerer = grounding.answer) -> None:
    """Nothing happens when another worker has it, or it is done. Raises ClaimLost."""
    async with claims.hold(resources, job_id) as claim:
        if claim is None:
            return
        message_id = UUID(claim.subject)
        question = await _question(resources, message_id)
        with knowledge.watching() as searches:
            outcome = None if question is None else await _outcome(resources, question, claim, answer)
        async with resources.db.unit_of_work() as db:
            await jobs.succeed(db, claim)
            await _settle(db, resources.settings.conversations, message_id, outcome)
    if question is not None:
        await knowledge.keep_searches(resources, question.who, searches)
    await remembering.keep(resources, message_id)


async def give_up(resources: Resources, message_id: UUID) -> None:
    """Nobody could answer, as often as it was tried: a person has to. Nothing happens when it was dealt with."""
    async with resources.db.unit_of_work() as db:
        await _settle(db, resources.settings.conversations, message_id, _nothing(Reason.LLM_ERROR))


async def _question(resources: Resources, message_id: UUID) -> _Question | None:
    """None when there is nothing to answer: it was dealt with, or the conversation is with a person."""
    async with resources.db.session() as db:
        message = await repository.message(db, message_id)
        if message is None or message.handled_as is not None:
            return None
        session = await db.get(Conversation, message.session_id)
        if session is None or session.status != SessionStatus.OPEN:
            return None
        who, active = await repository.customer(db, session.customer_id)
        who = replace(who, proven=not message.unproven)
        recap = session.recap_text if session.recap_until < message.position else ""
    context = await remembering.before(resources, session.id, message.position)
    if recap:
        context = (Turn(role=SUMMARY, text=recap), *context)
    return _Question(session.id, message.content, who, active, context)


async def _outcome(resources: Resources, question: _Question, claim: Claim, answer: Answerer) -> Answer | Refusal:
    if not question.active:
        return _nothing(Reason.POLICY)
    if wants_person(question.text):
        return _nothing(Reason.CUSTOMER_REQUEST)
    try:
        async with asyncio.timeout(resources.settings.conversations.answer_seconds):
            return await answer(resources, question.who, question.text, context=question.context)
    except Exception as error:
        if claim.attempt < resources.settings.jobs.max_attempts:
            raise
        # The last attempt: fail closed, here and now. Only its type: a message may repeat a customer's words.
        log.warning("answer_given_up", session=str(question.session_id), error=type(error).__name__)
        return _nothing(Reason.LLM_ERROR)


def _nothing(reason: Reason) -> Refusal:
    return Refusal(reason=reason, signals=None, evidence=(), model="", thresholds_version=0)


async def _settle(
    db: AsyncSession, settings: ConversationSettings, message_id: UUID, outcome: Answer | Refusal | None
) -> None:
    asked = await repository.message(db, message_id)
    if asked is None:
        return
    session = await repository.locked(db, asked.session_id)
    question = await repository.message(db, message_id)
    if question is None or question.handled_as is not None:
        return
    who, _ = await repository.customer(db, session.customer_id)
    if session.status == SessionStatus.RESOLVED:
        question.handled_as = Handling.CLOSED
    elif session.status == SessionStatus.ESCALATED:
        await _forward(db, settings, who, session, question)
    elif isinstance(outcome, Answer):
        await _send(db, session, question, outcome)
    elif isinstance(outcome, Refusal):
        evidence = _evidence(question, outcome)
        await escalate(
            db,
            settings,
            session,
            event=f"message:{question.id}",
            reason=outcome.reason,
            evidence=evidence,
            question=question,
        )
    await see_to_next(db, who, session)


async def _send(db: AsyncSession, session: Conversation, question: Message, found: Answer) -> None:
    said = await append(
        db,
        session,
        Speaker.ASSISTANT,
        found.text,
        reply_to=question.id,
        signals={**_plain(found.signals), "correlation_id": correlation_id.get()},
        model=found.model,
        thresholds_version=found.thresholds_version,
    )
    db.add_all(
        MessageCitation(
            message_id=said.id,
            sentence=number,
            document_id=cited.document_id,
            version=cited.version,
            chunk_id=str(cited.chunk_id),
            start=cited.start,
            end=cited.end,
            title=cited.title,
            uri=cited.uri,
            quote=cited.quote,
        )
        for number, sentence in enumerate(found.sentences)
        for cited in sentence.citations
    )
    question.handled_as = Handling.ANSWERED
    await db.flush()


async def _forward(
    db: AsyncSession, settings: ConversationSettings, who: Principal, session: Conversation, question: Message
) -> None:
    """Onto the ticket; onto a new one when the old one has ended meanwhile."""
    assert session.ticket_id is not None  # noqa: S101 - a table's constraint
    try:
        comment = await tickets.comment(db, who, session.ticket_id, body=question.content)
    except (TicketClosed, TicketMissing):
        await escalate(
            db,
            settings,
            session,
            event=f"message:{question.id}",
            reason=Reason.CUSTOMER_REQUEST,
            question=question,
            anew=True,
        )
        return
    question.comment_id, question.handled_as = comment.id, Handling.FORWARDED
    await db.flush()


def _evidence(question: Message, refusal: Refusal) -> dict[str, Any]:
    return {
        "question": question.content,
        "message_id": str(question.id),
        "signals": _plain(refusal.signals),
        "evidence": _plain(refusal.evidence),
        "model": refusal.model,
        "thresholds_version": refusal.thresholds_version,
        # The searches behind it: GET /knowledge/searches?correlation_id=…
        "correlation_id": correlation_id.get(),
    }


def _plain(value: Any) -> Any:
    return to_jsonable_python(value, inf_nan_mode="null", fallback=str)
