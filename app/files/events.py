"""What happened to a file, as its watchers are told. What was read may be long: it is at HTTP, not in here."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from app.core.schemas import Event


class FileEvent(Event):
    file_id: UUID
    job_id: UUID
    timestamp: datetime

    @property
    def aggregate(self) -> str:
        return f"file:{self.file_id}"


class FileUploadStarted(FileEvent):
    """`timestamp` is when the first byte came; it is told together with the end, for only then is there a job."""

    type: ClassVar[str] = "file.upload_started"
    filename: str


class FileUploadCompleted(FileEvent):
    type: ClassVar[str] = "file.upload_completed"
    filename: str
    file_size: int


class FileDeleted(FileEvent):
    """By a person or by policy. `keys` are the objects that held its bytes and what was made of them."""

    type: ClassVar[str] = "file.deleted"
    filename: str
    keys: list[str]


class FileObjectLeft(Event):
    """The file has its bytes in another object now, which others of the same bytes have too."""

    type: ClassVar[str] = "file.object_left"
    key: str

    @property
    def aggregate(self) -> str:
        return f"object:{self.key}"


class FileProcessingProgress(FileEvent):
    """`progress` is the share of the whole work that is done, 0..1, and does not fall within one attempt."""

    type: ClassVar[str] = "file.processing_progress"
    stage: str
    progress: float
    message: str


class OcrCompleted(FileEvent):
    """Text was read from a picture, a document, a text or an archive's listing."""

    type: ClassVar[str] = "file.ocr_completed"
    filename: str
    confidence: float | None


class TranscriptionCompleted(FileEvent):
    type: ClassVar[str] = "file.transcription_completed"
    filename: str
    confidence: float | None


class FileProcessingFailed(FileEvent):
    """For good: damaged, quarantined, or given up."""

    type: ClassVar[str] = "file.processing_failed"
    filename: str
    error: str
    stage: str
