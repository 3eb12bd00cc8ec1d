"""The context of the next answer: what the memory holds, and from the messages whatever it does not hold yet."""

from uuid import UUID

from app.conversations import memory, repository
from app.conversations.memory import MemoryAway, Remembered, RememberedTurn
from app.conversations.repository import MessageRepository
from app.core.resources import Resources
from app.core.telemetry import get_logger
from app.grounding.outcome import Turn
from app.models.conversation import Conversation, Speaker
from app.tickets.service import DESK

log = get_logger(__name__)

TURNS_MOST = 20
_SPOKEN = (Speaker.CUSTOMER, Speaker.ASSISTANT, Speaker.AGENT)


async def before(resources: Resources, session_id: UUID, position: int) -> tuple[Turn, ...]:
    """The last turns before the message at `position`, oldest first."""
    known = await _recalled(resources, session_id)
    if known is None or known.position >= position:
        known = Remembered(0, "", ())
    turns = await _since(resources, session_id, known, until=position - 1)
    return tuple(Turn(role=turn.role, text=turn.text) for turn in turns)


async def keep(resources: Resources, message_id: UUID) -> None:
    """Bring the memory up to date. It may fail: then the next one does it, and meanwhile messages are read."""
    async with resources.db.session() as db:
        message = await repository.message(db, message_id)
        session = None if message is None else await db.get(Conversation, message.session_id)
    if session is None:
        return
    known = await _recalled(resources, session.id) or Remembered(0, "", ())
    turns = await _since(resources, session.id, known, until=session.messages)
    try:
        await memory.of(resources).remember(session.id, Remembered(session.messages, session.summary, turns))
    except MemoryAway as error:
        log.warning("memory_away", error=str(error))


async def _recalled(resources: Resources, session_id: UUID) -> Remembered | None:
    try:
        return await memory.of(resources).recall(session_id)
    except MemoryAway as error:
        log.warning("memory_away", error=str(error))
        return None


async def _since(
    resources: Resources, session_id: UUID, known: Remembered, *, until: int
) -> tuple[RememberedTurn, ...]:
    async with resources.db.session() as db:
        said = MessageRepository(db, DESK, session_id)
        rows = await said.all(until=until, after=known.position, newest=TURNS_MOST)
    newer = tuple(RememberedTurn(row.role, row.content) for row in rows if row.role in _SPOKEN)
    return (*known.turns, *newer)[-TURNS_MOST:]
