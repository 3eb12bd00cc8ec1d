"""The text of a document that was sent as a file: stored once with its version, then handed on to be indexed."""

from dataclasses import dataclass
from pathlib import PurePath
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import now
from app.core.language import language_of
from app.files.content_type import ContentType
from app.files.recognition.result import Recognition
from app.files.signatures import Group
from app.jobs import service as jobs
from app.jobs.service import Claim
from app.knowledge.events import DocumentChanged
from app.knowledge.schemas import MAX_TEXT
from app.knowledge.service.documents import JOB_KIND, begin, tell
from app.knowledge.service.indexing import give_up, subject_of
from app.models.knowledge import Document, DocumentSource, DocumentVersion

TITLE_CHARS = 300
NOTHING = "There is no text in it."


@dataclass(frozen=True, slots=True)
class Reading:
    """Where the bytes are and what they are."""

    key: str
    content: ContentType


async def begin_reading(db: AsyncSession, claim: Claim) -> Reading | None:
    """None when the document is gone; then the job is settled. Raises ClaimLost."""
    document_id, version = subject_of(claim)
    row = await db.get(DocumentSource, (document_id, version))
    if row is None:
        await jobs.fail(db, claim, reason="The document was deleted.")
        return None
    group: Group = row.kind  # type: ignore[assignment] # written by `uploading` from a ContentType
    return Reading(row.storage_key, ContentType(row.file_type, row.format, group, False, ""))


async def take_text(db: AsyncSession, claim: Claim, recognition: Recognition) -> None:
    """Store what was read and have it indexed, or neither. Raises ClaimLost."""
    document_id, number = subject_of(claim)
    document = await _locked(db, document_id)
    source = await db.get(DocumentSource, (document_id, number))
    version = await db.get(DocumentVersion, (document_id, number))
    if document is None or source is None or version is None:
        await jobs.fail(db, claim, reason="The document was deleted.")
        return
    text = recognition.text[:MAX_TEXT].replace("\x00", " ")
    if not text.strip():
        await fail_reading(db, claim, reason=NOTHING)
        return
    version.text = text
    version.title = source.title or _title(recognition, text, source.filename)
    version.language = source.language or language_of(text)
    if document.version == number:
        document.title, document.language, document.updated_at = version.title, version.language, now()
        await begin(db, document, JOB_KIND)
        if number > 1:
            tell(db, DocumentChanged(document_id=document_id, version=number, timestamp=now()))
    await jobs.succeed(db, claim)


async def fail_reading(db: AsyncSession, claim: Claim, *, reason: str) -> None:
    """For good. What was found before still is. Raises ClaimLost."""
    document_id, version = subject_of(claim)
    await give_up(db, document_id, version, reason=reason)
    await jobs.fail(db, claim, reason=reason)


async def _locked(db: AsyncSession, document_id: UUID) -> Document | None:
    return (await db.execute(select(Document).where(Document.id == document_id).with_for_update())).scalar_one_or_none()


def _title(recognition: Recognition, text: str, filename: str) -> str:
    """What the file calls itself, else its first heading or line if that is one, else its name."""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "").lstrip("# ").rstrip("# ")
    own = " ".join(str(recognition.metadata.get("title") or "").split())
    for title in (own, first):
        if 0 < len(title) <= TITLE_CHARS:
            return title
    return PurePath(filename).stem[:TITLE_CHARS] or filename[:TITLE_CHARS]
