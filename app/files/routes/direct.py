"""Uploads straight into the bucket over HTTP: translation only."""

from uuid import UUID

from fastapi import APIRouter, Request, Response

from app.accounts.authentication import CurrentUser
from app.core.errors import Invalid, RateLimited, TooLarge, Unauthenticated, documented
from app.core.idempotency import IdempotencyConflict, IdempotencyKeyInvalid, IdempotentRoute
from app.core.resources import Res
from app.files.direct import Direct
from app.files.errors import (
    DirectUploadDiffers,
    DirectUploadIncomplete,
    DirectUploadUnavailable,
    FileEmpty,
    FileMissing,
    FileTooLarge,
    FileTypeNotAllowed,
    QuotaExceeded,
    StoreUnavailable,
    UploadMissing,
)
from app.files.schemas import DirectUploadIn, DirectUploadOut, UploadOut
from app.tickets.errors import TicketMissing

router = APIRouter(
    route_class=IdempotentRoute,
    prefix="/files/presigned",
    tags=["files"],
    responses=documented(Unauthenticated, Invalid, RateLimited),
)

_POSTING = (IdempotencyKeyInvalid, Invalid, IdempotencyConflict, StoreUnavailable)


@router.post(
    "",
    status_code=201,
    responses=documented(
        FileTypeNotAllowed,
        TicketMissing,
        DirectUploadUnavailable,
        TooLarge,
        FileTooLarge,
        QuotaExceeded,
        *_POSTING,
    ),
)
async def begin_direct_upload(
    body: DirectUploadIn, who: CurrentUser, resources: Res, request: Request, response: Response
) -> DirectUploadOut:
    """Announce a file that is to go straight into the bucket: the address of each part, to be PUT in any order. Only
    where files are kept in S3."""
    upload = await Direct(resources, who).begin(body)
    response.headers["Location"] = f"{request.url.path}/{upload.upload_id}"
    return upload


@router.get("/{upload_id}", responses=documented(UploadMissing, DirectUploadUnavailable, StoreUnavailable))
async def find_direct_upload(upload_id: UUID, who: CurrentUser, resources: Res) -> DirectUploadOut:
    """Which parts are there, and new addresses for all."""
    return await Direct(resources, who).find(upload_id)


@router.post(
    "/{upload_id}/complete",
    status_code=201,
    responses=documented(
        FileTypeNotAllowed,
        FileEmpty,
        UploadMissing,
        FileMissing,
        TicketMissing,
        DirectUploadUnavailable,
        DirectUploadIncomplete,
        DirectUploadDiffers,
        QuotaExceeded,
        *_POSTING,
    ),
)
async def complete_direct_upload(
    upload_id: UUID, who: CurrentUser, resources: Res, request: Request, response: Response
) -> UploadOut:
    """Every part is there: size and SHA-256 are verified, then it is a file like any other, and is scanned. Asked
    again, the answer is the same file."""
    file = await Direct(resources, who).complete(upload_id)
    response.headers["Location"] = f"{request.url.path.partition('/presigned')[0]}/{file.id}"
    return UploadOut.model_validate(file, from_attributes=True)


@router.delete("/{upload_id}", status_code=204, response_class=Response, responses=documented(UploadMissing))
async def end_direct_upload(upload_id: UUID, who: CurrentUser, resources: Res) -> Response:
    """Give the upload up, and what was sent of it. A file that it has become stays."""
    await Direct(resources, who).give_up(upload_id)
    return Response(status_code=204)
