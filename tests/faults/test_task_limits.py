from app.core.tasks import HARD_LIMIT_GRACE_SECONDS, celery
from tests.faults.room import flaky, stuck
from tests.faults.site import Site


async def test_retries_and_hard_limits_are_real_in_a_worker(site: Site) -> None:
    """One worker for both: first a task that has to be killed with its process, then one that fails twice."""
    worker = site.start_worker()
    await site.send(stuck.call("stuck"))
    await site.send(flaky.call("flaky"), "the-request")

    async def retried() -> bool:
        return await site.resources.redis.llen("flaky") == 3

    await site.until(retried, "the flaky task's third attempt")
    assert await site.resources.redis.get("stuck") == "begun"
    assert await site.resources.redis.lrange("flaky", 0, -1) == ["the-request"] * 3
    assert worker.poll() is None
    # Only now: a sender that has looked its tasks up writes their limits into its messages.
    assert celery.tasks[stuck.name].time_limit == 1 + HARD_LIMIT_GRACE_SECONDS
