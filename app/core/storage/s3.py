"""Objects in a bucket."""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import boto3
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from app.core.storage.base import CHUNK, ObjectMissing, StorageError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import CompletedPartTypeDef

T = TypeVar("T")

PART = 8 * CHUNK
"""Size of a part of a multipart upload; S3 wants at least 5 MiB and takes at most 10,000 parts."""

_MISSING = frozenset({"404", "NoSuchKey", "NoSuchUpload", "NotFound"})


class S3Storage:
    """boto3 is synchronous, so each call goes to a thread; at most one part is in memory.

    Credentials, region and `AWS_ENDPOINT_URL_S3` are read by boto3 itself. A multipart upload that a crash left behind
    is invisible; a lifecycle rule of the bucket (abort incomplete uploads) removes it.
    """

    def __init__(self, bucket: str, *, prefix: str = "") -> None:
        self.bucket = bucket
        self.prefix = prefix
        self.client: S3Client = boto3.client(
            "s3",
            config=Config(
                connect_timeout=5,
                read_timeout=60,
                retries={"mode": "standard", "total_max_attempts": 4},
                max_pool_connections=32,
            ),
        )

    async def put(self, key: str, chunks: AsyncIterator[bytes]) -> int:
        name, size, part = self.prefix + key, 0, bytearray()
        upload: _MultipartUpload | None = None
        try:
            async for chunk in chunks:
                size += len(chunk)
                part += chunk
                if len(part) >= PART:
                    if upload is None:
                        upload = await in_thread(lambda: _MultipartUpload(self.client, self.bucket, name))
                    await upload.send(bytes(part))
                    part.clear()
            if upload is None:
                await in_thread(lambda: self.client.put_object(Bucket=self.bucket, Key=name, Body=bytes(part)))
            else:
                await upload.send(bytes(part))
                await upload.complete()
        except BaseException:
            if upload is not None:
                await asyncio.shield(upload.abort())
            raise
        return size

    async def read(self, key: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        name = self.prefix + key
        head = await in_thread(lambda: self.client.head_object(Bucket=self.bucket, Key=name))
        last = head["ContentLength"] if end is None else min(end, head["ContentLength"])
        if start >= last:
            return
        span = f"bytes={start}-{last - 1}"
        answer = await in_thread(lambda: self.client.get_object(Bucket=self.bucket, Key=name, Range=span))
        with contextlib.closing(answer["Body"]) as body:
            while chunk := await in_thread(lambda: body.read(CHUNK)):
                yield chunk

    @asynccontextmanager
    async def local_path(self, key: str) -> AsyncIterator[Path]:
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="evidesk-"))
        try:
            path = folder / "object"
            await in_thread(lambda: self.client.download_file(self.bucket, self.prefix + key, str(path)))
            yield path
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def delete(self, key: str) -> None:
        await in_thread(lambda: self.client.delete_object(Bucket=self.bucket, Key=self.prefix + key))

    async def listed(self, *, before: datetime) -> AsyncIterator[str]:
        pages = iter(self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix))
        while (page := await in_thread(lambda: next(pages, None))) is not None:
            for item in page.get("Contents", ()):
                if item["LastModified"] < before:
                    yield item["Key"].removeprefix(self.prefix)

    async def ping(self) -> None:
        await in_thread(lambda: self.client.head_bucket(Bucket=self.bucket))


class _MultipartUpload:
    """Parts sent one after another; nothing is visible before `complete`."""

    def __init__(self, client: "S3Client", bucket: str, name: str) -> None:
        self._client, self._bucket, self._name = client, bucket, name
        self._id = client.create_multipart_upload(Bucket=bucket, Key=name)["UploadId"]
        self._parts: list[CompletedPartTypeDef] = []

    async def send(self, part: bytes) -> None:
        if not part:
            return
        number = len(self._parts) + 1
        answer = await in_thread(
            lambda: self._client.upload_part(
                Bucket=self._bucket, Key=self._name, UploadId=self._id, PartNumber=number, Body=part
            )
        )
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})

    async def complete(self) -> None:
        await in_thread(
            lambda: self._client.complete_multipart_upload(
                Bucket=self._bucket, Key=self._name, UploadId=self._id, MultipartUpload={"Parts": self._parts}
            )
        )

    async def abort(self) -> None:
        """Best effort: what stays behind is invisible, and the error that led here is the one to be told."""
        with contextlib.suppress(StorageError):
            await in_thread(
                lambda: self._client.abort_multipart_upload(Bucket=self._bucket, Key=self._name, UploadId=self._id)
            )


async def in_thread(action: Callable[[], T]) -> T:
    """Run one call of boto3's; its errors become ours."""
    try:
        return await asyncio.to_thread(action)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        if code in _MISSING:
            raise ObjectMissing(code) from error
        raise StorageError(f"S3 answered {code}") from error
    except (BotoCoreError, Boto3Error, OSError) as error:
        raise StorageError(f"S3 cannot be used: {type(error).__name__}") from error
