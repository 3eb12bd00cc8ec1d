"""What hangs on a mail becomes files like all others: the same limits, the same scan."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.conversations import service as conversations
from app.core.auth import Principal
from app.core.clock import now
from app.core.resources import Resources
from app.core.settings import FileSettings
from app.core.storage import chunked, discard
from app.core.telemetry import get_logger
from app.files import service as files
from app.files.errors import FileEmpty, FileMissing, FileTooLarge, FileTypeNotAllowed, QuotaExceeded
from app.files.filename import safe_filename
from app.files.service import Received, Slot
from app.mail import repository
from app.mail.parsing.attachment import Attachment
from app.models.mail import MailAttachment
from app.tickets.errors import TicketMissing
from app.tickets.service import DESK

log = get_logger(__name__)

UNNAMED = "attachment"
_REFUSALS = (FileEmpty, FileTooLarge, FileTypeNotAllowed)


@dataclass(slots=True)
class Held:
    """An attachment whose bytes are in the store, or why they are not. `added`: a file has them."""

    attachment: Attachment
    slot: Slot
    received: Received | None
    refused: str | None
    added: bool = False


async def hold(resources: Resources, attachments: Sequence[Attachment]) -> list[Held]:
    """Raises StoreUnavailable; what was stored by then is collected."""
    held = []
    for one in attachments:
        slot, received, refused = Slot(), None, None
        try:
            received = await files.receive_bytes(
                resources.storage,
                resources.settings.files,
                chunked(one.content),
                slot,
                sent_name=one.filename or UNNAMED,
                declared=one.media_type,
                ticket_id=None,
                started_at=now(),
            )
        except _REFUSALS as refusal:
            refused = refusal.detail
        held.append(Held(one, slot, received, refused))
    return held


async def add(
    db: AsyncSession, settings: FileSettings, who: Principal, mail_id: UUID, held: Sequence[Held]
) -> list[MailAttachment]:
    """As files of `who`, and rows that tie them to the mail."""
    rows = []
    for position, one in enumerate(held):
        file_id, refused = None, one.refused
        if one.received is not None:
            try:
                file_id = (await files.add(db, who, one.received, settings)).id
                one.added = True
            except QuotaExceeded as refusal:
                refused = refusal.detail
        rows.append(
            MailAttachment(
                mail_id=mail_id,
                position=position,
                filename=safe_filename(one.attachment.filename or UNNAMED),
                media_type=one.attachment.media_type,
                size=len(one.attachment.content),
                file_id=file_id,
                refused=refused,
            )
        )
    db.add_all(rows)
    await db.flush()
    return rows


async def let_go(resources: Resources, held: Sequence[Held]) -> None:
    """Remove the bytes that no file has. Only after a commit: what a failed one leaves behind is collected later."""
    keys = [one.slot.key for one in held if one.slot.key is not None and not one.added]
    await discard(resources.storage, keys)


async def hang(db: AsyncSession, session_id: UUID | None = None) -> int:
    """The files of a conversation's mails onto its ticket, once it has one; of all conversations without an id."""
    found = await repository.unhung(db, session_id)
    for one_session, file_id, ticket_id in found:
        who, _ = await conversations.customer_of(db, DESK, one_session)
        try:
            await files.attach(db, who, [file_id], ticket_id=ticket_id)
        except (FileMissing, TicketMissing) as gone:
            log.info("attachment_not_hung", file=str(file_id), reason=gone.code)
    return len(found)
