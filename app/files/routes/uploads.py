"""HTTP for files: translation only."""

from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import ClientDisconnect

from app.accounts.authentication import CurrentUser
from app.core.db import ReadSession, WriteSession
from app.core.errors import Invalid, RateLimited, Unauthenticated, documented
from app.core.idempotency import IdempotencyConflict, IdempotencyKeyInvalid, IdempotentRoute, streams_body
from app.core.pagination import BadCursor, link_next
from app.core.resources import Res
from app.core.storage import StorageError
from app.core.telemetry import get_logger
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
from app.files.multipart import MultipartReader
from app.files.schemas import FileOut, FileQuery, FileStatusOut, FileTextOut, UploadOut
from app.files.service import Slot
from app.tickets.errors import TicketMissing

log = get_logger(__name__)

router = APIRouter(
    route_class=IdempotentRoute,
    prefix="/files",
    tags=["files"],
    responses=documented(Unauthenticated, Invalid, RateLimited),
)

FORM_BYTES = 128 * 1024
"""What a form may have beside the file's own bytes: boundaries, headers, the other field."""

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


async def _slot(resources: Res) -> AsyncIterator[Slot]:
    slot = Slot()
    try:
        yield slot
    finally:
        # Entered before the unit of work, so left after it has committed or not.
        if slot.key is not None and not slot.kept:
            try:
                await resources.storage.delete(slot.key)
            except StorageError as error:
                # An object without a row; the day and id in its key let it be collected.
                log.warning("object_left_behind", key=slot.key, error=type(error).__name__)


UploadSlot = Annotated[Slot, Depends(_slot, scope="function")]


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
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > settings.max_bytes + FORM_BYTES:
        raise FileTooLarge(f"A file may have at most {settings.max_bytes:,} bytes.")
    reader = MultipartReader(request.headers.get("content-type"), _body(request))
    received = await files.receive(resources.storage, settings, reader, slot)
    request.state.content_digest = received.digest()
    file = UploadOut.model_validate(await files.add(db, who, received, settings))
    _keep_on_commit(db, slot)
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


async def _body(request: Request) -> AsyncIterator[bytes]:
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect as error:
        raise MultipartMalformed("The body ends before its last boundary.") from error


def _keep_on_commit(db: AsyncSession, slot: Slot) -> None:
    def keep(_session: object) -> None:
        slot.kept = True

    event.listen(db.sync_session, "after_commit", keep, once=True)
