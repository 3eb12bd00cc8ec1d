"""HTTP for documents and what is found in them: translation only."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response

from app.accounts.authentication import CurrentUser, StaffUser
from app.core.db import ReadSession, WriteSession
from app.core.errors import Forbidden, Invalid, RateLimited, TooLarge, Unauthenticated, Unavailable, documented
from app.core.idempotency import IdempotencyConflict, IdempotencyKeyInvalid, IdempotentRoute
from app.core.pagination import BadCursor, Cursor, Limit, link_next
from app.core.schemas import Text
from app.knowledge import service as knowledge
from app.knowledge.errors import DocumentMissing
from app.knowledge.schemas import ChunkOut, DocumentIn, DocumentOut, DocumentVersionOut, Evidence, Uri

router = APIRouter(
    route_class=IdempotentRoute,
    prefix="/knowledge",
    tags=["knowledge"],
    responses=documented(Unauthenticated, RateLimited),
)

_ONE = documented(DocumentMissing, Invalid)
VersionNumber = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.get("/search", responses=documented(Invalid, Unavailable))
async def search(
    q: Annotated[Text, Query(min_length=1, max_length=4000)],
    who: CurrentUser,
    db: ReadSession,
    limit: Annotated[int, Query(ge=1, le=50)] = 5,
) -> list[Evidence]:
    """Passages that may answer, best first, by words and by meaning, among what one may see."""
    return await knowledge.search(db, who, query=q, limit=limit)


@router.post(
    "/documents",
    status_code=201,
    responses=documented(Forbidden, TooLarge, Invalid, IdempotencyKeyInvalid, IdempotencyConflict),
)
async def add_document(
    body: DocumentIn, who: StaffUser, db: WriteSession, request: Request, response: Response
) -> DocumentOut:
    """Stored at once, searchable as soon as a worker has indexed it: see `status`."""
    document = await knowledge.create(db, who, document=body)
    response.headers["Location"] = f"{request.url.path}/{document.doc_id}"
    return document


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


@router.put("/documents/{doc_id}", responses=documented(Forbidden, DocumentMissing, TooLarge, Invalid))
async def replace_document(doc_id: UUID, body: DocumentIn, who: StaffUser, db: WriteSession) -> DocumentOut:
    """The next version, unless nothing changed. Until it is indexed, the one before is found."""
    return await knowledge.replace(db, who, doc_id, document=body)


@router.delete("/documents/{doc_id}", status_code=204, responses=documented(Forbidden, DocumentMissing, Invalid))
async def delete_document(doc_id: UUID, who: StaffUser, db: WriteSession) -> None:
    """With every version and passage of it."""
    await knowledge.delete(db, who, doc_id)


@router.get("/documents/{doc_id}/versions/{version}", responses=_ONE)
async def get_version(doc_id: UUID, version: VersionNumber, who: CurrentUser, db: ReadSession) -> DocumentVersionOut:
    """What the document said in that version."""
    return await knowledge.version(db, who, doc_id, version)


@router.get("/documents/{doc_id}/chunks/{chunk_id}", responses=_ONE)
async def get_chunk(doc_id: UUID, chunk_id: UUID, who: CurrentUser, db: ReadSession) -> ChunkOut:
    """The passage that a citation points to, of whichever version."""
    return await knowledge.chunk(db, who, doc_id, chunk_id)
