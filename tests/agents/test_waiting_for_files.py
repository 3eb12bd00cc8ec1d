"""A run whose files are still being read keeps no worker, and no moment exists in which its awakening could be lost."""

import uuid
from collections.abc import Sequence

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.agents import repository, service
from app.core.resources import Resources
from app.inference.operations import Operation
from app.jobs import service as jobs
from app.models.agent import AgentRun, RunStatus
from app.models.file import ProcessingStatus
from app.models.job import JobState
from tests.agents.models import DRAFT, Script, answering, calling
from tests.agents.running import ask, carry_out, look
from tests.factories.people import Person
from tests.factories.recognised import add_file, finish_file
from tests.factories.runs import deliver


async def job_state(resources: Resources, run: AgentRun) -> tuple[str, int]:
    async with resources.db.session() as db:
        job = await jobs.find(db, run.job_id)
    assert job is not None
    return job.state, job.attempts


async def test_it_is_put_aside_and_woken_by_its_last_file(equipped: Resources, ada: Person) -> None:
    first = await add_file(equipped, ada.who, status=ProcessingStatus.PENDING)
    second = await add_file(equipped, ada.who, status=ProcessingStatus.PROCESSING)
    run = await ask(equipped, ada, operation=Operation.ANALYZE_FILES, files=[first, second])
    await deliver(equipped)
    assert (await look(equipped, ada, run)).status == "waiting_for_files"
    assert await job_state(equipped, run) == (JobState.QUEUED, 0)

    await finish_file(equipped, first)
    while await deliver(equipped):
        pass
    assert (await look(equipped, ada, run)).status == "waiting_for_files"

    await finish_file(equipped, second, text="the end")
    while await deliver(equipped):
        pass
    found = await look(equipped, ada, run)
    assert (found.status, found.attempts) == ("completed", 1)
    assert found.result is not None
    assert [file["extracted_text"] for file in found.result["files"]] == ["ERR_PAYMENT_504", "the end"]


async def test_a_file_that_failed_is_no_reason_to_wait(equipped: Resources, ada: Person) -> None:
    failed = await add_file(equipped, ada.who, status=ProcessingStatus.FAILED, text=None, confidence=None)
    run = await ask(equipped, ada, operation=Operation.ANALYZE_FILES, files=[failed])
    await deliver(equipped)
    assert (await look(equipped, ada, run)).status == "completed"


async def test_a_file_finished_between_the_look_and_the_waiting_is_not_missed(
    equipped: Resources, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its event comes while nobody can be seen waiting: only the second look can help."""
    file_id = await add_file(equipped, ada.who, status=ProcessingStatus.PENDING)
    run = await ask(equipped, ada, files=[file_id])
    look_at_files = repository.unfinished_files
    looks: list[int] = []

    async def just_before_it_ends(db: AsyncSession, ids: Sequence[uuid.UUID]) -> int:
        looks.append(await look_at_files(db, ids))
        if len(looks) == 1:
            await finish_file(equipped, file_id)
            async with equipped.db.unit_of_work() as other:
                await service.file_processed(other, file_id)
        return looks[-1]

    monkeypatch.setattr(repository, "unfinished_files", just_before_it_ends)
    script = Script([calling("create_ticket", **DRAFT), answering()])
    await carry_out(equipped, run, script)
    assert looks == [1, 0]
    assert (await look(equipped, ada, run)).status == "queued"
    await carry_out(equipped, run, script)
    assert (await look(equipped, ada, run)).status == "completed"


async def test_only_one_of_two_wakes_it(equipped: Resources, ada: Person) -> None:
    """Event and second look may both find the run waiting; the loser does not knock."""
    file_id = await add_file(equipped, ada.who, status=ProcessingStatus.PENDING)
    run = await ask(equipped, ada, files=[file_id])
    await carry_out(equipped, run, Script([answering()]))
    async with equipped.db.unit_of_work() as db:
        assert list(await repository.wake_waiting(db, file_id)) == [run.job_id]
    async with equipped.db.unit_of_work() as db:
        assert not await repository.stop_waiting(db, run.id)
        assert list(await repository.wake_waiting(db, file_id)) == []


async def test_the_second_look_leaves_a_run_alone_that_was_woken_before_it(
    equipped: Resources, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_id = await add_file(equipped, ada.who, status=ProcessingStatus.PENDING)
    run = await ask(equipped, ada, files=[file_id])
    look_at_files = repository.unfinished_files
    looks = 0

    async def woken_meanwhile(db: AsyncSession, ids: Sequence[uuid.UUID]) -> int:
        nonlocal looks
        looks += 1
        if looks == 2:
            waiting = await db.get_one(AgentRun, run.id)
            waiting.status = RunStatus.QUEUED
            await db.flush()
            return 0
        return await look_at_files(db, ids)

    monkeypatch.setattr(repository, "unfinished_files", woken_meanwhile)
    await carry_out(equipped, run, Script([answering()]))
    assert looks == 2
    assert (await look(equipped, ada, run)).status == "queued"
