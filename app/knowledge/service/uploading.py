"""Documents sent as files: the bytes are kept, and a worker reads them before it makes them findable."""

import hashlib
from pathlib import PurePath
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.core.clock import now
from app.core.language import UNKNOWN
from app.files.errors import FileTypeNotAllowed
from app.files.service import Content, Received
from app.jobs import service as jobs
from app.knowledge.events import DocumentChanged
from app.knowledge.repository import DocumentRepository
from app.knowledge.schemas import DocumentOut, SourceIn
from app.knowledge.service.documents import admit, no_page, shown, shown_all, tell
from app.models.base import uuid7
from app.models.knowledge import Document, DocumentSource, DocumentStatus, DocumentVersion

READING = "knowledge.extract"
READABLE = frozenset({"document", "text"})


async def upload(db: AsyncSession, who: Principal, *, received: Received, about: SourceIn) -> DocumentOut:
    """Version 1, to be read and indexed by a worker. Raises FileTypeNotAllowed."""
    check_readable(received)
    row = Document(
        id=uuid7(),
        title=_title(received, about),
        uri=about.uri,
        language=about.language or UNKNOWN,
        readers=about.acl.readers(),
        status=DocumentStatus.PENDING,
        version=1,
        digest=_digest(received, about),
        created_by=who.user_id or None,
    )
    db.add(row)
    await db.flush()
    await _add_version(db, row, received, about)
    await db.refresh(row)
    return await shown(db, who, row)


async def replace_source(
    db: AsyncSession, who: Principal, document_id: UUID, *, received: Received, about: SourceIn
) -> tuple[DocumentOut, bool]:
    """A new version, and True; unless bytes, title, address and language are what they were: that costs nothing.

    Who may read it is changed at once. Those who cited it are told when the text is there. Raises FileTypeNotAllowed.
    """
    check_readable(received)
    row = await DocumentRepository(db, who).get(document_id, lock=True)
    digest = _digest(received, about)
    # What could not be read may be readable after an update of the desk.
    anew = row.digest != digest or row.status == DocumentStatus.FAILED
    if await admit(db, row, about.acl.readers()):
        tell(db, DocumentChanged(document_id=row.id, version=row.version, timestamp=now()))
    if anew:
        await no_page(db, row)
        row.title, row.uri, row.digest = _title(received, about), about.uri, digest
        row.language = about.language or row.language
        row.version += 1
        row.status, row.error, row.updated_at = DocumentStatus.PENDING, None, now()
        await db.flush()
        await _add_version(db, row, received, about)
    return (await shown_all(db, who, [row]))[0], anew


async def source(db: AsyncSession, who: Principal, document_id: UUID, version: int) -> Content:
    """The file as it was sent. Raises DocumentMissing."""
    row = await DocumentRepository(db, who).source(document_id, version)
    return Content(row.storage_key, row.filename, row.file_type, row.file_size, row.sha256)


def check_readable(received: Received) -> None:
    if received.content.group not in READABLE:
        raise FileTypeNotAllowed("A document is a PDF, an Office file, HTML, Markdown or text.")


async def _add_version(db: AsyncSession, row: Document, received: Received, about: SourceIn) -> None:
    db.add(
        DocumentVersion(
            document_id=row.id, version=row.version, title=row.title, uri=row.uri, language=row.language, text=""
        )
    )
    await db.flush()
    await add_source(db, row, received, about)


async def add_source(
    db: AsyncSession, row: Document, received: Received, about: SourceIn, *, url: str | None = None
) -> None:
    """The newest version's bytes, to be read by a worker."""
    db.add(
        DocumentSource(
            document_id=row.id,
            version=row.version,
            storage_key=received.key,
            filename=received.filename,
            file_type=received.content.mime,
            kind=received.content.group,
            format=received.content.label,
            file_size=received.size,
            sha256=received.sha256,
            title=about.title,
            language=about.language,
            url=url,
        )
    )
    job = jobs.create(db, kind=READING, subject=f"{row.id}:{row.version}")
    await db.flush()
    row.job_id = job.id
    await db.flush()


def _title(received: Received, about: SourceIn) -> str:
    return about.title or PurePath(received.filename).stem[:300] or received.filename[:300]


def _digest(received: Received, about: SourceIn) -> str:
    parts = "\x00".join(("file", received.sha256, about.title or "", about.uri or "", about.language or ""))
    return hashlib.sha256(parts.encode()).hexdigest()
