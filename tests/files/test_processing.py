import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select, update

from app.core.resources import Resources
from app.core.settings import Settings
from app.files import service
from app.files.content_type import ContentType
from app.files.recognition.result import (
    Hostile,
    Progress,
    Recognition,
    RecognitionFailed,
    RecognitionSettings,
    Segment,
    Unreadable,
)
from app.files.recognition_process import RecognitionProcess
from app.files.scanning import baseline
from app.files.scanning.budget import Limits
from app.files.scanning.verdict import Verdict
from app.files.service import keeping
from app.files.signatures import Group
from app.files.tasks import recognition as tasks
from app.jobs import claims
from app.models.file import File, FileSegment
from app.models.job import Job
from app.models.outbox import OutboxRow
from app.outbox.deliveries import Push
from app.relay.subscriptions import build
from tests.factories.people import Person
from tests.files import samples
from tests.files.conftest import Upload

READ = Recognition(
    analysis_type="ocr",
    text="line one\nline two",
    segments=[
        Segment("line one", 0.9, box=((0.0, 0.0), (9.0, 0.0), (9.0, 5.0), (0.0, 5.0))),
        Segment("line two", 0.8, page=2),
    ],
    confidence=0.85,
    engine="scripted",
    engine_version="1",
    metadata={"lines": 2},
)


class ScriptedProcess(RecognitionProcess):
    """Gives a prepared outcome instead of starting the engines."""

    def __init__(self, *outcomes: Recognition | Exception, seconds: float = 0.0) -> None:
        super().__init__()
        self.outcomes = list(outcomes)
        self.seconds = seconds
        self.runs = 0
        self.started = asyncio.Event()

    async def scan(self, path: Path, group: Group, *, limits: Limits, seconds: float) -> Verdict:
        """The real scan, in this process."""
        return await asyncio.to_thread(baseline.scan, path, group, limits)

    async def run(
        self, path: Path, content: ContentType, *, settings: RecognitionSettings, seconds: float, progress: Progress
    ) -> Recognition:
        self.runs += 1
        self.started.set()
        assert await asyncio.to_thread(path.is_file)
        progress("validation", 0.5, "Checking")
        progress("ocr", 0.5, "Reading")
        progress("validation", 0.1, "Going back does not lower progress")
        await asyncio.sleep(self.seconds)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@pytest.fixture(scope="module")
def engines() -> Iterator[RecognitionProcess]:
    """The real child process, shared by this module's tests."""
    process = RecognitionProcess()
    yield process
    process.close()


@pytest.fixture
def quick(resources: Resources) -> Resources:
    """Resources whose claims run out soon."""
    settings = resources.settings
    jobs = settings.jobs.model_copy(update={"lease_seconds": 0.6, "max_attempts": 2})
    fields = {name: getattr(resources, name) for name in Resources.__slots__}
    return Resources(**{**fields, "settings": settings.model_copy(update={"jobs": jobs})})


@pytest.fixture
def strict(resources: Resources) -> Resources:
    """Resources whose jobs are tried twice."""
    jobs = resources.settings.jobs.model_copy(update={"max_attempts": 2})
    fields = {name: getattr(resources, name) for name in Resources.__slots__}
    return Resources(**{**fields, "settings": resources.settings.model_copy(update={"jobs": jobs})})


def scripted(
    monkeypatch: pytest.MonkeyPatch, *outcomes: Recognition | Exception, seconds: float = 0.0
) -> ScriptedProcess:
    process = ScriptedProcess(*outcomes, seconds=seconds)
    monkeypatch.setattr(tasks, "_process", process)
    return process


async def uploaded(upload: Upload, content: bytes = b"some words\n", name: str = "a.txt") -> tuple[str, uuid.UUID]:
    body = (await upload(content, name)).json()
    return body["id"], uuid.UUID(body["job_id"])


async def recognise(resources: Resources, job_id: uuid.UUID) -> None:
    await tasks.recognise_file.handler(resources, job_id)


async def events(resources: Resources) -> list[OutboxRow]:
    async with resources.db.session() as db:
        query = select(OutboxRow).where(OutboxRow.type.like("file.%")).order_by(OutboxRow.id)
        return list((await db.execute(query)).scalars())


@pytest.mark.parametrize(
    ("content", "name", "expected", "analysis"),
    [
        (samples.png("Error 0x80070057"), "screen.png", "0x80070057", "ocr"),
        (b"2026-11-21 ERROR disk full\n", "app.log", "disk full", "text"),
        (samples.docx("Router rebooted"), "a.docx", "Router rebooted", "document"),
        (samples.zipped({"logs/app.log": b"x"}), "a.zip", "logs/app.log", "archive"),
    ],
)
async def test_a_file_is_read_and_its_text_given(
    api: httpx2.AsyncClient,
    upload: Upload,
    resources: Resources,
    sender: Person,
    engines: RecognitionProcess,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    name: str,
    expected: str,
    analysis: str,
) -> None:
    monkeypatch.setattr(tasks, "_process", engines)
    file_id, job_id = await uploaded(upload, content, name)
    await recognise(resources, job_id)
    text = (await api.get(f"/api/v1/files/{file_id}/text", headers=sender.headers)).json()
    assert text["processing_status"] == "completed"
    assert text["analysis_type"] == analysis
    assert expected in text["text"]
    assert text["segments"]
    status = (await api.get(f"/api/v1/files/{file_id}/status", headers=sender.headers)).json()
    assert (status["processing_status"], status["progress"], status["error"]) == ("completed", 1.0, None)


@pytest.mark.parametrize(
    ("content", "name", "status", "reason"),
    [
        (samples.png("whole")[:200], "cut.png", "failed", "cannot be decoded"),
        (samples.png_header(100_000, 100_000), "bomb.png", "quarantined", "100,000 × 100,000"),
        (samples.wav(samples.tone(0)), "silent.wav", "failed", "no samples"),
        (samples.zipped({"../../evil.txt": b"x"}), "slip.zip", "quarantined", "leaves its folder"),
        (b"SQLite format 3\0" + bytes(99), "a.db", "failed", "No text can be taken"),
    ],
)
async def test_a_file_that_cannot_be_read_says_why_and_is_not_tried_again(
    api: httpx2.AsyncClient,
    upload: Upload,
    resources: Resources,
    sender: Person,
    engines: RecognitionProcess,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    name: str,
    status: str,
    reason: str,
) -> None:
    monkeypatch.setattr(tasks, "_process", engines)
    file_id, job_id = await uploaded(upload, content, name)
    await recognise(resources, job_id)
    await recognise(resources, job_id)
    body = (await api.get(f"/api/v1/files/{file_id}/status", headers=sender.headers)).json()
    assert body["processing_status"] == status
    assert reason in body["error"]
    told = [row for row in await events(resources) if row.type == "file.processing_failed"]
    assert [row.payload["error"] for row in told] == [body["error"]]


async def test_results_are_stored_once_with_their_segments_and_told(
    api: httpx2.AsyncClient,
    upload: Upload,
    resources: Resources,
    sender: Person,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process = scripted(monkeypatch, READ)
    file_id, job_id = await uploaded(upload)
    await recognise(resources, job_id)
    await recognise(resources, job_id)
    assert process.runs == 1
    body = (await api.get(f"/api/v1/files/{file_id}/text", headers=sender.headers)).json()
    assert body["text"] == "line one\nline two"
    assert body["metadata"]["lines"] == 2
    assert body["segments"][0] == {
        "text": "line one", "confidence": 0.9, "page": None, "start_s": None, "end_s": None,
        "box": [[0.0, 0.0], [9.0, 0.0], [9.0, 5.0], [0.0, 5.0]],
    }  # fmt: skip
    types = [row.type for row in await events(resources)]
    assert types.count("file.ocr_completed") == 1
    assert types[-1] == "file.ocr_completed"


async def test_a_transcript_is_told_as_one(
    upload: Upload, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    transcript = Recognition("transcription", "", [], None, "scripted", "1", language="en")
    scripted(monkeypatch, transcript)
    _, job_id = await uploaded(upload)
    await recognise(resources, job_id)
    assert (await events(resources))[-1].type == "file.transcription_completed"


async def test_progress_is_written_now_and_then_and_never_falls(
    upload: Upload, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "PROGRESS_SECONDS", 0.05)
    scripted(monkeypatch, READ, seconds=0.3)
    _, job_id = await uploaded(upload)
    await recognise(resources, job_id)
    shares = [row.payload["progress"] for row in await events(resources) if row.type == "file.processing_progress"]
    assert shares[0] == 0.0
    assert shares[-1] == 0.55
    assert shares == sorted(shares)
    assert len(shares) <= 4


async def test_every_event_of_a_file_is_pushed_to_the_watchers_of_its_job(
    upload: Upload, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "PROGRESS_SECONDS", 0.01)
    scripted(monkeypatch, READ, Unreadable("Broken.", "ocr"), seconds=0.05)
    _, first = await uploaded(upload)
    _, second = await uploaded(upload, b"other words\n")
    await recognise(resources, first)
    await recognise(resources, second)
    subscriptions = build()
    pushed: set[str] = set()
    for row in await events(resources):
        (push,) = (one for one in subscriptions.deliveries(row.type, row.payload) if isinstance(one, Push))
        assert push.channel == f"job:{row.payload['job_id']}"
        assert push.protocol == "file"
        pushed.add(push.type)
    assert pushed == {
        "file_upload_started", "file_upload_completed", "file_processing_progress", "ocr_completed",
        "file_processing_failed",
    }  # fmt: skip


async def test_a_due_job_becomes_the_recognition_task(upload: Upload, resources: Resources) -> None:
    _, job_id = await uploaded(upload)
    async with resources.db.session() as db:
        row = (await db.execute(select(OutboxRow).where(OutboxRow.type == "job.due"))).scalar_one()
    (call,) = build().deliveries(row.type, row.payload)
    assert (call.name, call.queue, call.args) == ("files.recognise", "recognition", (job_id,))  # type: ignore[union-attr]


async def test_a_job_held_by_another_is_left_to_it(
    upload: Upload, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = scripted(monkeypatch, READ)
    _, job_id = await uploaded(upload)
    async with claims.hold(resources, job_id) as held:
        assert held is not None
        await recognise(resources, job_id)
        assert process.runs == 0
        async with resources.db.unit_of_work() as db:
            await service.pass_scan(db, held, scanners="scripted", flags=[])
            await service.complete(db, held, READ, doubted_below=0.7)


async def test_while_the_scanner_is_away_a_file_waits_and_none_passes(
    api: httpx2.AsyncClient,
    upload: Upload,
    resources: Resources,
    sender: Person,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process = scripted(monkeypatch, READ)
    scan = resources.settings.scan.model_copy(update={"clamav": f"unix://{tmp_path}/none"})
    fields = {name: getattr(resources, name) for name in Resources.__slots__}
    without = Resources(**{**fields, "settings": resources.settings.model_copy(update={"scan": scan})})
    file_id, job_id = await uploaded(upload)
    for _ in range(resources.settings.jobs.max_attempts + 1):
        await recognise(without, job_id)
    assert "files wait" in str(await service.check_scanner(without))
    body = (await api.get(f"/api/v1/files/{file_id}/status", headers=sender.headers)).json()
    assert (body["processing_status"], body["scan_status"], process.runs) == ("pending", "scanning", 0)
    assert (await api.get(f"/api/v1/files/{file_id}/content", headers=sender.headers)).status_code == 409
    await recognise(resources, job_id)
    body = (await api.get(f"/api/v1/files/{file_id}/status", headers=sender.headers)).json()
    assert (body["processing_status"], body["scan_status"]) == ("completed", "clean")


async def test_a_long_reading_keeps_its_claim(
    upload: Upload, quick: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, READ, seconds=1.5)
    _, job_id = await uploaded(upload)
    await recognise(quick, job_id)
    async with quick.db.session() as db:
        job = await db.get(Job, job_id)
        assert job is not None
        assert (job.state, job.attempts) == ("succeeded", 1)


async def test_a_worker_that_lost_its_claim_stores_nothing(
    upload: Upload, quick: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = scripted(monkeypatch, READ, seconds=20)
    _, job_id = await uploaded(upload)
    task = asyncio.create_task(recognise(quick, job_id))
    await process.started.wait()
    async with quick.db.unit_of_work() as db:
        await db.execute(update(Job).where(Job.id == job_id).values(claim="another's"))
    await asyncio.wait_for(task, 10)
    async with quick.db.session() as db:
        file = (await db.execute(select(File).where(File.job_id == job_id))).scalar_one()
        assert file.processing_status == "processing"
        assert (await db.execute(select(func.count()).select_from(FileSegment))).scalar_one() == 0


async def test_a_job_that_fails_for_other_reasons_is_tried_again_and_then_given_up(
    api: httpx2.AsyncClient, upload: Upload, strict: Resources, sender: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, OSError("disk"), OSError("disk"))
    file_id, job_id = await uploaded(upload)
    for _ in range(2):
        with pytest.raises(OSError, match="disk"):
            await recognise(strict, job_id)
    await recognise(strict, job_id)
    async with strict.db.session() as db:
        row = (await db.execute(select(OutboxRow).where(OutboxRow.type == "job.exhausted"))).scalar_one()
    (call,) = build().deliveries(row.type, row.payload)
    assert call.name == "files.give_up"  # type: ignore[union-attr]
    await tasks.give_up_file.handler(strict, job_id)
    await tasks.give_up_file.handler(strict, job_id)
    body = (await api.get(f"/api/v1/files/{file_id}/status", headers=sender.headers)).json()
    assert body["processing_status"] == "failed"
    assert "Given up after 2 attempts" in body["error"]
    assert [row.type for row in await events(strict)].count("file.processing_failed") == 1


async def test_a_file_whose_scan_was_given_up_is_not_scanning_any_more(
    api: httpx2.AsyncClient, upload: Upload, strict: Resources, sender: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = scripted(monkeypatch)

    async def lost(*_: object, **__: object) -> Verdict:
        raise OSError("disk")

    monkeypatch.setattr(process, "scan", lost)
    file_id, job_id = await uploaded(upload)
    for _ in range(2):
        with pytest.raises(OSError, match="disk"):
            await recognise(strict, job_id)
    await tasks.give_up_file.handler(strict, job_id)
    body = (await api.get(f"/api/v1/files/{file_id}/status", headers=sender.headers)).json()
    assert (body["processing_status"], body["scan_status"]) == ("failed", "received")
    assert "Given up after 2 attempts" in body["error"]
    assert (await api.get(f"/api/v1/files/{file_id}/content", headers=sender.headers)).status_code == 409


async def test_a_file_that_was_not_told_that_its_job_was_given_up_is_ended(
    api: httpx2.AsyncClient, upload: Upload, resources: Resources, sender: Person
) -> None:
    lost_id, lost = await uploaded(upload)
    open_id, _ = await uploaded(upload, b"other words\n")
    async with resources.db.unit_of_work() as db:
        await db.execute(
            update(Job).where(Job.id == lost).values(state="failed", finished_at=func.now(), error="Given up: silence.")
        )
        await db.execute(
            update(File).where(File.job_id == lost).values(processing_status="processing", scan_status="scanning")
        )
    for _ in range(2):
        await keeping.end_abandoned_files(resources.db)
    body = (await api.get(f"/api/v1/files/{lost_id}/status", headers=sender.headers)).json()
    assert (body["processing_status"], body["scan_status"]) == ("failed", "received")
    assert body["error"] == "Given up: silence."
    body = (await api.get(f"/api/v1/files/{open_id}/status", headers=sender.headers)).json()
    assert body["processing_status"] == "pending"
    assert [row.type for row in await events(resources)].count("file.processing_failed") == 1


@pytest.mark.parametrize(
    ("analysis", "text", "confidence", "low", "language"),
    [
        ("ocr", "Der Drucker im Büro druckt seit gestern nicht mehr.", 0.55, True, "de"),
        ("transcription", "I cannot log in to the portal since this morning.", 0.4, True, "en"),
        ("document", "Комната для переговоров не открывается", 1.0, False, "ru"),
        ("text", "0x80070057", 0.7, False, None),
        ("ocr", "", None, False, None),
    ],
)
async def test_a_result_says_its_language_and_whether_it_is_to_be_doubted(
    api: httpx2.AsyncClient,
    upload: Upload,
    resources: Resources,
    sender: Person,
    monkeypatch: pytest.MonkeyPatch,
    analysis: Any,
    text: str,
    confidence: float | None,
    low: bool,
    language: str | None,
) -> None:
    segments = [Segment(text, confidence)] if text else []
    scripted(monkeypatch, Recognition(analysis, text, segments, confidence, "scripted", "1"))
    file_id, job_id = await uploaded(upload)
    await recognise(resources, job_id)
    for path in ("", "/text"):
        body = (await api.get(f"/api/v1/files/{file_id}{path}", headers=sender.headers)).json()
        assert (body["confidence"], body["low_confidence"], body["language"]) == (confidence, low, language)


async def test_the_language_an_engine_knew_is_kept(
    api: httpx2.AsyncClient, upload: Upload, resources: Resources, sender: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, Recognition("transcription", "okay", [], 0.9, "scripted", "1", language="nl"))
    file_id, job_id = await uploaded(upload)
    await recognise(resources, job_id)
    assert (await api.get(f"/api/v1/files/{file_id}", headers=sender.headers)).json()["language"] == "nl"


async def test_giving_up_a_finished_file_changes_nothing(
    upload: Upload, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, READ)
    _, job_id = await uploaded(upload)
    await recognise(resources, job_id)
    await tasks.give_up_file.handler(resources, job_id)
    await tasks.give_up_file.handler(resources, uuid.uuid4())
    async with resources.db.session() as db:
        assert (await db.execute(select(File.processing_status))).scalar_one() == "completed"


@pytest.mark.parametrize("outcome", [READ, Hostile("Bomb.", "validation")])
async def test_a_file_that_is_gone_ends_its_job(
    upload: Upload, resources: Resources, monkeypatch: pytest.MonkeyPatch, outcome: Recognition | RecognitionFailed
) -> None:
    process = scripted(monkeypatch, outcome, seconds=0.3)
    _, before = await uploaded(upload)
    _, during = await uploaded(upload, b"other words\n")
    async with resources.db.unit_of_work() as db:
        await db.delete((await db.execute(select(File).where(File.job_id == before))).scalar_one())
    await recognise(resources, before)
    assert process.runs == 0
    task = asyncio.create_task(recognise(resources, during))
    await process.started.wait()
    async with resources.db.unit_of_work() as db:
        await db.delete((await db.execute(select(File).where(File.job_id == during))).scalar_one())
    await task
    async with resources.db.session() as db:
        assert set((await db.execute(select(Job.state).where(Job.kind == service.JOB_KIND))).scalars()) == {"failed"}


async def test_progress_that_cannot_be_written_does_not_stop_the_reading(
    upload: Upload, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: object, **__: object) -> None:
        raise OSError("away")

    _, job_id = await uploaded(upload)
    scripted(monkeypatch, READ, seconds=0.1)
    begin = service.begin

    async def begun(*args: object) -> object:
        work = await begin(*args)  # type: ignore[arg-type] # passed on
        monkeypatch.setattr(service, "report_progress", refused)
        return work

    monkeypatch.setattr(service, "begin", begun)
    await recognise(resources, job_id)
    assert (await events(resources))[-1].type == "file.ocr_completed"


def test_the_engines_limits_come_from_the_settings(settings: Settings) -> None:
    limits = tasks.recognition_settings(settings)
    assert limits.max_pixels == settings.files.max_pixels
    assert limits.max_media_seconds == settings.files.max_media_seconds
    assert limits.threads >= 1


def test_a_worker_process_warms_its_engines_up_and_closes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    class Watched(RecognitionProcess):
        def warm_up(self, settings: RecognitionSettings) -> None:
            calls.append("warm")

        def close(self) -> None:
            calls.append("close")

    monkeypatch.setattr(tasks, "_process", Watched())
    tasks.warm_up()
    tasks.close_process()
    assert calls == ["warm", "close"]
