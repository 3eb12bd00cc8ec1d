"""Files as they are asked for and shown."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import ConfigDict, Field

from app.core.pagination import Cursor, Limit
from app.core.schemas import BIGINT_MAX, WHOLE, GivenId, In, Out, RowId, Text
from app.models.file import ProcessingStatus, ScanStatus

Sha256 = Annotated[str, Query(pattern=r"^[0-9a-fA-F]{64}$", description="Of the content, in hexadecimal.")]


class UploadOut(Out):
    id: UUID
    job_id: UUID
    filename: str
    file_type: str = Field(description="Media type, told by the content.")
    file_size: int = Field(description="Bytes.")
    sha256: str
    ticket_id: int | None
    processing_status: ProcessingStatus


class FileOut(UploadOut):
    scan_status: ScanStatus = Field(description="Nothing of the file is given out before it is `clean`.")
    kind: str = Field(description="image, audio, video, document, text, archive or binary.")
    analysis_type: str | None = Field(description="ocr, transcription, document, text or archive, once it was read.")
    confidence: float | None = Field(description="Of all that was read, 0..1, weighted by length.")
    low_confidence: bool = Field(description="What was read may well be wrong: `confidence` is below the desk's limit.")
    engine: str | None
    engine_version: str | None
    language: str | None = Field(description="ISO 639 code; null when there is no text or none stands out.")
    metadata: dict[str, Any] = Field(validation_alias="details", description="What the engine said about the file.")
    error: str | None = Field(description="Why the file could not be read or was quarantined.")
    has_preview: bool = Field(description="Whether `/preview` has a picture of it.")
    uploader_id: int
    created_at: datetime


class PersonOut(Out):
    id: int
    username: str


class QuarantinedOut(Out):
    id: UUID
    job_id: UUID
    filename: str
    file_type: str
    file_size: int = Field(description="Bytes.")
    sha256: str
    ticket_id: int | None
    uploader: PersonOut
    reason: str | None = Field(description="What the scan, or whoever read it, found.")
    scanners: str | None = Field(description="Programs and versions that said so.")
    quarantined_at: datetime | None
    created_at: datetime


class ReasonIn(In):
    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "A false alarm: our own test file."}]})

    reason: Text = Field(min_length=3, max_length=500, description="Kept with who did it.")


class FileChangeOut(Out):
    """`actor_id` null: the desk itself."""

    id: int
    file_id: UUID
    uploader_id: int
    actor_id: int | None
    action: str = Field(description="quarantined, released, rescanned, deleted or expired.")
    reason: str | None
    details: dict[str, Any]
    created_at: datetime


class FileStatusOut(Out):
    job_id: UUID
    processing_status: ProcessingStatus
    scan_status: ScanStatus
    stage: str | None = Field(description="validation, ocr or transcription; null until a worker began.")
    progress: float = Field(description="Share of the work that is done, 0..1.")
    error: str | None


class SegmentOut(Out):
    text: str
    confidence: float | None = Field(description="0..1; null where nothing is in doubt, as in a text layer.")
    page: int | None = Field(description="Counted from 1.")
    start_s: float | None = Field(validation_alias="start_seconds", description="Seconds from the beginning.")
    end_s: float | None = Field(validation_alias="end_seconds")
    box: list[list[float]] | None = Field(description="Four corners in pixels, clockwise from the top left.")


class FileTextOut(Out):
    """`text` is null until the file was read, and empty when there was nothing to read."""

    id: UUID
    processing_status: ProcessingStatus
    analysis_type: str | None
    text: str | None
    confidence: float | None
    low_confidence: bool = Field(description="What was read may well be wrong: `confidence` is below the desk's limit.")
    engine: str | None
    engine_version: str | None
    language: str | None = Field(description="ISO 639 code; null when there is no text or none stands out.")
    metadata: dict[str, Any]
    error: str | None
    segments: list[SegmentOut]


class DirectUploadIn(In):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"filename": "trace.log", "size": 52_428_800, "sha256": "0" * 64}]}
    )

    filename: Text = Field(min_length=1, max_length=1000)
    filetype: Text | None = Field(default=None, max_length=255, description="A hint: the content tells the type.")
    size: Annotated[int, Field(ge=1, le=BIGINT_MAX, description="Bytes."), WHOLE]
    sha256: str = Field(pattern=r"^[0-9a-fA-F]{64}$", description="Of the content, in hexadecimal.")
    ticket_id: GivenId | None = Field(default=None, description="A ticket to hang it on.")


class UploadPartOut(Out):
    number: int
    start: int = Field(description="Its first byte.")
    size: int = Field(description="Bytes; the address takes no other length.")
    url: str = Field(description="PUT the bytes here, without Authorization.")
    sent: bool = Field(description="It is there; it may be sent again.")


class DirectUploadOut(Out):
    upload_id: UUID
    expires_at: datetime = Field(description="Of the upload; addresses are good for shorter, and renewed by GET.")
    parts: list[UploadPartOut] = Field(description="Empty once it is a file.")
    file_id: UUID | None


class FileQuery(In):
    ticket_id: RowId | None = None
    processing_status: ProcessingStatus | None = None
    sha256: Sha256 | None = None
    cursor: Cursor = None
    limit: Limit = 20
