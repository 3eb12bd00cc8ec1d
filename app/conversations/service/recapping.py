"""A model's summary of what lies before the last messages of a long conversation.

Nobody waits for it: the summary by extraction is there at once and stays. A recap covers the messages up to a
position; the next one is made of it and of those that came after. It is stored with the end of its job, and only if
none was stored or forgotten since that began to read: nothing is summed up twice, nothing late replaces what is newer.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.agents import service as agents
from app.agents.errors import RunFailure
from app.conversations import repository
from app.conversations.repository import MessageRepository
from app.core.auth import Principal
from app.core.resources import Resources, resources_of
from app.core.settings import ConversationSettings
from app.core.telemetry import get_logger
from app.inference.assembly import ResolveModel
from app.inference.registry import resolve as resolve_model
from app.jobs import claims
from app.jobs import service as jobs
from app.models.conversation import Conversation, Speaker

log = get_logger(__name__)

RECAP = "conversation.recap"
MESSAGES_MOST = 60
"""In one recap; what is left over is the next job's."""
MESSAGE_CHARS = 2_000


@dataclass(frozen=True, slots=True)
class _Part:
    """What was not summed up yet, up to position `until`, and what the conversation's recap was then."""

    session_id: UUID
    who: Principal
    before: str
    revision: int
    until: int
    messages: list[dict[str, str]]


def see_to_recap(db: AsyncSession, session: Conversation) -> None:
    """After each message, under the session's lock: a job whenever there are so many more beyond the window."""
    resources = resources_of(db)
    if resources is not None:
        options = resources.settings.conversations
        beyond = session.messages - options.recap_window
        if beyond > 0 and beyond % options.recap_every == 0:
            _begin(db, session)


def forget_recap(db: AsyncSession, session: Conversation) -> None:
    """Something it was made of is no longer to be known; a new one is made. The caller holds the session's lock."""
    began = session.recap_text != ""
    session.sum_up("", until=0, model=None, config=None)
    if began:
        _begin(db, session)


async def recap(resources: Resources, job_id: UUID, *, resolve: ResolveModel = resolve_model) -> None:
    """Nothing happens when another worker has it, or it is done. Raises ClaimLost, and RunFailure for what may pass."""
    async with claims.hold(resources, job_id) as claim:
        if claim is None:
            return
        options = resources.settings.conversations
        part = await _part(resources, options, UUID(claim.subject))
        try:
            made = (
                None
                if part is None
                else await agents.summarize(
                    resources, part.who, before=part.before, messages=part.messages, resolve=resolve
                )
            )
        except RunFailure as failure:
            if failure.passing:
                raise
            # Only its type: a reason may repeat a customer's words.
            log.warning("recap_failed", session=claim.subject, error=type(failure.__cause__ or failure).__name__)
            async with resources.db.unit_of_work() as db:
                await jobs.fail(db, claim, reason=failure.reason)
            return
        async with resources.db.unit_of_work() as db:
            await jobs.succeed(db, claim)
            if part is not None and made is not None:
                await _keep(db, options, part, made)


async def _part(resources: Resources, options: ConversationSettings, session_id: UUID) -> _Part | None:
    """None when there is nothing to sum up."""
    async with resources.db.session() as db:
        session = await db.get(Conversation, session_id)
        if session is None:
            return None
        until = min(session.messages - options.recap_window, session.recap_until + MESSAGES_MOST)
        if until <= session.recap_until:
            return None
        who, _ = await repository.customer(db, session.customer_id)
        rows = await MessageRepository(db, who, session.id).all(until=until, after=session.recap_until)
        messages = [
            {"role": row.role, "content": row.content[:MESSAGE_CHARS]} for row in rows if row.role != Speaker.SYSTEM
        ]
        return _Part(session.id, who, session.recap_text, session.recap_revision, until, messages)


async def _keep(db: AsyncSession, options: ConversationSettings, part: _Part, made: agents.Summary) -> None:
    session = await repository.locked(db, part.session_id)
    if session.recap_revision != part.revision:
        return
    session.sum_up(made.text, until=part.until, model=made.model, config=made.config_version)
    if session.messages - options.recap_window - part.until >= options.recap_every:
        _begin(db, session)


def _begin(db: AsyncSession, session: Conversation) -> None:
    jobs.create(db, kind=RECAP, subject=str(session.id))
