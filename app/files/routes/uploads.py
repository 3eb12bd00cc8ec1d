"""HTTP for files: translation only."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app.accounts.authentication import CurrentUser
from app.core.db import ReadSession, WriteSession
from app.core.errors import Invalid, RateLimited, Unauthenticated, documented
from app.core.idempotency import IdempotencyConflict, IdempotencyKeyInvalid, IdempotentRoute, streams_body
from app.core.pagination import BadCursor, link_next
from app.core.resources import Res
from app.files import service as files
from app.files.errors import (
    FileEmpty,
    FileFieldMissing,
    FileMissing,
    FileNotScanned,
    FileQuarantined,
    FileTooLarge,
    FileTypeNotAllowed,
    MultipartMalformed,
    QuotaExceeded,
    StoreUnavailable,
)
from app.files.receiving import UploadSlot, form_of, keep_on_commit
from app.files.schemas import FileOut, FileQuery, FileStatusOut, FileTextOut, UploadOut
from app.tickets.errors import TicketMissing

router = APIRouter(
    route_class=IdempotentRoute,
    prefix="/files",
    tags=["files"],
    responses=documented(Unauthenticated, Invalid, RateLimited),
)

_UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "additionalProperties": False,
                    "properties": {
                        "file": {"type": "string", "format": "binary", "description": "At most 100 MB, no executable."},
                        "ticket_id": {"type": "integer", "minimum": 1, "description": "A ticket to hang it on."},
                    },
                }
            }
        },
    }
}


@router.post(
    "/upload",
    status_code=201,
    openapi_extra=_UPLOAD_BODY,
    responses=documented(
        FileTypeNotAllowed,
        FileEmpty,
        FileFieldMissing,
        MultipartMalformed,
        IdempotencyKeyInvalid,
        TicketMissing,
        FileTooLarge,
        QuotaExceeded,
        Invalid,
        IdempotencyConflict,
        StoreUnavailable,
    ),
)
@streams_body
async def upload_file(
    who: CurrentUser, slot: UploadSlot, resources: Res, db: WriteSession, request: Request, response: Response
) -> UploadOut:
    """The body goes straight to the store; the type is told by the content. Reading it begins at once."""
    settings = resources.settings.files
    received = await files.receive(resources.storage, settings, form_of(request, settings), slot)
    request.state.content_digest = received.digest()
    file = UploadOut.model_validate(await files.add(db, who, received, settings))
    keep_on_commit(db, slot)
    response.headers["Location"] = f"{request.url.path.removesuffix('/upload')}/{file.id}"
    return file


@router.get("", responses=documented(Invalid, BadCursor))
async def list_files(
    asked: Annotated[FileQuery, Query()], who: CurrentUser, db: ReadSession, request: Request, response: Response
) -> list[FileOut]:
    """Files that one may see, newest first."""
    page = await files.list_files(db, who, asked=asked)
    link_next(request, response, page.next_cursor)
    return list(page.rows)


@router.get("/{file_id}", responses=documented(FileMissing))
async def get_file(file_id: UUID, who: CurrentUser, db: ReadSession) -> FileOut:
    """What is known of a file, without its bytes."""
    return await files.get(db, who, file_id)


@router.get("/{file_id}/status", responses=documented(FileMissing))
async def get_file_status(file_id: UUID, who: CurrentUser, db: ReadSession) -> FileStatusOut:
    """How far the reading of a file has come; `error` says why it failed."""
    return await files.status(db, who, file_id)


@router.get("/{file_id}/text", responses=documented(FileQuarantined, FileMissing, FileNotScanned))
async def get_file_text(file_id: UUID, who: CurrentUser, db: ReadSession) -> FileTextOut:
    """What was read, in segments with their place and confidence. Null until the status is `completed`."""
    return await files.read_text(db, who, file_id)
