"""tus 1.0.0 over HTTP: translation only. `Tus-Resumable` is asked of every request and is on every answer."""

import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine
from email.utils import format_datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Request, Response
from starlette.requests import ClientDisconnect

from app.accounts.authentication import CurrentUser
from app.core.db import ReadSession
from app.core.errors import Invalid, Problem, RateLimited, Unauthenticated, documented
from app.core.idempotency import IdempotentRoute, streams_body
from app.core.resources import Res
from app.core.storage import discard
from app.files import tus
from app.files.appending import Appending, Progress, progress_of
from app.files.errors import (
    ChecksumMismatch,
    FileEmpty,
    FileTooLarge,
    FileTypeNotAllowed,
    QuotaExceeded,
    StoreUnavailable,
    TusVersionUnsupported,
    UploadBodyTypeWrong,
    UploadHeaderInvalid,
    UploadMissing,
    UploadOffsetWrong,
    UploadTooFragmented,
)
from app.files.service import resumable
from app.tickets.errors import TicketMissing

BODY_TYPE = "application/offset+octet-stream"
PATH = "/files/resumable"


class TusRoute(IdempotentRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_tus(request: Request) -> Response:
            try:
                if request.method != "OPTIONS" and request.headers.get("tus-resumable") != tus.VERSION:
                    raise TusVersionUnsupported(headers={"Tus-Version": tus.VERSION})
                response = await handle(request)
            except Problem as problem:
                problem.headers["Tus-Resumable"] = tus.VERSION
                raise
            response.headers["Tus-Resumable"] = tus.VERSION
            return response

        return handle_tus


router = APIRouter(
    route_class=TusRoute,
    prefix=PATH,
    tags=["files"],
    responses=documented(Unauthenticated, TusVersionUnsupported, Invalid, RateLimited),
)

Version = Annotated[
    str, Header(alias="Tus-Resumable", json_schema_extra={"const": tus.VERSION}, description="Of the protocol.")
]
Length = Annotated[
    str | None,
    Header(alias="Upload-Length", max_length=19, pattern=r"^[0-9]+$", description="Bytes of the whole file."),
]
Metadata = Annotated[
    str | None,
    Header(
        alias="Upload-Metadata",
        max_length=tus.MAX_METADATA,
        description="`filename`, `filetype` and `ticket_id`, each `key base64(value)`, parted by commas.",
    ),
]
Offset = Annotated[
    str,
    Header(alias="Upload-Offset", max_length=19, pattern=r"^[0-9]+$", description="Where these bytes belong."),
]
ChecksumHeader = Annotated[
    str | None,
    Header(alias="Upload-Checksum", max_length=200, description="`sha1`, `sha256` or `md5`, a space, base64."),
]


def _body_of(required: bool) -> dict[str, Any]:
    schema = {"type": "string", "format": "binary"}
    return {"requestBody": {"required": required, "content": {BODY_TYPE: {"schema": schema}}}}


def _header(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"}}


_PROGRESS = {
    "Upload-Offset": _header("Bytes that are durably stored."),
    "Upload-Expires": _header("When the upload is forgotten if nobody goes on with it."),
    "X-File-Id": _header("The file that it has become; only once it is whole."),
}
_APPENDING = (
    FileTypeNotAllowed,
    UploadHeaderInvalid,
    UploadTooFragmented,
    TicketMissing,
    FileTooLarge,
    QuotaExceeded,
    UploadBodyTypeWrong,
    ChecksumMismatch,
    StoreUnavailable,
)


@router.options(
    "",
    status_code=204,
    response_class=Response,
    responses={204: {"headers": {name: _header("As in tus 1.0.0.") for name in ("Tus-Version", "Tus-Extension")}}},
)
async def describe_resumable_uploads(_who: CurrentUser, resources: Res) -> Response:
    """What of tus is spoken here, and how large a file may be."""
    return Response(
        status_code=204,
        headers={
            "Tus-Version": tus.VERSION,
            "Tus-Extension": tus.EXTENSIONS,
            "Tus-Max-Size": str(resources.settings.files.max_bytes),
            "Tus-Checksum-Algorithm": tus.CHECKSUM_ALGORITHMS,
        },
    )


@router.post(
    "",
    status_code=201,
    response_class=Response,
    openapi_extra=_body_of(required=False),
    responses={
        201: {"headers": {"Location": _header("Of the upload."), **_PROGRESS}},
        **documented(FileEmpty, UploadOffsetWrong, *_APPENDING),
    },
)
@streams_body
async def begin_resumable_upload(
    who: CurrentUser,
    resources: Res,
    request: Request,
    _version: Version,
    length: Length = None,
    metadata: Metadata = None,
    checksum: ChecksumHeader = None,
) -> Response:
    """Announce a file. The first bytes may come along; the rest goes by PATCH to the address in `Location`."""
    announced = tus.announcement(length, metadata)
    with_bytes = request.headers.get("content-type") is not None
    if with_bytes:
        _check_type(request)
    check = tus.checksum(checksum) if checksum is not None and with_bytes else None
    async with resources.db.unit_of_work() as db:
        upload = await resumable.begin(db, who, announced=announced, settings=resources.settings.files)
    digest = hashlib.sha256(announced.digest())
    progress = progress_of(upload)
    if with_bytes:
        progress = await Appending(resources, who, upload, check).run(0, _body(request, digest.update))
    request.state.content_digest = digest.digest()
    headers = {"Location": f"{request.url.path}/{upload.id}", **_headers(progress)}
    return Response(status_code=201, headers=headers)


@router.head(
    "/{upload_id}",
    response_class=Response,
    responses={
        200: {"headers": {**_PROGRESS, "Upload-Length": _header("Bytes of the whole.")}},
        **documented(UploadMissing),
    },
)
async def find_resumable_upload(who: CurrentUser, upload_id: UUID, db: ReadSession, _version: Version) -> Response:
    """Where to go on."""
    upload = await resumable.find(db, who, upload_id)
    headers = {"Upload-Length": str(upload.length), "Cache-Control": "no-store", **_headers(progress_of(upload))}
    if upload.announced:
        headers["Upload-Metadata"] = upload.announced
    return Response(headers=headers)


@router.patch(
    "/{upload_id}",
    status_code=204,
    response_class=Response,
    openapi_extra=_body_of(required=True),
    responses={204: {"headers": _PROGRESS}, **documented(UploadMissing, UploadOffsetWrong, *_APPENDING)},
)
async def continue_resumable_upload(
    who: CurrentUser,
    upload_id: UUID,
    resources: Res,
    request: Request,
    _version: Version,
    offset: Offset,
    checksum: ChecksumHeader = None,
) -> Response:
    """Add bytes at `Upload-Offset`. With the last of them the upload becomes a file, and reading it begins."""
    _check_type(request)
    at = tus.number("Upload-Offset", offset)
    check = None if checksum is None else tus.checksum(checksum)
    async with resources.db.reading() as db:
        upload = await resumable.find(db, who, upload_id)
    return Response(
        status_code=204, headers=_headers(await Appending(resources, who, upload, check).run(at, _body(request)))
    )


@router.delete("/{upload_id}", status_code=204, response_class=Response, responses=documented(UploadMissing))
async def end_resumable_upload(who: CurrentUser, upload_id: UUID, resources: Res, _version: Version) -> Response:
    """Give the upload up, and what was sent of it. A file that it has become stays."""
    async with resources.db.unit_of_work() as db:
        keys = await resumable.give_up(db, who, upload_id)
    await discard(resources.storage, keys)
    return Response(status_code=204)


def _check_type(request: Request) -> None:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != BODY_TYPE:
        raise UploadBodyTypeWrong


async def _body(request: Request, seen: Callable[[bytes], None] = lambda _: None) -> AsyncIterator[bytes]:
    """What comes of it: a sender who leaves may go on later from what came."""
    try:
        async for chunk in request.stream():
            seen(chunk)
            yield chunk
    except ClientDisconnect:
        return


def _headers(progress: Progress) -> dict[str, str]:
    headers = {
        "Upload-Offset": str(progress.offset),
        "Upload-Expires": format_datetime(progress.expires_at, usegmt=True),
    }
    if progress.file_id is not None:
        headers["X-File-Id"] = str(progress.file_id)
    return headers
