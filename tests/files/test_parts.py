"""A long recording shared by workers: its parts come in any order, twice, late or never, and make one result."""

import asyncio
import os
import uuid
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from sqlalchemy import delete, func, select, update

from app.core.clock import now
from app.core.resources import Resources
from app.core.settings import SpeechSettings
from app.files import service, transcribing
from app.files.recognition.media import cut_recording
from app.files.recognition.result import (
    CutRecording,
    Progress,
    Recognition,
    RecognitionFailed,
    RecognitionSettings,
    Segment,
    Unreadable,
)
from app.files.recognition_process import RecognitionProcess
from app.files.repository.uploads import unknown_keys
from app.files.scanning import baseline
from app.files.scanning.budget import Limits
from app.files.scanning.verdict import Verdict
from app.files.service import keeping
from app.files.signatures import Group
from app.files.tasks import recognition as tasks
from app.jobs import claims
from app.jobs.errors import ClaimLost
from app.models.file import File, FileSegment
from app.models.file_part import FilePart
from app.models.job import Job
from app.models.outbox import OutboxRow
from app.outbox.deliveries import Push
from app.relay.subscriptions import build
from tests.factories.people import Person
from tests.files import samples
from tests.files.conftest import Upload
from tests.files.speech.conftest import voice
from tests.files.speech.peers import Peer, as_json

SECOND = 16_000
PARTS = 3
LONG = samples.wav(np.tile(np.concatenate([voice(), np.zeros(3 * SECOND, np.int16)]), 2 * PARTS))
"""Six times four seconds of speech, with silence after each; two of them are a part."""


class Hearing(RecognitionProcess):
    """Scans and cuts for real, in this process; hears what it is told to, by the part's place."""

    def __init__(self, **failures: Exception) -> None:
        super().__init__()
        self.failures = failures
        self.heard: list[str] = []
        self.held: asyncio.Event | None = None
        self.begun, self.all_begun = asyncio.Event(), asyncio.Event()

    async def scan(self, path: Path, group: Group, *, limits: Limits, seconds: float) -> Verdict:
        return await asyncio.to_thread(baseline.scan, path, group, limits)

    async def cut(
        self, path: Path, folder: Path, *, settings: RecognitionSettings, seconds: float, progress: Progress
    ) -> CutRecording:
        return await asyncio.to_thread(cut_recording, path, folder, settings=settings, progress=lambda *_: None)

    async def hear(
        self,
        path: Path,
        pieces: Sequence[tuple[int, int]],
        *,
        settings: RecognitionSettings,
        seconds: float,
        progress: Progress,
    ) -> Recognition:
        assert (await asyncio.to_thread(path.read_bytes)).startswith(b"fLaC")
        name = f"part{round(pieces[0][0] / (14 * SECOND))}"
        self.heard.append(name)
        self.begun.set()
        if len(self.heard) == PARTS:
            self.all_begun.set()
        if self.held is not None:
            await self.held.wait()
        if (failure := self.failures.get(name)) is not None:
            raise failure
        segments = [Segment(f"{name} said this", 0.8, start_s=0.5, end_s=1.5)]
        return Recognition("transcription", segments[0].text, segments, 0.8, "scripted", "1", "en")


def changed(resources: Resources, **speech: Any) -> Resources:
    settings = resources.settings
    jobs = settings.jobs.model_copy(update={"max_attempts": 2})
    spoken = settings.speech.model_copy(update={"part_seconds": 8, **speech})
    fields = {name: getattr(resources, name) for name in Resources.__slots__}
    return Resources(**{**fields, "settings": settings.model_copy(update={"jobs": jobs, "speech": spoken})})


@pytest.fixture
def desk(resources: Resources) -> Resources:
    """Resources of a worker that cuts early."""
    return changed(resources)


def hearing(monkeypatch: pytest.MonkeyPatch, **failures: Exception) -> Hearing:
    process = Hearing(**failures)
    monkeypatch.setattr(tasks, "_process", process)
    return process


async def split(upload: Upload, desk: Resources, content: bytes = LONG) -> tuple[uuid.UUID, list[uuid.UUID]]:
    """An uploaded recording whose file's job has run; that job, and those of its parts."""
    body = (await upload(content, "call.wav", "audio/wav")).json()
    job_id = uuid.UUID(body["job_id"])
    await tasks.recognise_file.handler(desk, job_id)
    async with desk.db.session() as db:
        parts = (await db.execute(select(FilePart.job_id).order_by(FilePart.position))).scalars().all()
    return job_id, list(parts)


async def hear(desk: Resources, *job_ids: uuid.UUID) -> None:
    for job_id in job_ids:
        await tasks.recognise_part.handler(desk, job_id)


async def the_file(desk: Resources) -> File:
    async with desk.db.session() as db:
        return (await db.execute(select(File))).scalar_one()


async def job(desk: Resources, job_id: uuid.UUID) -> Job:
    async with desk.db.session() as db:
        return await db.get_one(Job, job_id)


async def told(desk: Resources, kind: str) -> list[dict[str, Any]]:
    async with desk.db.session() as db:
        query = select(OutboxRow.payload).where(OutboxRow.type == kind).order_by(OutboxRow.id)
        return list((await db.execute(query)).scalars())


async def count(desk: Resources, table: type[Any]) -> int:
    async with desk.db.session() as db:
        return (await db.execute(select(func.count()).select_from(table))).scalar_one()


async def test_parts_in_any_order_make_one_result_in_theirs_with_progress_on_the_way(
    api: httpx2.AsyncClient, upload: Upload, desk: Resources, sender: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    hearing(monkeypatch)
    job_id, parts = await split(upload, desk)
    assert len(parts) == PARTS
    waiting = await job(desk, job_id)
    assert (waiting.state, waiting.stage, waiting.progress) == ("queued", "transcription", 0.1)
    async with desk.db.session() as db:
        keys = [str(key) for key in (await db.execute(select(FilePart.storage_key))).scalars()]
        assert await unknown_keys(db, keys) == set()
    await hear(desk, parts[2], parts[0])
    assert (await job(desk, job_id)).progress == 0.7
    await hear(desk, parts[1])
    file = await the_file(desk)
    body = (await api.get(f"/api/v1/files/{file.id}/text", headers=sender.headers)).json()
    assert body["text"] == "part0 said this\npart1 said this\npart2 said this"
    starts = [segment["start_s"] for segment in body["segments"]]
    assert starts == [pytest.approx(0.5 + 14 * place, abs=0.5) for place in range(PARTS)]
    assert (body["engine"], body["language"], body["confidence"]) == ("scripted", "en", 0.8)
    assert body["metadata"]["parts"] == PARTS
    assert body["metadata"]["partial"] is False
    assert body["metadata"]["container"] == "wav"
    status = (await api.get(f"/api/v1/files/{file.id}/status", headers=sender.headers)).json()
    assert (status["processing_status"], status["progress"], status["error"]) == ("completed", 1.0, None)
    news = await told(desk, "file.processing_progress")
    assert [one["message"] for one in news[-3:]] == [f"Transcribed {done} of 3 parts" for done in (0, 1, 2)]
    assert [one["progress"] for one in news] == sorted(one["progress"] for one in news)
    assert len(await told(desk, "file.transcription_completed")) == 1
    assert await count(desk, FilePart) == 0
    for key in keys:
        with pytest.raises(Exception, match=key):
            await anext(desk.storage.read(key))


async def test_parts_that_end_at_the_same_time_are_joined_once(
    upload: Upload, desk: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = hearing(monkeypatch)
    process.held = asyncio.Event()
    _, parts = await split(upload, desk)
    working = [asyncio.create_task(hear(desk, part)) for part in parts]
    await process.all_begun.wait()
    process.held.set()
    await asyncio.gather(*working)
    # And again, as messages come.
    await hear(desk, *parts)
    assert len(process.heard) == PARTS
    assert len(await told(desk, "file.transcription_completed")) == 1
    assert await count(desk, FileSegment) == PARTS


async def test_a_part_that_fails_for_good_leaves_a_gap_that_the_result_tells(
    upload: Upload, desk: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    hearing(monkeypatch, part1=Unreadable("Its decoder crashed.", "transcription"))
    job_id, parts = await split(upload, desk)
    await hear(desk, *parts)
    file = await the_file(desk)
    assert (file.processing_status, file.error) == ("completed", None)
    assert file.details["partial"] is True
    assert file.details["missing"].startswith("0:00:1")
    assert file.details["missing"].endswith("The speech cannot be transcribed: local: Its decoder crashed.")
    assert await count(desk, FileSegment) == PARTS - 1
    assert ((await job(desk, job_id)).state, (await job(desk, parts[1])).state) == ("succeeded", "failed")


async def test_without_any_part_the_file_fails_with_the_reason(
    upload: Upload, desk: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: dict[str, Exception] = {f"part{n}": RecognitionFailed("Too slow.", "transcription") for n in range(PARTS)}
    hearing(monkeypatch, **failures)
    job_id, parts = await split(upload, desk)
    await hear(desk, *parts)
    file = await the_file(desk)
    assert file.processing_status == "failed"
    assert "Too slow." in str(file.error)
    assert ((await job(desk, job_id)).state, (await job(desk, job_id)).error) == ("failed", file.error)
    assert [one["error"] for one in await told(desk, "file.processing_failed")] == [file.error]
    assert await count(desk, FilePart) == 0


async def test_a_part_that_is_given_up_does_not_keep_the_others_waiting(
    upload: Upload, desk: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    hearing(monkeypatch, part2=OSError("disk"))
    _, parts = await split(upload, desk)
    await hear(desk, *parts[:2])
    for _ in range(2):
        with pytest.raises(OSError, match="disk"):
            await hear(desk, parts[2])
    async with desk.db.session() as db:
        row = (await db.execute(select(OutboxRow).where(OutboxRow.type == "job.exhausted"))).scalar_one()
    (call,) = build().deliveries(row.type, row.payload)
    assert call.name == "files.give_up_part"  # type: ignore[union-attr]
    await tasks.give_up_part.handler(desk, parts[2])
    await tasks.give_up_part.handler(desk, parts[2])
    file = await the_file(desk)
    assert file.processing_status == "completed"
    assert "Given up after 2 attempts" in file.details["missing"]
    assert len(await told(desk, "file.transcription_completed")) == 1


async def test_a_part_that_was_given_up_without_being_told_is_told_again(
    upload: Upload, desk: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    hearing(monkeypatch)
    _, (first, *_) = await split(upload, desk)
    async with desk.db.unit_of_work() as db:
        await db.execute(update(Job).where(Job.id == first).values(state="failed", finished_at=now(), error="Silence."))
    await keeping.end_abandoned_files(desk.db)
    (again,) = await told(desk, "job.exhausted")
    assert (again["job_id"], again["reason"]) == (str(first), "Silence.")


async def test_a_worker_that_lost_its_part_adds_nothing(
    upload: Upload, desk: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = hearing(monkeypatch)
    _, parts = await split(upload, desk)
    process.held = asyncio.Event()
    late = asyncio.create_task(hear(desk, parts[0]))
    await process.begun.wait()
    async with desk.db.unit_of_work() as db:
        expired = {"lease_expires_at": func.clock_timestamp() - timedelta(seconds=1)}
        await db.execute(update(Job).where(Job.id == parts[0]).values(**expired))
    held, process.held = process.held, None
    await hear(desk, *parts)
    held.set()
    await late
    assert process.heard.count("part0") == 2
    assert await count(desk, FileSegment) == PARTS
    assert len(await told(desk, "file.transcription_completed")) == 1


async def test_a_file_that_is_looked_at_while_its_parts_are_worked_on_waits_on(
    upload: Upload, desk: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = hearing(monkeypatch)
    job_id, parts = await split(upload, desk)
    await hear(desk, parts[0])
    for _ in range(3):
        await tasks.recognise_file.handler(desk, job_id)
    waiting = await job(desk, job_id)
    assert (waiting.state, waiting.progress, waiting.attempts) == ("queued", 0.4, 0)
    assert waiting.due_at > now() + timedelta(minutes=30)
    await hear(desk, *parts[1:])
    await tasks.recognise_file.handler(desk, job_id)
    assert (await job(desk, job_id)).state == "succeeded"
    assert len(process.heard) == PARTS


async def test_whoever_looks_at_the_file_when_its_last_part_ends_loses_it(
    upload: Upload, desk: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    hearing(monkeypatch)
    job_id, parts = await split(upload, desk)
    await hear(desk, *parts[:2])
    claim = await claims.claim(desk, job_id)
    assert claim is not None
    await hear(desk, parts[2])
    async with desk.db.session() as db:
        assert not await service.wait_again(db, claim)
        with pytest.raises(ClaimLost):
            await service.begin(db, claim)
    assert (await the_file(desk)).processing_status == "completed"
    assert (await job(desk, job_id)).state == "succeeded"


async def test_parts_of_a_file_that_is_gone_end(
    upload: Upload, desk: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = hearing(monkeypatch)
    _, parts = await split(upload, desk)
    process.held = asyncio.Event()
    during = asyncio.create_task(hear(desk, parts[0]))
    await process.begun.wait()
    async with desk.db.unit_of_work() as db:
        await db.execute(delete(File))
    process.held.set()
    await during
    await hear(desk, *parts[1:])
    assert process.heard == ["part0"]
    async with desk.db.session() as db:
        states = set((await db.execute(select(Job.state).where(Job.id.in_(parts)))).scalars())
    assert states == {"failed"}


async def test_a_part_waits_for_an_engine_that_is_away_and_then_does_without(
    upload: Upload, resources: Resources, openai: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hearing(monkeypatch)
    remote = {"engines": ["openai"], "openai_url": f"{openai.url}/v1", "openai_key": None}
    patient = changed(resources, **remote)
    _, parts = await split(upload, patient)
    await hear(patient, parts[0], parts[1])
    waiting = await job(patient, parts[0])
    assert (waiting.state, waiting.attempts) == ("queued", 0)
    assert waiting.due_at > now()
    await hear(changed(resources, **remote, wait_minutes=0.0), *parts)
    file = await the_file(patient)
    assert file.processing_status == "failed"
    assert "credentials" in str(file.error)


async def test_a_short_recording_is_heard_at_once_and_says_which_engine_was_passed_over(
    upload: Upload, resources: Resources, openai: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hearing(monkeypatch)
    openai.instead.append(as_json(503, {"error": {"message": "overloaded"}}))
    desk = changed(resources, engines=["openai", "local"], openai_url=f"{openai.url}/v1", part_seconds=300)
    _, parts = await split(upload, desk)
    assert parts == []
    file = await the_file(desk)
    assert (file.processing_status, file.engine, file.details["parts"]) == ("completed", "scripted", 1)
    assert file.details["engines_passed_over"] == "openai: it answered 503: overloaded"


async def test_a_short_recording_waits_for_an_engine_too(
    upload: Upload, resources: Resources, openai: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hearing(monkeypatch)
    remote = {"engines": ["openai"], "openai_url": f"{openai.url}/v1", "part_seconds": 300}
    job_id, _ = await split(upload, changed(resources, **remote))
    waiting = await job(resources, job_id)
    assert (waiting.state, waiting.attempts) == ("queued", 0)
    assert (await told(resources, "file.processing_progress"))[-1]["message"] == "Waiting for a speech engine"
    await tasks.recognise_file.handler(changed(resources, **remote, wait_minutes=0.0), job_id)
    assert (await the_file(resources)).processing_status == "failed"


async def test_silence_is_finished_at_once(upload: Upload, desk: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    process = hearing(monkeypatch)
    await split(upload, desk, samples.wav(np.zeros(20 * SECOND, np.int16)))
    file = await the_file(desk)
    assert (file.processing_status, file.engine, file.confidence) == ("completed", "silero-vad", None)
    assert process.heard == []


async def test_a_due_part_becomes_its_task_and_its_progress_is_pushed(
    upload: Upload, desk: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    hearing(monkeypatch)
    job_id, parts = await split(upload, desk)
    async with desk.db.session() as db:
        rows = (await db.execute(select(OutboxRow).order_by(OutboxRow.id))).scalars().all()
    calls = [
        call
        for row in rows
        if row.type == "job.due" and row.payload["kind"] == service.PART_KIND
        for call in build().deliveries(row.type, row.payload)
    ]
    assert [(call.name, call.queue) for call in calls] == [("files.recognise_part", "parts")] * PARTS  # type: ignore[union-attr]
    assert [call.args[0] for call in calls] == parts  # type: ignore[union-attr]
    last = next(row for row in reversed(rows) if row.type == "file.processing_progress")
    (push,) = (one for one in build().deliveries(last.type, last.payload) if isinstance(one, Push))
    assert (push.channel, push.data["message"]) == (f"job:{job_id}", "Transcribed 0 of 3 parts")


def test_the_engines_language_and_parts_come_from_the_settings(resources: Resources) -> None:
    speech = SpeechSettings(language="de", part_seconds=60)
    limits = tasks.recognition_settings(resources.settings.model_copy(update={"speech": speech}))
    assert (limits.language, limits.part_seconds) == ("de", 60)


def test_what_a_killed_worker_left_of_a_recording_is_removed_and_nothing_else(tmp_path: Path) -> None:
    day_ago = (now() - timedelta(days=1)).timestamp()
    for name in ("evidesk-speech-old", "evidesk-speech-new", "others-old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.flac").write_bytes(b"fLaC")
        if name.endswith("old"):
            os.utime(tmp_path / name, (day_ago, day_ago))
    transcribing.sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evidesk-speech-new", "others-old"]
