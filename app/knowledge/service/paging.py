"""Documents that are web pages: fetched by a worker, then read and indexed as files are.

A page that has not changed costs one request and nothing else: its server says so, or the digest of its bytes. What was
fetched before stays when a later look brings nothing.
"""

import asyncio
import hashlib
import uuid
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.core.clock import now
from app.core.errors import FieldError, Problem
from app.core.language import UNKNOWN
from app.core.resources import Resources, resources_of
from app.core.settings import KnowledgeSettings
from app.core.storage import StorageError, chunked
from app.files import service as files
from app.files.errors import StoreUnavailable
from app.files.service import Received, Slot, slot_in
from app.jobs import claims
from app.jobs import service as jobs
from app.jobs.service import Claim
from app.knowledge.errors import NoPage, PageAddressRefused
from app.knowledge.fetching import Page, PageRefused, fetch, problem_with
from app.knowledge.repository import DocumentRepository, stale_pages
from app.knowledge.schemas import DocumentOut, PageIn, SourceIn
from app.knowledge.service.documents import add_version, open_document, shown
from app.knowledge.service.indexing import give_up
from app.knowledge.service.uploading import add_source, check_readable
from app.models.job import JobState
from app.models.knowledge import Document, DocumentSource, DocumentStatus, WebPage

FETCHING = "knowledge.fetch"
TITLE_CHARS = 300
_NAMES = uuid.UUID("5d0f3c62-7a0e-4c0b-8f0d-3b1c9c1f2a77")
_UNDER_WAY = (JobState.QUEUED, JobState.RUNNING)
_ENDINGS = {"application/pdf": "pdf", "text/markdown": "md", "text/plain": "txt"}


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The page as it is known; without a digest nothing is."""

    url: str
    etag: str | None
    modified: str | None
    sha256: str | None


async def add_page(db: AsyncSession, who: Principal, *, page: PageIn) -> DocumentOut:
    """Version 1, to be fetched, read and indexed by workers. Raises PageAddressRefused."""
    resources = resources_of(db)
    options = KnowledgeSettings() if resources is None else resources.settings.knowledge
    problem = problem_with(page.url, options)
    if problem is not None:
        raise PageAddressRefused(errors=[FieldError(location=["body", "url"], message=problem, kind="value_error")])
    title = page.title or page.url[:TITLE_CHARS]
    row = await open_document(
        db,
        who,
        readers=page.acl.readers(),
        title=title,
        uri=page.url,
        language=page.language or UNKNOWN,
        digest="",
    )
    await add_version(db, row, "")
    job = jobs.create(db, kind=FETCHING, subject=str(row.id))
    await db.flush()
    row.job_id = job.id
    db.add(WebPage(document_id=row.id, url=page.url, title=page.title, language=page.language, job_id=job.id))
    await db.flush()
    await db.refresh(row)
    return await shown(db, who, row)


async def fetch_again(db: AsyncSession, who: Principal, document_id: uuid.UUID) -> DocumentOut:
    """Unless somebody is about to anyway. Raises DocumentMissing and NoPage."""
    row = await DocumentRepository(db, who).get(document_id, lock=True)
    page = await db.get(WebPage, document_id)
    if page is None:
        raise NoPage
    job = await jobs.find(db, page.job_id)
    if job is None or job.state not in _UNDER_WAY:
        made = jobs.create(db, kind=FETCHING, subject=str(document_id))
        await db.flush()
        page.job_id = made.id
        if row.status == DocumentStatus.FAILED:
            row.status, row.error, row.job_id = DocumentStatus.PENDING, None, made.id
            # What could not be read may be readable after an update of the desk: it is fetched whatever is known.
            page.etag = page.modified = page.sha256 = None
        await db.flush()
    return await shown(db, who, row)


async def look_at_pages(db: AsyncSession, *, hours: float | None) -> int:
    """A job for each page that was last looked at so long ago; how many. Run again, it makes none twice."""
    if hours is None:
        return 0
    made = 0
    for document_id, checked_at in await stale_pages(db, before=now() - timedelta(hours=hours)):
        job_id = uuid.uuid5(_NAMES, f"{document_id}:{checked_at}")
        if await jobs.create_missing(db, kind=FETCHING, subjects={job_id: str(document_id)}):
            page = await db.get(WebPage, document_id)
            if page is not None:
                page.job_id = job_id
            made += 1
    return made


async def fetch_page(resources: Resources, claim: Claim) -> None:
    """One look, and what comes of it. Raises ClaimLost."""
    document_id = uuid.UUID(claim.subject)
    async with resources.db.session() as db:
        wanted = await _wanted(db, document_id)
    if wanted is None:
        async with resources.db.unit_of_work() as db:
            await jobs.fail(db, claim, reason="The document is gone, or no web page any more.")
        return
    try:
        page = await fetch(wanted.url, resources.settings.knowledge, etag=wanted.etag, modified=wanted.modified)
        await _take(resources, claim, document_id, wanted, page)
    except PageRefused as refusal:
        async with resources.db.unit_of_work() as db:
            await _note_refusal(db, claim, document_id, refusal, most=resources.settings.jobs.max_attempts)
    except (StorageError, StoreUnavailable):
        raise
    except Problem as problem:
        async with resources.db.unit_of_work() as db:
            await _note_refusal(db, claim, document_id, PageRefused(problem.detail or problem.title), most=0)


async def give_up_page(db: AsyncSession, document_id: uuid.UUID, *, reason: str) -> None:
    """Nobody could fetch it, as often as it was tried: what was fetched before stays."""
    row = await _locked(db, document_id)
    page = await db.get(WebPage, document_id)
    if row is None or page is None:
        return
    page.error, page.checked_at = page.error or reason, now()
    await _fail_if_it_waits(db, row, page, page.error)


async def _take(resources: Resources, claim: Claim, document_id: uuid.UUID, wanted: _Wanted, page: Page | None) -> None:
    """The next version, unless the page is what it was. Its object is kept with the version, or goes."""
    async with slot_in(resources.storage) as slot:
        same = page is not None and await asyncio.to_thread(_digest, page.body) == wanted.sha256
        received = None if page is None or same else await _received(resources, page, slot)
        async with resources.db.unit_of_work() as db:
            await jobs.succeed(db, claim)
            # Before the commit: should that fail, nobody knows whether the version is there.
            slot.kept = await _keep(db, document_id, wanted, page, received)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def _received(resources: Resources, page: Page, slot: Slot) -> Received:
    received = await files.receive_bytes(
        resources.storage,
        resources.settings.files,
        chunked(page.body),
        slot,
        sent_name=f"page.{_ENDINGS.get(page.media_type, 'html')}",
        declared=page.media_type or None,
        ticket_id=None,
        started_at=now(),
    )
    check_readable(received)
    return received


async def _keep(
    db: AsyncSession, document_id: uuid.UUID, wanted: _Wanted, page: Page | None, received: Received | None
) -> bool:
    """Whether there is a new version."""
    row = await _locked(db, document_id)
    known = await db.get(WebPage, document_id)
    if row is None or known is None or (known.url, known.sha256) != (wanted.url, wanted.sha256):
        # Gone, or somebody else has stored what is newer.
        return False
    known.checked_at, known.error = now(), None
    if page is not None:
        known.etag, known.modified = page.etag, page.modified
    if page is None or received is None:
        return False
    known.sha256, known.fetched_at = received.sha256, known.checked_at
    about = SourceIn(title=known.title, uri=known.url, language=known.language)
    if await db.get(DocumentSource, (document_id, row.version)) is not None:
        row.version += 1
        await add_version(db, row, "")
    row.status, row.error, row.updated_at = DocumentStatus.PENDING, None, now()
    await add_source(db, row, received, about, url=page.url)
    return True


async def _locked(db: AsyncSession, document_id: uuid.UUID) -> Document | None:
    return (await db.execute(select(Document).where(Document.id == document_id).with_for_update())).scalar_one_or_none()


async def _wanted(db: AsyncSession, document_id: uuid.UUID) -> _Wanted | None:
    page = await db.get(WebPage, document_id)
    return None if page is None else _Wanted(page.url, page.etag, page.modified, page.sha256)


async def _note_refusal(
    db: AsyncSession, claim: Claim, document_id: uuid.UUID, refusal: PageRefused, *, most: int
) -> None:
    row = await _locked(db, document_id)
    page = await db.get(WebPage, document_id)
    if page is not None:
        page.checked_at, page.error = now(), refusal.reason
    await claims.end_attempt(db, claim, reason=refusal.reason, passing=refusal.passing, max_attempts=most)
    if not refusal.passing and row is not None and page is not None:
        await _fail_if_it_waits(db, row, page, refusal.reason)


async def _fail_if_it_waits(db: AsyncSession, row: Document, page: WebPage, reason: str) -> None:
    """A document that is pending for this fetch and nothing else: there is no other text on its way."""
    if row.job_id == page.job_id:
        await give_up(db, row.id, row.version, reason=reason)
