"""Files kept in S3: uploads straight into the bucket, and resumable ones, on a server that speaks S3."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import boto3
import httpx2
import pytest
from sqlalchemy import text

from app.core.direct_uploads import part_sizes
from app.core.resources import Resources
from app.core.settings import FileSettings, Settings, StorageSettings
from app.core.storage import open_storage
from app.core.storage.s3 import PART
from app.files.service import keeping
from tests.factories.aws import aws
from tests.factories.people import Person
from tests.factories.serving import serving
from tests.files import samples
from tests.files.test_resumable import Tus, found_clean

URL = "/api/v1/files/presigned"
BUCKET = "evidesk-files"
LINE = b"a line of a trace that goes on and on\n"
CONTENT = (LINE * (PART // len(LINE) + 10))[: PART + 100]
"""Two parts."""


@pytest.fixture(scope="module")
def s3_address() -> Iterator[str]:
    with aws() as address:
        yield address


@pytest.fixture
def bucket(s3_address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An S3 client, and an empty bucket."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_address)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    yield client
    for upload in client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []):
        client.abort_multipart_upload(Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"])
    for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=item["Key"])
    client.delete_bucket(Bucket=BUCKET)
    client.close()


@pytest.fixture
def in_s3(settings: Settings, bucket: Any) -> Settings:
    storage = StorageSettings(backend="s3", s3_bucket=BUCKET, s3_prefix="files/")
    files = FileSettings(user_quota_bytes=2 * len(CONTENT))
    return settings.model_copy(update={"storage": storage, "files": files})


@pytest.fixture
async def api(resources: Resources, in_s3: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    async with serving(in_s3) as client:
        yield client


def objects(bucket: Any) -> list[str]:
    return [item["Key"] for item in bucket.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def unfinished(bucket: Any) -> int:
    return len(bucket.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []))


async def begun(api: httpx2.AsyncClient, who: Person, content: bytes = CONTENT, **more: Any) -> dict[str, Any]:
    given = {"filename": "trace.log", "size": len(content), "sha256": hashlib.sha256(content).hexdigest(), **more}
    answer = await api.post(URL, json=given, headers=who.headers)
    assert answer.status_code == 201, answer.text
    upload: dict[str, Any] = answer.json()
    assert answer.headers["Location"] == f"{URL}/{upload['upload_id']}"
    return upload


async def put(part: dict[str, Any], content: bytes) -> int:
    """As any client does it: nothing but the address and the bytes."""
    piece = content[part["start"] : part["start"] + part["size"]]

    def sending() -> int:
        # The local server would read a body without a type as a form.
        answer = httpx2.put(
            part["url"], content=piece, headers={"Content-Type": "application/octet-stream"}, timeout=60
        )
        return answer.status_code

    return await asyncio.to_thread(sending)


async def completed(api: httpx2.AsyncClient, who: Person, upload: dict[str, Any]) -> httpx2.Response:
    return await api.post(f"{URL}/{upload['upload_id']}/complete", headers=who.headers)


async def test_a_file_goes_past_us_into_the_bucket_and_is_a_file_like_any_other(
    api: httpx2.AsyncClient, bucket: Any, resources: Resources, sender: Person, stranger: Person
) -> None:
    upload = await begun(api, sender)
    at = f"{URL}/{upload['upload_id']}"
    assert [(part["number"], part["start"], part["size"]) for part in upload["parts"]] == [(1, 0, PART), (2, PART, 100)]
    assert "content-length%3Bhost" in upload["parts"][1]["url"]
    assert await put(upload["parts"][1], CONTENT) == 200
    early = await completed(api, sender, upload)
    assert (early.status_code, early.json()["code"], early.json()["parts"]) == (409, "direct_upload_incomplete", [1])
    # After a broken connection: what is there, and new addresses.
    again = (await api.get(at, headers=sender.headers)).json()
    assert [part["sent"] for part in again["parts"]] == [False, True]
    assert await put(again["parts"][0], CONTENT) == 200
    for other in (await api.get(at, headers=stranger.headers), await completed(api, stranger, upload)):
        assert (other.status_code, other.json()["code"]) == (404, "upload_not_found")

    answers = [await completed(api, sender, upload) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    file = answers[0].json()
    assert answers[1].json() == file
    assert (file["filename"], file["file_type"], file["file_size"]) == ("trace.log", "text/plain", len(CONTENT))
    assert file["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert answers[0].headers["Location"] == f"/api/v1/files/{file['id']}"
    waiting = await api.get(f"/api/v1/files/{file['id']}/content", headers=sender.headers)
    assert (waiting.status_code, waiting.json()["code"]) == (409, "file_not_scanned")
    # What was verified cannot be replaced by the addresses that brought it.
    assert await put(upload["parts"][1], b"?" * len(CONTENT)) >= 400
    await found_clean(resources)
    assert (await api.get(f"/api/v1/files/{file['id']}/content", headers=sender.headers)).content == CONTENT
    shown = (await api.get(at, headers=sender.headers)).json()
    assert (shown["parts"], shown["file_id"]) == ([], file["id"])
    assert (await api.delete(at, headers=sender.headers)).status_code == 204
    assert (await api.get(f"/api/v1/files/{file['id']}", headers=sender.headers)).status_code == 200
    assert len(objects(bucket)) == 1


async def test_of_many_who_complete_at_once_all_are_given_one_file(
    api: httpx2.AsyncClient, bucket: Any, sender: Person
) -> None:
    upload = await begun(api, sender, LINE)
    await put(upload["parts"][0], LINE)
    answers = await asyncio.gather(*(completed(api, sender, upload) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(objects(bucket)) == 1


@pytest.mark.parametrize(
    ("content", "sent", "code"),
    [
        (LINE, LINE[::-1], "direct_upload_differs"),
        (samples.ELF, samples.ELF, "file_type_not_allowed"),
    ],
    ids=["other bytes", "a program"],
)
async def test_what_is_not_as_announced_or_a_program_is_not_kept(
    api: httpx2.AsyncClient, bucket: Any, sender: Person, content: bytes, sent: bytes, code: str
) -> None:
    upload = await begun(api, sender, content)
    await put(upload["parts"][0], sent)
    assert (await completed(api, sender, upload)).json()["code"] == code
    assert (await completed(api, sender, upload)).status_code == 404
    assert (objects(bucket), unfinished(bucket)) == ([], 0)


REFUSED: list[tuple[dict[str, Any], int, str]] = [
    ({"size": 10**9}, 413, "file_too_large"),
    ({"filename": "setup.exe"}, 400, "file_type_not_allowed"),
    ({"ticket_id": 999}, 404, "ticket_not_found"),
    ({"sha256": "x"}, 422, "validation_failed"),
]


async def test_what_no_file_may_be_is_refused_when_it_is_announced(
    api: httpx2.AsyncClient, bucket: Any, sender: Person
) -> None:
    for given, status, code in REFUSED:
        body = {"filename": "a.log", "size": 10, "sha256": "0" * 64, **given}
        answer = await api.post(URL, json=body, headers=sender.headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert unfinished(bucket) == 0


async def test_what_is_announced_counts_and_what_is_given_up_or_late_does_not(
    api: httpx2.AsyncClient, bucket: Any, resources: Resources, in_s3: Settings, sender: Person
) -> None:
    uploads = [await begun(api, sender) for _ in range(2)]
    body = {"filename": "a.log", "size": 1, "sha256": "0" * 64}
    assert (await api.post(URL, json=body, headers=sender.headers)).json()["code"] == "storage_quota_exceeded"
    await put(uploads[0]["parts"][1], CONTENT)
    assert (await api.delete(f"{URL}/{uploads[0]['upload_id']}", headers=sender.headers)).status_code == 204
    assert unfinished(bucket) == 1
    async with resources.db.unit_of_work() as db:
        await db.execute(text("UPDATE direct_uploads SET expires_at = now() - interval '1 s'"))
    assert (await completed(api, sender, uploads[1])).status_code == 404
    await keeping.end_expired_direct(resources.db, open_storage(in_s3), in_s3.storage)
    assert (objects(bucket), unfinished(bucket)) == ([], 0)
    assert (await api.post(URL, json=body, headers=sender.headers)).status_code == 201


async def test_an_upload_joined_before_a_crash_is_known_and_is_removed_when_it_is_late(
    api: httpx2.AsyncClient, bucket: Any, resources: Resources, in_s3: Settings, sender: Person
) -> None:
    upload = await begun(api, sender, LINE)
    await put(upload["parts"][0], LINE)
    (one,) = bucket.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    (part,) = bucket.list_parts(Bucket=BUCKET, Key=one["Key"], UploadId=one["UploadId"])["Parts"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    bucket.complete_multipart_upload(Bucket=BUCKET, Key=one["Key"], UploadId=one["UploadId"], MultipartUpload=parts)
    storage, old = open_storage(in_s3), FileSettings.model_construct(orphan_hours=-1)
    assert await keeping.collect_orphans(resources.db, storage, old) == 0
    assert (await completed(api, sender, upload)).status_code == 201

    late = await begun(api, sender, LINE)
    await put(late["parts"][0], LINE)
    (one,) = bucket.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    bucket.complete_multipart_upload(Bucket=BUCKET, Key=one["Key"], UploadId=one["UploadId"], MultipartUpload=parts)
    async with resources.db.unit_of_work() as db:
        await db.execute(text("UPDATE direct_uploads SET expires_at = now() - interval '1 s'"))
    await keeping.end_expired_direct(resources.db, storage, in_s3.storage)
    assert len(objects(bucket)) == 1


async def test_where_files_are_in_a_directory_the_other_ways_are_named(
    resources: Resources, settings: Settings, sender: Person
) -> None:
    async with serving(settings) as api:
        body = {"filename": "a.log", "size": 1, "sha256": "0" * 64}
        answer = await api.post(URL, json=body, headers=sender.headers)
        assert (answer.status_code, answer.json()["code"]) == (409, "direct_upload_unavailable")
        assert "/files/resumable" in answer.json()["detail"]


async def test_a_resumable_upload_goes_on_in_the_bucket(
    api: httpx2.AsyncClient, bucket: Any, resources: Resources, sender: Person
) -> None:
    tus = Tus(api, sender)
    at = await tus.begun(len(CONTENT))
    assert (await tus.send(at, 0, CONTENT[: PART - 100])).status_code == 204
    # The rest is more than a part: its object is a multipart upload of the bucket's, as is the whole.
    last = await tus.send(at, await tus.offset(at), CONTENT[PART - 100 :])
    assert last.status_code == 204
    await found_clean(resources)
    content = await api.get(f"/api/v1/files/{last.headers['X-File-Id']}/content", headers=sender.headers)
    assert content.content == CONTENT
    assert (len(objects(bucket)), unfinished(bucket)) == (1, 0)


def test_parts_are_of_one_size_and_no_more_than_a_bucket_takes() -> None:
    assert part_sizes(1) == [1]
    assert part_sizes(2 * PART) == [PART, PART]
    huge = part_sizes(100_000 * PART + 1)
    assert (len(huge) <= 10_000, sum(huge)) == (True, 100_000 * PART + 1)
