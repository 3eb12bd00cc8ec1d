"""What is said to a customer by mail: a row and a job for each message, then an attempt until it is out.

A mail that was handed over and whose answer was lost, or whose worker was killed before it could say so, is sent again
under the same Message-ID: rather twice than never.
"""

from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.conversations import service as conversations
from app.core.clock import now
from app.core.resources import Resources
from app.core.settings import Settings
from app.jobs import claims
from app.jobs import service as jobs
from app.jobs.service import Claim
from app.mail import repository
from app.mail.composing import chain, composed, replying
from app.mail.tokens import Tokens
from app.mail.transports import open_transport
from app.mail.transports.base import Refused, Transport, TransportFault
from app.models.base import uuid7
from app.models.mail import SentMail, SentState
from app.tickets.service import DESK

SEND = "mail.send"


async def put_on_way(db: AsyncSession, settings: Settings, said_id: UUID) -> bool:
    """A row and a job for a message that is to go out; once, however often it is asked for."""
    said = await repository.outward(db, said_id)
    thread = None if said is None else await repository.thread(db, said.session_id)
    if said is None or thread is None or settings.mail.address is None:
        return False
    answered = await repository.answered_mail(db, said.session_id, said)
    sent_id = uuid7()
    job = jobs.create(db, kind=SEND, subject=str(sent_id), start=False)
    await db.flush()
    subject = thread.subject if answered is None else answered.subject or thread.subject
    last = None if answered is None else answered.message_id
    headers = {
        "subject": replying(subject),
        "in_reply_to": last,
        "references": chain([] if answered is None else answered.references, last),
    }
    added = await db.execute(
        insert(SentMail)
        .values(
            id=sent_id,
            session_id=said.session_id,
            said_id=said.id,
            job_id=job.id,
            message_id=Tokens(settings).message_id(said.session_id, said.id),
            to_address=thread.address,
            headers=headers,
            state=SentState.QUEUED,
            created_at=now(),
        )
        .on_conflict_do_nothing(index_elements=["said_id"])
        .returning(SentMail.id)
    )
    if added.one_or_none() is None:
        await db.delete(job)
        return False
    return await jobs.dispatch(db, job.id)


async def send(resources: Resources, job_id: UUID, *, transport: Transport | None = None) -> None:
    """Raises ClaimLost."""
    async with claims.hold(resources, job_id) as claim:
        if claim is None:
            return
        async with resources.db.unit_of_work() as db:
            row = await repository.sent_of_job(db, job_id)
            if row is None or row.state != SentState.QUEUED:
                await jobs.succeed(db, claim)
                return
            row.tries += 1
            said = await conversations.message(db, DESK, row.said_id)
        headers: dict[str, Any] = row.headers
        settings = resources.settings
        try:
            message = composed(
                said,
                settings.mail,
                recipient=row.to_address,
                reply_to=Tokens(settings).reply_address(row.session_id),
                message_id=row.message_id,
                subject=headers["subject"],
                in_reply_to=headers["in_reply_to"],
                references=headers["references"],
                at=row.created_at,
            )
        except (ValueError, UnicodeError) as error:
            await _failed(resources, claim, Refused(f"No mail can be written to this address ({error})."))
            return
        try:
            await (transport or open_transport(settings)).send(
                message, sender=settings.mail.address or "", recipient=row.to_address, name=row.id.hex
            )
        except TransportFault as fault:
            await _failed(resources, claim, fault)
            return
        async with resources.db.unit_of_work() as db:
            await jobs.succeed(db, claim)
            if (row := await repository.sent_of_job(db, job_id)) is not None:
                row.state, row.sent_at, row.error = SentState.SENT, now(), None


async def give_up(db: AsyncSession, job_id: UUID, *, reason: str) -> None:
    row = await repository.sent_of_job(db, job_id)
    if row is not None and row.state == SentState.QUEUED:
        row.state, row.error = SentState.FAILED, row.error or reason


async def _failed(resources: Resources, claim: Claim, fault: TransportFault) -> None:
    async with resources.db.unit_of_work() as db:
        row = await repository.sent_of_job(db, claim.job_id)
        refused, most = isinstance(fault, Refused), resources.settings.jobs.max_attempts
        await claims.end_attempt(db, claim, reason=fault.reason, passing=not refused, max_attempts=most)
        if row is not None:
            row.error = fault.reason
            if refused:
                row.state = SentState.FAILED
