"""HTTP for documents and what is found in them: translation only."""

import hashlib
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, BackgroundTasks, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from app.accounts.authentication import AdminUser, CurrentUser, StaffUser
from app.core.db import ReadSession, WriteSession
from app.core.errors import Forbidden, Invalid, RateLimited, TooLarge, Unauthenticated, Unavailable, documented
from app.core.http import API_PREFIX
from app.core.idempotency import (
    FormRoute,
    IdempotencyConflict,
    IdempotencyKeyInvalid,
    IdempotentRoute,
    streams_body,
)
from app.core.pagination import BadCursor, Cursor, Limit, link_next
from app.core.resources import Res, Resources
from app.core.schemas import Text
from app.files import service as files
from app.files.errors import (
    ContentMissing,
    FileEmpty,
    FileFieldMissing,
    FileTooLarge,
    FileTypeNotAllowed,
    MultipartMalformed,
    StoreUnavailable,
)
from app.files.receiving import UploadSlot, form_of, keep_on_commit
from app.files.service import Received, Slot
from app.files.serving import as_attachment
from app.hosted.reranking import reranker_for
from app.inference.errors import UnknownModel
from app.knowledge import service as knowledge
from app.knowledge.errors import DocumentMissing, EmbedderInUse, NoPage, NothingEmbedded, PageAddressRefused
from app.knowledge.forms import FORM_SCHEMA, described
from app.knowledge.schemas import (
    ChunkOut,
    DocumentIn,
    DocumentOut,
    DocumentVersionOut,
    EmbedderIn,
    EmbedderOut,
    Evidence,
    PageIn,
    SearchRecordOut,
    SearchRecordQuery,
    SourceIn,
    Uri,
)

router = APIRouter(
    route_class=IdempotentRoute,
    prefix="/knowledge",
    tags=["knowledge"],
    responses=documented(Unauthenticated, RateLimited),
)

_ONE = documented(DocumentMissing, Invalid)
_SENT = (
    FileTypeNotAllowed,
    FileEmpty,
    FileFieldMissing,
    MultipartMalformed,
    TooLarge,
    FileTooLarge,
    Invalid,
    StoreUnavailable,
)
"""How a document may be wrong that comes as JSON or as a form."""
_OR_FORM = {"requestBody": {"content": {"multipart/form-data": {"schema": FORM_SCHEMA}}}}
VersionNumber = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.get("/search", responses=documented(Invalid, Unavailable))
async def search(
    q: Annotated[Text, Query(min_length=1, max_length=4000)],
    who: CurrentUser,
    db: ReadSession,
    resources: Res,
    background: BackgroundTasks,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=50)] = 5,
) -> list[Evidence]:
    """Passages that may answer, best first, by words and by meaning, among what one may see. While the embedder or
    the index of vectors gives no answer they are found by their words alone, and `Search-Without` names it."""
    with knowledge.watching() as seen:
        found = await knowledge.find(db, who, query=q, limit=limit, reranker=reranker_for(resources, who))
    background.add_task(knowledge.keep_searches, resources, who, seen)
    if found.without_vectors is not None:
        response.headers["Search-Without"] = found.without_vectors
    return found.evidence


@router.get("/searches", responses=documented(Forbidden, Invalid, BadCursor))
async def list_searches(
    asked: Annotated[SearchRecordQuery, Query()], who: AdminUser, db: ReadSession, request: Request, response: Response
) -> list[SearchRecordOut]:
    """How searches went, newest first: what was asked, by whom, what was found with which scores, how long it took. For
    administrators; kept for days."""
    page = await knowledge.list_searches(db, who, asked=asked)
    link_next(request, response, page.next_cursor)
    return list(page.rows)


@streams_body
async def upload_document(
    who: StaffUser, slot: UploadSlot, resources: Res, db: WriteSession, request: Request, response: Response
) -> DocumentOut:
    """The body goes straight to the store; a worker scans, reads and indexes it: see `status`, `stage`, `progress`."""
    received, about = await _received(request, resources, slot)
    document = await knowledge.upload(db, who, received=received, about=about)
    keep_on_commit(db, slot)
    response.headers["Location"] = f"{request.url.path}/{document.doc_id}"
    return document


async def replace_with_file(
    doc_id: UUID, who: StaffUser, slot: UploadSlot, resources: Res, db: WriteSession, request: Request
) -> DocumentOut:
    """The next version, unless bytes and description are those of before."""
    received, about = await _received(request, resources, slot)
    document, anew = await knowledge.replace_source(db, who, doc_id, received=received, about=about)
    if anew:
        keep_on_commit(db, slot)
    return document


async def _received(request: Request, resources: Resources, slot: Slot) -> tuple[Received, SourceIn]:
    settings = resources.settings.files
    form = form_of(request, settings)
    received, given = await files.receive_form(
        resources.storage, settings, form, slot, fields=dict.fromkeys(SourceIn.model_fields, str)
    )
    request.state.content_digest = hashlib.sha256(received.digest() + repr(sorted(given.items())).encode()).digest()
    return received, described(given)


# Before the routes for JSON, which take whatever is no form.
_AS_FORM: dict[str, Any] = {"include_in_schema": False, "route_class_override": FormRoute}
router.add_api_route("/documents", upload_document, methods=["POST"], status_code=201, **_AS_FORM)
router.add_api_route("/documents/{doc_id}", replace_with_file, methods=["PUT"], **_AS_FORM)


@router.post(
    "/documents",
    status_code=201,
    openapi_extra=_OR_FORM,
    responses=documented(Forbidden, IdempotencyKeyInvalid, IdempotencyConflict, *_SENT),
)
async def add_document(
    body: DocumentIn, who: StaffUser, db: WriteSession, request: Request, response: Response
) -> DocumentOut:
    """As JSON, or as a form with a file. Stored at once, searchable as soon as a worker has read and indexed it: see
    `status`."""
    document = await knowledge.create(db, who, document=body)
    response.headers["Location"] = f"{request.url.path}/{document.doc_id}"
    return document


@router.post(
    "/pages",
    status_code=201,
    responses=documented(Forbidden, PageAddressRefused, TooLarge, Invalid, IdempotencyKeyInvalid, IdempotencyConflict),
)
async def add_page(body: PageIn, who: StaffUser, db: WriteSession, response: Response) -> DocumentOut:
    """A document that is fetched from the web by a worker, then read and indexed: see `status`, and `page` for what the
    last look found. Its address is what citations show."""
    document = await knowledge.add_page(db, who, page=body)
    response.headers["Location"] = f"{API_PREFIX}/knowledge/documents/{document.doc_id}"
    return document


@router.post(
    "/documents/{doc_id}/fetch",
    status_code=202,
    responses=documented(Forbidden, DocumentMissing, NoPage, Invalid, IdempotencyKeyInvalid, IdempotencyConflict),
)
async def fetch_again(doc_id: UUID, who: StaffUser, db: WriteSession) -> DocumentOut:
    """Look at its web page again. A new version only if the page has changed; until it is indexed, the one before is
    found."""
    return await knowledge.fetch_again(db, who, doc_id)


@router.get("/documents", responses=documented(Invalid, BadCursor))
async def list_documents(
    who: CurrentUser,
    db: ReadSession,
    request: Request,
    response: Response,
    uri: Annotated[Uri | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 20,
) -> list[DocumentOut]:
    """Documents that one may see, newest first."""
    page = await knowledge.list_documents(db, who, uri=uri, cursor=cursor, limit=limit)
    link_next(request, response, page.next_cursor)
    return list(page.rows)


@router.get("/documents/{doc_id}", responses=_ONE)
async def get_document(doc_id: UUID, who: CurrentUser, db: ReadSession) -> DocumentOut:
    """What a document is, and how far its indexing."""
    return await knowledge.get(db, who, doc_id)


@router.put("/documents/{doc_id}", openapi_extra=_OR_FORM, responses=documented(Forbidden, DocumentMissing, *_SENT))
async def replace_document(doc_id: UUID, body: DocumentIn, who: StaffUser, db: WriteSession) -> DocumentOut:
    """As JSON, or as a form with a file. The next version, unless nothing changed. Until it is indexed, the one before
    is found."""
    return await knowledge.replace(db, who, doc_id, document=body)


@router.delete("/documents/{doc_id}", status_code=204, responses=documented(Forbidden, DocumentMissing, Invalid))
async def delete_document(doc_id: UUID, who: StaffUser, db: WriteSession) -> None:
    """With every version, passage and file of it."""
    await knowledge.delete(db, who, doc_id)


@router.get("/documents/{doc_id}/versions/{version}", responses=_ONE)
async def get_version(doc_id: UUID, version: VersionNumber, who: CurrentUser, db: ReadSession) -> DocumentVersionOut:
    """What the document said in that version."""
    return await knowledge.version(db, who, doc_id, version)


@router.get(
    "/documents/{doc_id}/versions/{version}/source",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The bytes, of the file's own media type.",
            "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
        },
        **documented(DocumentMissing, ContentMissing, StoreUnavailable, Invalid),
    },
)
async def get_source(
    doc_id: UUID, version: VersionNumber, who: CurrentUser, db: ReadSession, resources: Res
) -> StreamingResponse:
    """The file that the version was sent as, always as an attachment. 404 for one that was sent as text."""
    content = await knowledge.source(db, who, doc_id, version)
    chunks = await files.open_content(resources.storage, content.key, start=0, end=content.size)
    return StreamingResponse(chunks, media_type=content.file_type, headers=as_attachment(content))


@router.get("/documents/{doc_id}/chunks/{chunk_id}", responses=_ONE)
async def get_chunk(doc_id: UUID, chunk_id: UUID, who: CurrentUser, db: ReadSession) -> ChunkOut:
    """The passage that a citation points to, of whichever version."""
    return await knowledge.chunk(db, who, doc_id, chunk_id)


@router.get("/embedder", responses=documented(Forbidden))
async def get_embedder(who: AdminUser, db: ReadSession) -> EmbedderOut:
    """Whose vectors are searched, and how far the change to another is."""
    return await knowledge.embedder(db)


@router.put(
    "/embedder",
    status_code=202,
    responses=documented(Forbidden, EmbedderInUse, UnknownModel, TooLarge, Invalid),
)
async def change_embedder(body: EmbedderIn, who: AdminUser, db: WriteSession) -> EmbedderOut:
    """Have every passage embedded by another, in the background. Searches use the old vectors until all new ones are
    there, then the new ones from one moment to the next. Another change that is under way is cancelled."""
    await knowledge.change_embedder(db, who, name=body.embedder)
    return await knowledge.embedder(db)


@router.delete("/embedder/change", status_code=204, responses=documented(Forbidden, NothingEmbedded))
async def cancel_embedder_change(who: AdminUser, db: WriteSession) -> None:
    """What was made of it is thrown away."""
    await knowledge.cancel_change(db)
