from tests.faults.site import Site

IN_THE_MIDDLE = "SELECT stage = 'ocr' FROM jobs WHERE id = :id AND state = 'running' AND attempts = :attempt"
DONE = "SELECT state = 'succeeded' FROM jobs WHERE id = :id"
RESULTS = "SELECT count(*) FROM outbox WHERE type = 'test.recognised' AND payload->>'job_id' = :id"
ATTEMPT_OF_RESULT = "SELECT payload->>'attempt' FROM outbox WHERE type = 'test.recognised' AND payload->>'job_id' = :id"


async def test_a_killed_workers_job_is_finished_by_another_once(site: Site) -> None:
    job = await site.new_job(first_attempt_seconds=60)
    first = site.start_worker("first")
    site.start_relay()
    await site.until_row(IN_THE_MIDDLE, id=job, attempt=1)
    site.kill(first)
    site.start_worker("second")
    await site.until_row(DONE, id=job)
    assert await site.value("SELECT attempts FROM jobs WHERE id = :id", id=job) == 2
    assert await site.value(RESULTS, id=str(job)) == 1


async def test_a_worker_that_only_slept_cannot_store_its_late_result(site: Site) -> None:
    job = await site.new_job(first_attempt_seconds=1.0)
    first = site.start_worker("first")
    site.start_relay()
    await site.until_row(IN_THE_MIDDLE, id=job, attempt=1)
    site.freeze(first)
    site.start_worker("second")
    await site.until_row(DONE, id=job)
    site.thaw(first)
    # Told by the lease's renewal or by the refused result, whichever comes first.
    await site.until_written("first", "claim_lost|ClaimLost", "first learns that it lost its claim")
    assert await site.value(RESULTS, id=str(job)) == 1
    assert await site.value(ATTEMPT_OF_RESULT, id=str(job)) == "2"


async def test_a_child_killed_alone_loses_no_job_and_no_worker(site: Site) -> None:
    """As the kernel does to a process that takes too much memory."""
    job = await site.new_job(first_attempt_seconds=60)
    worker = site.start_worker()
    site.start_relay()
    await site.until_row(IN_THE_MIDDLE, id=job, attempt=1)
    site.kill_children(worker)
    await site.until_row(DONE, id=job)
    assert await site.value(RESULTS, id=str(job)) == 1
    assert worker.poll() is None
