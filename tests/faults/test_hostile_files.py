"""Files made to harm their reader, through the real API, relay and worker: each ends in a stated status."""

import zipfile
from io import BytesIO

import httpx2
import pytest

from app.core.auth import Role
from tests.factories.people import register
from tests.faults.site import Site
from tests.faults.test_product import started_api
from tests.files import samples

pytestmark = pytest.mark.timeout(1500)

SETTLED = {"completed", "failed", "quarantined"}
BY_US = {
    "eicar.txt": rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*",
    "claims.png": samples.png_header(100_000, 100_000),
    "cut.png": samples.png("whole")[:200],
    "empty.png": b"",
    "cut.pdf": samples.pdf("page")[:300],
    "entities.odt": samples.odt("&a;", prolog='<!DOCTYPE x [<!ENTITY a "lol">]>'),
}


def bomb() -> bytes:
    """200 MB of zeros, packed twice."""
    inner = BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("zeros", "w") as zeros:
        for _ in range(200):
            zeros.write(bytes(1024 * 1024))
    return samples.zipped({"inner.zip": inner.getvalue()})


def given() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(samples.shared("hostile").rglob("*")) if path.is_file()}


async def test_every_hostile_file_ends_in_a_stated_status_and_the_worker_goes_on(site: Site) -> None:
    files = given()
    assert len(files) > 50
    site.start("api", "app.commands.api")
    site.start("relay", "app.commands.relay")
    worker = site.start("worker", "app.commands.worker", EVIDESK_JOBS__LEASE_SECONDS="30")
    person = await register(site.resources, Role.AGENT)
    async with started_api(site) as client:
        rejected: dict[str, str] = {}
        jobs: dict[str, str] = {}
        made = {**BY_US, "bomb.zip": bomb()}
        for name, content in [*files.items(), *made.items()]:
            answer = await sent(client, person.headers, name, content)
            if answer.status_code == 201:
                jobs[name] = answer.json()["id"]
            else:
                assert answer.status_code == 400, answer.text
                rejected[name] = answer.json()["detail"]
        ended = {}
        for name, file_id in jobs.items():
            settled = "SELECT processing_status IN ('completed', 'failed', 'quarantined') FROM files WHERE id = :id"
            await site.until_row(settled, id=file_id)
            ended[name] = (await client.get(f"/api/v1/files/{file_id}/status", headers=person.headers)).json()
        good = await sent(client, person.headers, "good.txt", b"The worker still answers.\n")
        await site.until_row("SELECT processing_status = 'completed' FROM files WHERE id = :id", id=good.json()["id"])
    assert worker.poll() is None
    assert all(rejected.values())
    for name, status in ended.items():
        assert status["processing_status"] in SETTLED, name
        assert (status["processing_status"] == "completed") == (status["error"] is None), (name, status)
        assert status["scan_status"] in ("clean", "quarantined"), (name, status)
        if status["error"]:
            assert status["error"].endswith("."), (name, status)
            assert str(site.directory) not in status["error"]
    how = {name: status["processing_status"] for name, status in ended.items()}
    for name in ("eicar.txt", "claims.png", "bomb.zip", "decompression_bomb.ico", "zipslip_zip-slip.zip"):
        assert how[name] == "quarantined", (name, ended[name])
    assert how["cut.png"] == how["cut.pdf"] == "failed"
    assert how["broken_exif_dpi.jpg"] == "completed"
    assert "empty.png" in rejected


async def sent(client: httpx2.AsyncClient, headers: dict[str, str], name: str, content: bytes) -> httpx2.Response:
    return await client.post("/api/v1/files/upload", files={"file": (name, content)}, headers=headers)
