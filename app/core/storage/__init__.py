"""Where bytes are kept: a port with a directory and an S3 bucket behind it.

Keys are ours (never a person's file name) and are written once: a key that exists is complete.
"""

from app.core.settings import Settings
from app.core.storage.base import ObjectMissing, Storage, StorageError, chunked, chunks_of, discard
from app.core.storage.local import LocalStorage
from app.core.storage.s3 import S3Storage

__all__ = [
    "LocalStorage",
    "ObjectMissing",
    "S3Storage",
    "Storage",
    "StorageError",
    "chunked",
    "chunks_of",
    "discard",
    "open_storage",
]


def open_storage(settings: Settings) -> Storage:
    """The store the settings name. Raises StorageError for S3 without a bucket."""
    if settings.storage.backend == "s3":
        if not settings.storage.s3_bucket:
            raise StorageError("EVIDESK_STORAGE__BACKEND=s3 needs EVIDESK_STORAGE__S3_BUCKET.")
        return S3Storage(settings.storage.s3_bucket, prefix=settings.storage.s3_prefix)
    return LocalStorage(settings.data_dir / "files")
