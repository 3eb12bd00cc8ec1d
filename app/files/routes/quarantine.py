"""Quarantine over HTTP, and the end of files: translation only."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from app.accounts.authentication import AdminUser, CurrentUser
from app.core.db import ReadSession, WriteSession
from app.core.errors import Forbidden, Invalid, RateLimited, TooLarge, Unauthenticated, documented
from app.core.idempotency import IdempotencyConflict, IdempotencyKeyInvalid, IdempotentRoute
from app.core.pagination import BadCursor, Cursor, Limit, link_next
from app.files import service as files
from app.files.errors import FileInWork, FileMissing, FileNotQuarantined, FileNotYours
from app.files.schemas import FileChangeOut, FileOut, QuarantinedOut, ReasonIn

router = APIRouter(
    route_class=IdempotentRoute,
    prefix="/files",
    tags=["files"],
    responses=documented(Unauthenticated, Invalid, RateLimited),
)

_POSTING = (Forbidden, FileMissing, IdempotencyKeyInvalid, TooLarge, Invalid, IdempotencyConflict)


@router.get("/quarantine", responses=documented(Forbidden, BadCursor))
async def list_quarantine(
    who: AdminUser, db: ReadSession, request: Request, response: Response, cursor: Cursor = None, limit: Limit = 20
) -> list[QuarantinedOut]:
    """Files that were found to be harmful, newest first: why, by what, and whose they are."""
    page = await files.quarantined(db, who, cursor=cursor, limit=limit)
    link_next(request, response, page.next_cursor)
    return list(page.rows)


@router.post("/{file_id}/release", responses=documented(FileNotQuarantined, FileInWork, *_POSTING))
async def release_file(file_id: UUID, body: ReasonIn, who: AdminUser, db: WriteSession) -> FileOut:
    """A false alarm: the file counts as clean from now on, is given out and read. Who said so, and why, is kept."""
    return await files.release(db, who, file_id, reason=body.reason)


@router.post("/{file_id}/rescan", responses=documented(FileInWork, *_POSTING))
async def rescan_file(file_id: UUID, body: ReasonIn, who: AdminUser, db: WriteSession) -> FileOut:
    """Scan and read the file again from the beginning, with the signatures of today; a release is taken back."""
    return await files.rescan(db, who, file_id, reason=body.reason)


@router.get("/{file_id}/history", responses=documented(FileMissing))
async def get_file_history(file_id: UUID, who: CurrentUser, db: ReadSession) -> list[FileChangeOut]:
    """Who quarantined, released, rescanned or deleted the file and why, also when it is gone. One's own files; all
    for administrators."""
    return [FileChangeOut.model_validate(change) for change in await files.history(db, who, file_id)]


@router.delete("/{file_id}", status_code=204, response_class=Response, responses=documented(FileNotYours, FileMissing))
async def delete_file(file_id: UUID, who: CurrentUser, db: WriteSession) -> Response:
    """By its uploader or an administrator, also in quarantine. Its bytes, previews and text go; who deleted it when is
    kept. What an agent has quoted of it stays in that run. Again: 204 as before."""
    await files.delete(db, who, file_id)
    return Response(status_code=204)
