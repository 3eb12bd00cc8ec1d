"""What Prometheus is told when it asks: this process's numbers, the workers' sums, and the backlogs as they stand."""

from collections.abc import Iterable, Sequence

from prometheus_client import generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from app.analytics import service as analytics
from app.core.metrics import REGISTRY, SHARED
from app.core.redis import REDIS_AWAY, RedisError
from app.core.resources import Resources
from app.health.repository import Backlog, job_backlog, outbox_backlog, scan_backlog
from app.providers import service as providers

QUEUES = ("default", "recognition", "parts")


class _Gathered(Collector):
    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


async def exposition(resources: Resources) -> bytes:
    """Prometheus' text format. A dependency that is away leaves its own numbers out and sets its `up` to 0."""
    gathered: list[Metric] = []
    up = GaugeMetricFamily("evidesk_dependency_up", "1 when it answered this scrape.", labels=["dependency"])
    try:
        async with resources.db.session() as db:
            gathered += _backlogs("evidesk_outbox", "Outbox rows", await outbox_backlog(db))
            gathered += _backlogs("evidesk_jobs", "Jobs", await job_backlog(db))
            gathered += _backlogs("evidesk_files_scan", "Files not found clean", await scan_backlog(db))
            gathered.append(await _budget(db))
        up.add_metric(["database"], 1)
    except (SQLAlchemyError, OSError):
        up.add_metric(["database"], 0)
    try:
        depth = GaugeMetricFamily("evidesk_queue_messages", "Messages waiting in the broker.", labels=["queue"])
        for queue in QUEUES:
            depth.add_metric([queue], float(await resources.redis.llen(queue)))
        gathered += [depth, *[await shared.read(resources.redis) for shared in SHARED]]
        up.add_metric(["redis"], 1)
    except (*REDIS_AWAY, RedisError):
        up.add_metric(["redis"], 0)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Gathered([*gathered, up]))
    return generate_latest(REGISTRY) + generate_latest(registry)


async def _budget(db: AsyncSession) -> Metric:
    """A share alone: whoever may scrape need not know what is paid."""
    family = GaugeMetricFamily("evidesk_ai_budget_spent_ratio", "Of the month's budget for models; 1 is all of it.")
    month = await analytics.budget(db, (await providers.platform(db)).costs)
    if month.fraction is not None:
        family.add_metric([], month.fraction)
    return family


def _backlogs(name: str, what: str, backlogs: Sequence[Backlog]) -> list[Metric]:
    count = GaugeMetricFamily(f"{name}_rows", f"{what} in a state.", labels=["kind", "state"])
    age = GaugeMetricFamily(f"{name}_oldest_seconds", f"{what}: age of the oldest.", labels=["kind", "state"])
    for backlog in backlogs:
        count.add_metric([backlog.name, backlog.state], backlog.count)
        age.add_metric([backlog.name, backlog.state], backlog.oldest_seconds)
    return [count, age]
