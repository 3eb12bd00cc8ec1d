"""Uploads that are not files yet, and which objects and how many bytes files and uploads have together."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.repository import Repository
from app.files.errors import UploadMissing
from app.models.file import File
from app.models.file_part import FilePart
from app.models.knowledge import DocumentSource
from app.models.mail import Mail
from app.models.upload import DirectUpload, ResumableUpload, UploadPiece


class UploadRepository(Repository[ResumableUpload]):
    """Uploads in progress, and those that have just become files: their sender's alone."""

    model = ResumableUpload
    missing = UploadMissing

    def visible(self) -> Select[ResumableUpload]:
        return select(ResumableUpload).where(
            ResumableUpload.owner_id == self.who.user_id, ResumableUpload.expires_at > func.now()
        )


class DirectUploadRepository(Repository[DirectUpload]):
    model = DirectUpload
    missing = UploadMissing

    def visible(self) -> Select[DirectUpload]:
        return select(DirectUpload).where(
            DirectUpload.owner_id == self.who.user_id, DirectUpload.expires_at > func.now()
        )


async def pieces_of(db: AsyncSession, upload_ids: Collection[UUID]) -> Sequence[UploadPiece]:
    """In the order of their bytes."""
    query = select(UploadPiece).where(UploadPiece.upload_id.in_(upload_ids))
    return (await db.execute(query.order_by(UploadPiece.upload_id, UploadPiece.start))).scalars().all()


async def stored_bytes(db: AsyncSession, user_id: int | None) -> int:
    """What the files take, and what unfinished uploads will: of one person, or of all."""
    files = select(func.coalesce(func.sum(File.file_size), 0))
    uploads = select(func.coalesce(func.sum(ResumableUpload.length), 0)).where(
        ResumableUpload.file_id.is_(None), ResumableUpload.expires_at > func.now()
    )
    direct = select(func.coalesce(func.sum(DirectUpload.length), 0)).where(
        DirectUpload.file_id.is_(None), DirectUpload.expires_at > func.now()
    )
    if user_id is not None:
        files = files.where(File.uploader_id == user_id)
        uploads = uploads.where(ResumableUpload.owner_id == user_id)
        direct = direct.where(DirectUpload.owner_id == user_id)
    sums = select(*(one.scalar_subquery() for one in (files, uploads, direct)))
    return sum(int(one) for one in (await db.execute(sums)).one())


async def unknown_keys(db: AsyncSession, keys: Collection[str]) -> set[str]:
    """Those that no file, no upload, no part, no document and no mail has."""
    known: set[str | None] = set()
    for column in (
        File.storage_key,
        File.preview_key,
        File.shown_key,
        UploadPiece.storage_key,
        FilePart.storage_key,
        DocumentSource.storage_key,
        Mail.storage_key,
    ):
        known |= set((await db.execute(select(column).where(column.in_(keys)))).scalars())
    # One that has become a file has its object by that file alone, if it has not left it for another.
    direct = select(DirectUpload.storage_key).where(DirectUpload.storage_key.in_(keys), DirectUpload.file_id.is_(None))
    known |= set((await db.execute(direct)).scalars())
    return set(keys) - known
