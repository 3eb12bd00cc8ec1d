"""The bytes of a file and its preview over HTTP: translation only."""

import re
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header
from fastapi.responses import StreamingResponse

from app.accounts.authentication import CurrentUser
from app.core.db import ReadSession
from app.core.errors import Invalid, RateLimited, Unauthenticated, documented
from app.core.idempotency import IdempotentRoute
from app.core.resources import Res
from app.files import service as files
from app.files.errors import (
    ContentMissing,
    FileMissing,
    FileNotRendered,
    FileNotScanned,
    FileNotShowable,
    FileQuarantined,
    PreviewMissing,
    RangeNotSatisfiable,
    StoreUnavailable,
)
from app.files.serving import HARMLESS, as_attachment

router = APIRouter(
    route_class=IdempotentRoute,
    prefix="/files",
    tags=["files"],
    responses=documented(Unauthenticated, Invalid, RateLimited),
)

_ANY_TYPE = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
_BYTES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The bytes, of the file's own media type.", "content": _ANY_TYPE},
    206: {"description": "The part that was asked for.", "content": _ANY_TYPE},
}
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"description": "A small picture.", "content": {"image/webp": {"schema": {"type": "string"}}}}
}
RangeHeader = Annotated[str | None, Header(alias="Range", max_length=100, description="`bytes=first-last`, one range.")]
IfRange = Annotated[str | None, Header(alias="If-Range", max_length=100, description="The ETag the part belongs to.")]
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@router.get(
    "/{file_id}/content",
    response_class=StreamingResponse,
    responses={
        **_BYTES,
        **documented(
            FileQuarantined,
            FileNotShowable,
            FileMissing,
            ContentMissing,
            FileNotScanned,
            FileNotRendered,
            RangeNotSatisfiable,
            StoreUnavailable,
        ),
    },
)
async def get_file_content(
    file_id: UUID,
    who: CurrentUser,
    db: ReadSession,
    resources: Res,
    asked: RangeHeader = None,
    if_range: IfRange = None,
) -> StreamingResponse:
    """Always an attachment, never what a browser would run. A picture has its hidden data (place, camera) for its
    uploader only: others get it encoded anew. One `Range` of bytes is honoured."""
    content = await files.content(db, who, file_id)
    tag = f'"{content.tag}"'
    span = None
    if asked is not None and if_range in (None, tag):
        span = _range(asked, content.size)
    start, end = span or (0, content.size)
    headers = {**as_attachment(content), "Content-Length": str(end - start), "Accept-Ranges": "bytes"}
    if span is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{content.size}"
    chunks = await files.open_content(resources.storage, content.key, start=start, end=end)
    return StreamingResponse(
        chunks, status_code=200 if span is None else 206, media_type=content.file_type, headers=headers
    )


@router.get(
    "/{file_id}/preview",
    response_class=StreamingResponse,
    responses={
        **_PICTURE,
        **documented(FileQuarantined, FileMissing, PreviewMissing, ContentMissing, FileNotScanned, StoreUnavailable),
    },
)
async def get_file_preview(file_id: UUID, who: CurrentUser, db: ReadSession, resources: Res) -> StreamingResponse:
    """A small WebP of a picture, of a PDF's first page or of a video's frame. 404 has a `Retry-After` while it is
    still to be made."""
    content = await files.preview(db, who, file_id)
    headers = {
        **HARMLESS,
        "Content-Disposition": "inline",
        "Content-Length": str(content.size),
        "Cache-Control": "private, max-age=3600",
        "ETag": f'"{content.tag}"',
    }
    chunks = await files.open_content(resources.storage, content.key, start=0, end=content.size)
    return StreamingResponse(chunks, media_type=content.file_type, headers=headers)


def _range(header: str, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last; None for a header that RFC 9110 says to ignore."""
    found = _RANGE.fullmatch(header.strip())
    if found is None or found.group(0) == "bytes=-":
        return None
    first, last = found.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= size or start >= end:
        raise RangeNotSatisfiable(headers={"Content-Range": f"bytes */{size}"})
    return start, end
