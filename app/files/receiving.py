"""A form on its way from the request's body into the store: its object is kept with the commit of its row, or goes."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import ClientDisconnect

from app.core.resources import Res
from app.core.settings import FileSettings
from app.files.errors import FileTooLarge, MultipartMalformed
from app.files.multipart import MultipartReader
from app.files.service import Slot, slot_in

FORM_BYTES = 128 * 1024
"""What a form may have beside the file's own bytes: boundaries, headers, the other fields."""


async def _slot(resources: Res) -> AsyncIterator[Slot]:
    async with slot_in(resources.storage) as slot:
        yield slot


UploadSlot = Annotated[Slot, Depends(_slot, scope="function")]


def form_of(request: Request, settings: FileSettings) -> MultipartReader:
    """Nothing is read yet. Raises FileTooLarge by the declared length, and MultipartMalformed."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > settings.max_bytes + FORM_BYTES:
        raise FileTooLarge(f"A file may have at most {settings.max_bytes:,} bytes.")
    return MultipartReader(request.headers.get("content-type"), _body(request))


def keep_on_commit(db: AsyncSession, slot: Slot) -> None:
    """From the attempt to commit on: if it fails, nobody knows whether the row is there. If it is not, the bytes are
    collected later."""

    def keep(_session: object) -> None:
        slot.kept = True

    event.listen(db.sync_session, "before_commit", keep, once=True)


async def _body(request: Request) -> AsyncIterator[bytes]:
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect as error:
        raise MultipartMalformed("The body ends before its last boundary.") from error
