"""Taking a file in: from the request's body straight into the store, hashed, measured and typed on the way."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from app.core.clock import now
from app.core.errors import FieldError
from app.core.settings import FileSettings
from app.core.storage import Storage, StorageError
from app.core.telemetry import get_logger
from app.files.content_type import ContentType, EmptyContent, identify
from app.files.errors import (
    FileEmpty,
    FileFieldMissing,
    FileTooLarge,
    FileTypeNotAllowed,
    FormInvalid,
    StoreUnavailable,
)
from app.files.executables import executable_content, executable_name, executable_type
from app.files.filename import safe_filename
from app.files.multipart import MultipartReader
from app.files.sample import HEAD_BYTES, Sample, Sampler
from app.files.service.slots import Slot
from app.models.base import uuid7

log = get_logger(__name__)

_MAX_FIELD_BYTES = 64 * 1024
_MAX_NUMBER_CHARS = 100
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Received:
    """A stored file that has no row yet."""

    file_id: UUID
    key: str
    filename: str
    size: int
    sha256: str
    content: ContentType
    ticket_id: int | None
    started_at: datetime

    def columns(self) -> dict[str, Any]:
        """As every table keeps it whose rows have stored bytes."""
        return {
            "storage_key": self.key,
            "filename": self.filename,
            "file_type": self.content.mime,
            "kind": self.content.group,
            "file_size": self.size,
            "sha256": self.sha256,
        }

    def digest(self) -> bytes:
        """Equal for two requests that bring the same content under the same name to the same ticket."""
        return hashlib.sha256(f"{self.sha256}\n{self.ticket_id}\n{self.filename}".encode()).digest()


@dataclass(frozen=True, slots=True)
class _Stored:
    file_id: UUID
    key: str
    filename: str
    declared: str | None
    sent_name: str | None
    size: int
    sha256: str
    sample: Sample


async def receive(storage: Storage, settings: FileSettings, reader: MultipartReader, slot: Slot) -> Received:
    """Store the form's `file` and read its `ticket_id`.

    Raises:
        FileTooLarge, FileEmpty, FileTypeNotAllowed, FileFieldMissing, MultipartMalformed, FormInvalid,
        StoreUnavailable.
    """
    received, given = await receive_form(storage, settings, reader, slot, fields={"ticket_id": _ticket_id})
    return replace(received, ticket_id=given.get("ticket_id"))


async def receive_form(
    storage: Storage,
    settings: FileSettings,
    reader: MultipartReader,
    slot: Slot,
    *,
    fields: Mapping[str, Callable[[str], T]],
) -> tuple[Received, dict[str, T]]:
    """Store the form's `file` and read the other fields that it has, each with its function, which may raise
    FormInvalid. Raises what `receive` does."""
    started = now()
    stored: _Stored | None = None
    given: dict[str, T] = {}
    seen: set[str] = set()
    while (part := await reader.next_part()) is not None:
        if part.name != "file" and part.name not in fields:
            raise refused(part.name[:100], "extra_forbidden", "Extra inputs are not permitted")
        if part.name in seen:
            raise refused(part.name, "repeated", "The field may be given once")
        seen.add(part.name)
        if part.name == "file":
            stored = await _store(
                storage, settings, reader.data(), slot, sent_name=part.filename, declared=part.content_type
            )
        else:
            given[part.name] = fields[part.name](await _field(reader, part.name))
    if stored is None:
        raise FileFieldMissing
    return await _received(stored, None, started), given


async def receive_bytes(
    storage: Storage,
    settings: FileSettings,
    chunks: AsyncIterator[bytes],
    slot: Slot,
    *,
    sent_name: str | None,
    declared: str | None,
    ticket_id: int | None,
    started_at: datetime,
) -> Received:
    """Store bytes that come without a form. Raises what `receive` does, but for what is wrong with a form."""
    stored = await _store(storage, settings, chunks, slot, sent_name=sent_name, declared=declared)
    return await _received(stored, ticket_id, started_at)


async def receive_stored(
    storage: Storage,
    key: str,
    *,
    sent_name: str,
    declared: str | None,
    ticket_id: int | None,
    started_at: datetime,
) -> Received:
    """Read, hash and type an object that came into the store past us.

    Raises:
        FileEmpty, FileTypeNotAllowed, StoreUnavailable.
    """
    digest, sampler, size = hashlib.sha256(), Sampler(), 0
    try:
        async for chunk in storage.read(key):
            size += len(chunk)
            await asyncio.to_thread(digest.update, chunk)
            sampler.feed(chunk)
    except StorageError as error:
        raise StoreUnavailable from error
    stored = _Stored(
        file_id=uuid7(),
        key=key,
        filename=safe_filename(sent_name),
        declared=declared,
        sent_name=sent_name,
        size=size,
        sha256=digest.hexdigest(),
        sample=sampler.sample(),
    )
    return await _received(stored, ticket_id, started_at)


def check_announced(sent_name: str | None, declared: str | None) -> None:
    """Raises FileTypeNotAllowed for what is an executable already by its name or declared type."""
    if (extension := executable_name(sent_name)) is not None:
        raise FileTypeNotAllowed(f"A name that ends in .{extension} is an executable's.")
    if (media_type := executable_type(declared)) is not None:
        raise FileTypeNotAllowed(f"The declared type {media_type} is an executable's.")


def check_size(settings: FileSettings, size: int) -> None:
    """Raises FileTooLarge."""
    if size > settings.max_bytes:
        raise FileTooLarge(f"A file may have at most {settings.max_bytes:,} bytes.")


async def _received(stored: _Stored, ticket_id: int | None, started: datetime) -> Received:
    what = (stored.file_id, stored.key, stored.filename, stored.size, stored.sha256)
    return Received(*what, await _typed(stored), ticket_id, started)


async def _store(
    storage: Storage,
    settings: FileSettings,
    chunks: AsyncIterator[bytes],
    slot: Slot,
    *,
    sent_name: str | None,
    declared: str | None,
) -> _Stored:
    check_announced(sent_name, declared)
    file_id = uuid7()
    # The day and the id in the key let a collector find objects that never got a row.
    slot.key = key = f"{now():%Y/%m/%d}/{file_id}"
    digest, sampler = hashlib.sha256(), Sampler()

    async def measured() -> AsyncIterator[bytes]:
        size, checked = 0, False
        async for chunk in _gathered(chunks, settings.chunk_bytes):
            size += len(chunk)
            check_size(settings, size)
            digest.update(chunk)
            sampler.feed(chunk)
            if not checked and size >= HEAD_BYTES:
                # A large program is refused before the rest of it is sent.
                checked = True
                _refuse_program(sampler.sample())
            yield chunk
        if size == 0:
            raise FileEmpty

    try:
        size = await storage.put(key, measured())
    except (StorageError, OSError) as error:
        log.warning("file_not_stored", error=type(error).__name__)
        raise StoreUnavailable from error
    return _Stored(
        file_id=file_id,
        key=key,
        filename=safe_filename(sent_name),
        declared=declared,
        sent_name=sent_name,
        size=size,
        sha256=digest.hexdigest(),
        sample=sampler.sample(),
    )


async def _gathered(chunks: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
    """Chunks of at least `size` bytes but for the last: each costs a hop to a thread."""
    held = bytearray()
    async for chunk in chunks:
        held += chunk
        if len(held) >= size:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


async def _typed(stored: _Stored) -> ContentType:
    try:
        content = await asyncio.to_thread(identify, stored.sample, filename=stored.sent_name, declared=stored.declared)
    except EmptyContent as error:
        raise FileEmpty from error
    if content.executable:
        raise FileTypeNotAllowed(f"Executables are not accepted: {content.reason}.")
    return content


def _refuse_program(sample: Sample) -> None:
    if (phrase := executable_content(sample)) is not None:
        raise FileTypeNotAllowed(f"Executables are not accepted: the content is {phrase}.")


async def _field(reader: MultipartReader, name: str) -> str:
    value = b""
    async for chunk in reader.data():
        value += chunk
        if len(value) > _MAX_FIELD_BYTES:
            raise refused(name, "too_long", "The field is too long")
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise refused(name, "value_error", "The field must be UTF-8") from None


def _ticket_id(value: str) -> int | None:
    text = value.strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(value) <= _MAX_NUMBER_CHARS):
        raise refused("ticket_id", "int_parsing", "Input should be a valid integer")
    return int(text)


def refused(field: str, kind: str, message: str) -> FormInvalid:
    return FormInvalid(errors=[FieldError(location=["body", field], message=message, kind=kind)])
