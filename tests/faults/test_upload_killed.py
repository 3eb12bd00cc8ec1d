"""A public tus client against the served API, which is killed between and within its requests."""

import asyncio
import hashlib
import http.client
import io

import pytest
from sqlalchemy import update
from tusclient.client import TusClient

from app.models.file import File, ScanStatus
from tests.factories.people import register
from tests.faults.site import Site
from tests.faults.test_product import started_api

pytestmark = pytest.mark.timeout(400)

PIECE = 64 * 1024
CONTENT = b"".join(b"2026-11-21T08:00:00Z INFO request %06d status=200\n" % n for n in range(20_000))
SMALL_PIECES = {"EVIDESK_FILES__PIECE_BYTES": str(PIECE)}


def send_without_end(port: int, path: str, headers: dict[str, str], body: bytes) -> http.client.HTTPConnection:
    """A PATCH whose sender announced more bytes than come."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.putrequest("PATCH", path)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(body)
    return connection


async def test_a_public_client_goes_on_after_the_api_was_killed_between_and_within_its_requests(site: Site) -> None:
    api = site.start("api", "app.commands.api", **SMALL_PIECES)
    person = await register(site.resources)
    client = TusClient(f"http://127.0.0.1:{site.settings.port}/api/v1/files/resumable", headers=person.headers)
    async with started_api(site):
        uploader = client.uploader(
            file_stream=io.BytesIO(CONTENT),
            chunk_size=200_000,
            metadata={"filename": "server.log", "filetype": "text/plain"},
            upload_checksum=True,
        )
        await asyncio.to_thread(uploader.upload_chunk)
        await asyncio.to_thread(uploader.upload_chunk)
        assert uploader.offset == 400_000
        assert uploader.url is not None
        site.kill(api)
    api = site.start("api again", "app.commands.api", **SMALL_PIECES)
    async with started_api(site):
        headers = {
            **person.headers,
            "Tus-Resumable": "1.0.0",
            "Upload-Offset": "400000",
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": "300000",
        }
        path = "/" + uploader.url.split("/", 3)[3]
        begun = await asyncio.to_thread(
            send_without_end, site.settings.port, path, headers, CONTENT[400_000 : 400_000 + PIECE + 1000]
        )
        await site.until_row("SELECT received = :so_far FROM resumable_uploads", so_far=400_000 + PIECE)
        site.kill(api)
        begun.close()
    site.start("api at last", "app.commands.api", **SMALL_PIECES)
    async with started_api(site) as http_client:
        resumed = await asyncio.to_thread(
            client.uploader, file_stream=io.BytesIO(CONTENT), chunk_size=200_000, url=uploader.url
        )
        assert resumed.offset == 400_000 + PIECE
        await asyncio.to_thread(resumed.upload)
        assert resumed.request is not None
        file_id = resumed.request.response_headers["x-file-id"]
        file = (await http_client.get(f"/api/v1/files/{file_id}", headers=person.headers)).json()
        # There is no worker here that would scan it.
        async with site.resources.db.unit_of_work() as db:
            await db.execute(update(File).values(scan_status=ScanStatus.CLEAN))
        content = await http_client.get(f"/api/v1/files/{file_id}/content", headers=person.headers)
    assert (file["filename"], file["file_size"]) == ("server.log", len(CONTENT))
    assert file["sha256"] == hashlib.sha256(CONTENT).hexdigest() == hashlib.sha256(content.content).hexdigest()
    assert await site.value("SELECT count(*) FROM upload_pieces") == 0
    assert await site.value("SELECT count(*) FROM files") == 1
