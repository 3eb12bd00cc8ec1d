"""What a file is, how far its reading is, what was read, and its bytes."""

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.core.pagination import Page
from app.core.storage import ObjectMissing, Storage, StorageError
from app.files.errors import ContentMissing, FileNotRendered, FileNotShowable, PreviewMissing, StoreUnavailable
from app.files.repository import FileRepository, seen
from app.files.schemas import FileOut, FileQuery, FileStatusOut, FileTextOut, SegmentOut
from app.models.file import File, ProcessingStatus, ScanStatus
from app.models.job import Job


@dataclass(frozen=True, slots=True)
class Content:
    """Where the bytes are, and how they are to be named and labelled. `tag` is of these very bytes."""

    key: str
    filename: str
    file_type: str
    size: int
    tag: str


async def get(db: AsyncSession, who: Principal, file_id: UUID) -> FileOut:
    return FileOut.model_validate(await FileRepository(db, who).get(file_id))


async def list_files(db: AsyncSession, who: Principal, *, asked: FileQuery) -> Page[FileOut]:
    page = await FileRepository(db, who).search(asked)
    return Page([FileOut.model_validate(file) for file in page.rows], page.next_cursor)


async def status(db: AsyncSession, who: Principal, file_id: UUID) -> FileStatusOut:
    file, job = await FileRepository(db, who).with_job(file_id)
    return _status(file, job)


async def status_of_job(db: AsyncSession, who: Principal, job_id: UUID) -> tuple[FileOut, FileStatusOut]:
    """The file that a job reads, and how far it is; raises FileMissing for a job that `who` may not see."""
    file, job = await FileRepository(db, who).by_job(job_id)
    return FileOut.model_validate(file), _status(file, job)


async def watchable(db: AsyncSession, asked: Collection[tuple[Principal, UUID]]) -> set[tuple[Principal, UUID]]:
    """Which of these people may watch which job, for many at once."""
    return await seen(db, asked)


async def read_text(db: AsyncSession, who: Principal, file_id: UUID) -> FileTextOut:
    """Raises FileNotScanned or FileQuarantined for a file that must not be given out."""
    files = FileRepository(db, who)
    file = await files.clean(file_id)
    return FileTextOut(
        id=file.id,
        processing_status=ProcessingStatus(file.processing_status),
        analysis_type=file.analysis_type,
        text=await files.text_of(file),
        confidence=file.confidence,
        low_confidence=file.low_confidence,
        engine=file.engine,
        engine_version=file.engine_version,
        language=file.language,
        metadata=file.details,
        error=file.error,
        segments=[SegmentOut.model_validate(segment) for segment in await files.segments_of(file)],
    )


async def content(db: AsyncSession, who: Principal, file_id: UUID) -> Content:
    """The bytes as they came, or, of a picture and for anybody but its uploader, without what is hidden in them.

    Raises:
        FileNotScanned, FileQuarantined, FileNotRendered, FileNotShowable: nothing is given out.
    """
    file = await FileRepository(db, who).clean(file_id)
    if file.kind != "image" or file.uploader_id == who.user_id:
        return Content(file.storage_key, file.filename, file.file_type, file.file_size, file.sha256)
    if file.shown_key is None or file.shown_type is None or file.shown_size is None:
        raise FileNotShowable if file.rendered_at is not None else FileNotRendered
    name = file.filename
    if file.shown_type != file.file_type:
        name = f"{name.rpartition('.')[0] or name}.{file.shown_type.partition('/')[2]}"
    return Content(file.shown_key, name, file.shown_type, file.shown_size, _tag(file.shown_key))


async def preview(db: AsyncSession, who: Principal, file_id: UUID) -> Content:
    """Raises FileNotScanned, FileQuarantined, PreviewMissing."""
    file = await FileRepository(db, who).clean(file_id)
    if file.preview_key is None or file.preview_size is None:
        if file.rendered_at is not None:
            raise PreviewMissing
        raise PreviewMissing("The preview is still to be made; try again shortly.", headers={"Retry-After": "1"})
    return Content(file.preview_key, "preview.webp", "image/webp", file.preview_size, _tag(file.preview_key))


def _tag(key: str) -> str:
    """An object is written once, so its name tells its bytes."""
    return key.rpartition("/")[2]


async def open_content(storage: Storage, key: str, *, start: int, end: int) -> AsyncIterator[bytes]:
    """The bytes from `start` to `end` (exclusive). The first is read here, so that an error comes in time.

    Raises:
        ContentMissing, StoreUnavailable.
    """
    chunks = storage.read(key, start=start, end=end)
    try:
        first = await anext(chunks, b"")
    except ObjectMissing as error:
        raise ContentMissing from error
    except StorageError as error:
        raise StoreUnavailable from error
    return _chained(first, chunks)


async def _chained(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


def _status(file: File, job: Job) -> FileStatusOut:
    return FileStatusOut(
        job_id=job.id,
        processing_status=ProcessingStatus(file.processing_status),
        scan_status=ScanStatus(file.scan_status),
        stage=job.stage,
        progress=job.progress,
        error=file.error,
    )
