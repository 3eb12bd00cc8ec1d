"""Documents sent as files: the bytes are kept, and a worker reads them before it makes them findable."""

from pathlib import PurePath
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.core.clock import now
from app.core.language import UNKNOWN
from app.files.errors import FileTypeNotAllowed
from app.files.service import Content, Received
from app.knowledge.events import DocumentChanged
from app.knowledge.repository import DocumentRepository
from app.knowledge.schemas import DocumentOut, SourceIn
from app.knowledge.service.documents import (
    add_version,
    admit,
    begin,
    digest_of,
    open_document,
    shown,
    shown_all,
    supersede,
    tell,
)
from app.models.knowledge import Document, DocumentSource, DocumentStatus

READING = "knowledge.extract"
READABLE = frozenset({"document", "text"})


async def upload(db: AsyncSession, who: Principal, *, received: Received, about: SourceIn) -> DocumentOut:
    """Version 1, to be read and indexed by a worker. Raises FileTypeNotAllowed."""
    check_readable(received)
    row = await open_document(
        db,
        who,
        readers=about.acl.readers(),
        title=_title(received, about),
        uri=about.uri,
        language=about.language or UNKNOWN,
        digest=_digest(received, about),
    )
    await add_version(db, row, "")
    await add_source(db, row, received, about)
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
        language = about.language or row.language
        await supersede(db, row, title=_title(received, about), uri=about.uri, language=language, digest=digest)
        await add_version(db, row, "")
        await add_source(db, row, received, about)
    return (await shown_all(db, who, [row]))[0], anew


async def source(db: AsyncSession, who: Principal, document_id: UUID, version: int) -> Content:
    """The file as it was sent. Raises DocumentMissing."""
    row = await DocumentRepository(db, who).source(document_id, version)
    return Content(row.storage_key, row.filename, row.file_type, row.file_size, row.sha256)


def check_readable(received: Received) -> None:
    if received.content.group not in READABLE:
        raise FileTypeNotAllowed("A document is a PDF, an Office file, HTML, Markdown or text.")


async def add_source(
    db: AsyncSession, row: Document, received: Received, about: SourceIn, *, url: str | None = None
) -> None:
    """The newest version's bytes, to be read by a worker."""
    db.add(
        DocumentSource(
            document_id=row.id,
            version=row.version,
            format=received.content.label,
            title=about.title,
            language=about.language,
            url=url,
            **received.columns(),
        )
    )
    await begin(db, row, READING)


def _title(received: Received, about: SourceIn) -> str:
    return about.title or PurePath(received.filename).stem[:300] or received.filename[:300]


def _digest(received: Received, about: SourceIn) -> str:
    return digest_of("file", received.sha256, about.title, about.uri, about.language)
