import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import boto3
import pytest

from app.core.clock import now
from app.core.settings import Settings, StorageSettings
from app.core.storage import (
    LocalStorage,
    ObjectMissing,
    S3Storage,
    Storage,
    StorageError,
    open_storage,
)
from app.core.storage.s3 import PART
from tests.factories.aws import aws

BUCKET = "evidence"


@pytest.fixture(scope="module")
def s3_address() -> Iterator[str]:
    with aws() as address:
        yield address


@pytest.fixture
def s3(s3_address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Storage]:
    """A store in a new bucket of an S3 on this machine, addressed as any other would be."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    yield S3Storage(BUCKET, prefix="files/")
    for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=item["Key"])
    client.delete_bucket(Bucket=BUCKET)
    client.close()


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "local":
        return LocalStorage(tmp_path / "store")
    storage: S3Storage = request.getfixturevalue("s3")
    return storage


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def everything(store: Storage, key: str, **span: int) -> bytes:
    return b"".join([chunk async for chunk in store.read(key, **span)])


async def test_what_is_put_is_read_again(store: Storage) -> None:
    assert await store.put("2026/11/a", pieces(b"one ", b"two")) == 7
    assert await everything(store, "2026/11/a") == b"one two"


async def test_an_empty_object_is_an_object(store: Storage) -> None:
    assert await store.put("empty", pieces()) == 0
    assert await everything(store, "empty") == b""


async def test_a_large_object_is_kept_whole(store: Storage) -> None:
    content = os.urandom(2 * PART + 12_345)
    size = await store.put("large", pieces(*(content[at : at + 999_983] for at in range(0, len(content), 999_983))))
    assert size == len(content)
    assert await everything(store, "large") == content


async def test_an_object_of_exactly_one_part_is_kept_whole(store: Storage) -> None:
    content = os.urandom(PART)
    await store.put("part", pieces(content))
    assert await everything(store, "part") == content


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(0, None, b"0123456789"), (3, None, b"3456789"), (3, 5, b"34"), (8, 99, b"89"), (10, None, b""), (4, 4, b"")],
)
async def test_a_part_of_an_object_is_read(store: Storage, start: int, end: int | None, expected: bytes) -> None:
    await store.put("digits", pieces(b"0123456789"))
    got = b"".join([chunk async for chunk in store.read("digits", start=start, end=end)])
    assert got == expected


async def test_a_local_path_holds_the_content_while_it_is_open(store: Storage) -> None:
    await store.put("a", pieces(b"content"))
    async with store.local_path("a") as path:
        assert path.read_bytes() == b"content"


async def test_what_is_missing_is_said_to_be(store: Storage) -> None:
    with pytest.raises(ObjectMissing):
        await everything(store, "nothing")
    with pytest.raises(ObjectMissing):
        async with store.local_path("nothing"):
            pass  # pragma: no cover


async def test_what_is_deleted_is_gone_and_may_be_deleted_again(store: Storage) -> None:
    await store.put("a", pieces(b"content"))
    await store.delete("a")
    await store.delete("a")
    with pytest.raises(ObjectMissing):
        await everything(store, "a")


@pytest.mark.parametrize("before", [b"short", bytes(2 * PART)])
async def test_a_source_that_fails_leaves_nothing(store: Storage, before: bytes) -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield before
        raise LookupError

    with pytest.raises(LookupError):
        await store.put("a", failing())
    with pytest.raises(ObjectMissing):
        await everything(store, "a")


async def test_a_put_that_is_cancelled_leaves_nothing(store: Storage) -> None:
    started = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield bytes(PART)
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(store.put("a", endless()))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ObjectMissing):
        await everything(store, "a")


async def test_a_store_that_can_be_used_says_so(store: Storage) -> None:
    await store.ping()


async def test_a_directory_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError):
        await LocalStorage(tmp_path / "file" / "store").ping()


async def test_a_key_that_leaves_the_directory_is_refused(tmp_path: Path) -> None:
    store = LocalStorage(tmp_path / "store")
    with pytest.raises(StorageError):
        await store.put("../outside", pieces(b"x"))


async def test_a_bucket_that_is_missing_is_an_error_of_ours(s3: S3Storage) -> None:
    missing = S3Storage("another-bucket")
    with pytest.raises(StorageError):
        await missing.ping()
    with pytest.raises(StorageError):
        await missing.put("a", pieces(b"x"))


async def test_an_s3_that_cannot_be_reached_is_an_error_of_ours(s3: S3Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(StorageError, match="cannot be used"):
        await S3Storage(BUCKET).ping()


async def test_an_aborted_upload_leaves_no_parts_behind(s3: S3Storage) -> None:
    async def failing() -> AsyncIterator[bytes]:
        yield bytes(PART)
        raise LookupError

    with pytest.raises(LookupError):
        await s3.put("a", failing())
    assert not s3.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads")


async def test_s3_calls_do_not_stop_the_event_loop(s3: S3Storage) -> None:
    here = threading.get_ident()
    seen: list[int] = []
    s3.client.meta.events.register("before-send.s3", lambda **_: seen.append(threading.get_ident()))
    await s3.put("a", pieces(b"x"))
    assert seen
    assert here not in seen


def test_the_settings_name_the_store(s3: S3Storage, tmp_path: Path) -> None:
    local = open_storage(Settings(_env_file=None, data_dir=tmp_path))
    assert isinstance(local, LocalStorage)
    assert local.root == tmp_path / "files"
    remote = open_storage(
        Settings(_env_file=None, storage=StorageSettings(backend="s3", s3_bucket=BUCKET, s3_prefix="p/"))
    )
    assert isinstance(remote, S3Storage)
    assert (remote.bucket, remote.prefix) == (BUCKET, "p/")
    with pytest.raises(StorageError, match="S3_BUCKET"):
        open_storage(Settings(_env_file=None, storage=StorageSettings(backend="s3")))


async def test_what_was_written_before_a_time_is_listed(store: Storage) -> None:
    assert [key async for key in store.listed(before=now() + timedelta(hours=1))] == []
    for key in ("2026/11/a", "2026/11/b", "uploads/c"):
        await store.put(key, pieces(b"x"))
    assert sorted([key async for key in store.listed(before=now() + timedelta(hours=1))]) == [
        "2026/11/a",
        "2026/11/b",
        "uploads/c",
    ]
    assert [key async for key in store.listed(before=now() - timedelta(hours=1))] == []
