"""Uploads that go from a client straight into the bucket, by addresses that are signed for one part each.

Always a multipart upload, of one part too: once it is finished or aborted its addresses are worth nothing, so that
nobody can replace what was verified. Parts may be sent again, in any order, at the same time.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from app.core.settings import StorageSettings
from app.core.storage import S3Storage, Storage
from app.core.storage.s3 import PART, in_thread

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

MOST_PARTS = 10_000


class DirectUploads:
    def __init__(self, storage: S3Storage, public_endpoint: str | None) -> None:
        self._client, self._bucket, self._prefix = storage.client, storage.bucket, storage.prefix
        self._signing = _signing_client(public_endpoint or storage.client.meta.endpoint_url)

    async def begin(self, key: str) -> str:
        """The upload's token. Raises StorageError, as all here."""
        name = self._prefix + key
        begun = await in_thread(lambda: self._client.create_multipart_upload(Bucket=self._bucket, Key=name))
        return begun["UploadId"]

    async def addresses(self, key: str, token: str, sizes: list[int], *, seconds: int) -> list[str]:
        """Of each part, to be PUT to; no call is made for it. The size is signed, so another is refused."""
        return await in_thread(
            lambda: [
                self._signing.generate_presigned_url(
                    "upload_part",
                    Params={
                        "Bucket": self._bucket,
                        "Key": self._prefix + key,
                        "UploadId": token,
                        "PartNumber": number,
                        "ContentLength": size,
                    },
                    ExpiresIn=seconds,
                )
                for number, size in enumerate(sizes, 1)
            ]
        )

    async def sent(self, key: str, token: str) -> dict[int, tuple[int, str]]:
        """Size and ETag by number. Raises ObjectMissing for an upload that is over."""

        def listed() -> dict[int, tuple[int, str]]:
            pages = self._client.get_paginator("list_parts").paginate(
                Bucket=self._bucket, Key=self._prefix + key, UploadId=token
            )
            parts = [part for page in pages for part in page.get("Parts", ())]
            return {part["PartNumber"]: (part["Size"], part["ETag"]) for part in parts}

        return await in_thread(listed)

    async def finish(self, key: str, token: str, sent: dict[int, tuple[int, str]]) -> None:
        """From now on the object is there and can only be read or deleted. Raises ObjectMissing, as above."""
        parts = [{"PartNumber": number, "ETag": tag} for number, (_, tag) in sorted(sent.items())]
        await in_thread(
            lambda: self._client.complete_multipart_upload(
                Bucket=self._bucket,
                Key=self._prefix + key,
                UploadId=token,
                MultipartUpload={"Parts": parts},  # type: ignore[typeddict-item] # these are its two required fields
            )
        )

    async def abort(self, key: str, token: str) -> None:
        """Raises ObjectMissing for an upload that is over."""
        name = self._prefix + key
        await in_thread(lambda: self._client.abort_multipart_upload(Bucket=self._bucket, Key=name, UploadId=token))


def direct_uploads(storage: Storage, settings: StorageSettings) -> DirectUploads | None:
    """None where the store is a directory."""
    return DirectUploads(storage, settings.s3_public_endpoint) if isinstance(storage, S3Storage) else None


def part_sizes(size: int) -> list[int]:
    """All but the last are equal, and no more than a bucket takes."""
    part = max(PART, -(-size // MOST_PARTS))
    return [min(part, size - start) for start in range(0, size, part)]


@lru_cache(maxsize=4)
def _signing_client(endpoint: str) -> "S3Client":
    """Version 4 signs the length as well; boto3's own choice for addresses is version 2, which does not."""
    return boto3.client("s3", endpoint_url=endpoint, config=Config(signature_version="s3v4"))
