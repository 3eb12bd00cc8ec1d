"""Numbers for Prometheus: this process's own, and durations that all workers add up in Redis.

A prefork worker has no port of its own to be scraped on, so it adds its observations to one Redis hash a histogram, and
whichever API process is scraped shows the sums. Losing them with Redis looks to Prometheus like a counter's restart.
"""

from collections import Counter as Counts
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import HistogramMetricFamily, Metric

from app.core.redis import REDIS_AWAY, Redis, RedisError
from app.core.telemetry import get_logger

log = get_logger(__name__)

REGISTRY = CollectorRegistry()

REQUEST_SECONDS = Histogram(
    "evidesk_http_request_seconds",
    "Time from a request's first byte to its answer's last, by route.",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30),
    registry=REGISTRY,
)
SOCKETS = Gauge("evidesk_websocket_connections", "Open WebSocket connections of this process.", registry=REGISTRY)
PUSHES = Counter("evidesk_websocket_messages_sent_total", "Messages sent to WebSocket clients.", registry=REGISTRY)


@dataclass(frozen=True, slots=True)
class SharedHistogram:
    """A histogram with one label, kept in Redis for all processes."""

    name: str
    help: str
    label: str
    buckets: tuple[float, ...]

    async def observe(self, redis: Redis, value: float, label: str) -> None:
        await self.observe_all(redis, [(label, value)])

    async def observe_all(self, redis: Redis, observed: Iterable[tuple[str, float]]) -> None:
        """Pairs of label and value. Best effort: a number that is lost must not fail the work that it counts."""
        counts: Counts[str] = Counts()
        sums: dict[str, float] = {}
        for label, value in observed:
            bucket = next((f"{bound:g}" for bound in self.buckets if value <= bound), "+Inf")
            counts[f"{label}|{bucket}"] += 1
            sums[f"{label}|sum"] = sums.get(f"{label}|sum", 0.0) + value
        try:
            async with redis.pipeline(transaction=False) as pipe:
                for field, count in counts.items():
                    pipe.hincrby(self._key, field, count)
                for field, total in sums.items():
                    pipe.hincrbyfloat(self._key, field, total)
                await pipe.execute()
        except (*REDIS_AWAY, RedisError) as error:
            log.warning("metric_lost", metric=self.name, error=type(error).__name__)

    async def read(self, redis: Redis) -> Metric:
        family = HistogramMetricFamily(self.name, self.help, labels=[self.label])
        # The client decodes; its types speak for both kinds of client.
        stored = {str(field): str(value) for field, value in (await redis.hgetall(self._key)).items()}
        for label in sorted({field.rpartition("|")[0] for field in stored}):
            family.add_metric([label], list(self._cumulative(stored, label)), float(stored.get(f"{label}|sum", 0)))
        return family

    def _cumulative(self, stored: dict[str, str], label: str) -> Iterator[tuple[str, float]]:
        total = 0
        for bound in (*(f"{bound:g}" for bound in self.buckets), "+Inf"):
            total += int(stored.get(f"{label}|{bound}", 0))
            yield bound, total

    @property
    def _key(self) -> str:
        return f"metrics:{self.name}"


JOB_SECONDS = SharedHistogram(
    "evidesk_job_seconds",
    "Time a worker spent on a job (a recognition, an agent run), from claim to result.",
    "kind",
    (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
DELIVERY_SECONDS = SharedHistogram(
    "evidesk_outbox_delivery_seconds",
    "Age of an outbox row when it was delivered.",
    "type",
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300),
)
SHARED: Iterable[SharedHistogram] = (JOB_SECONDS, DELIVERY_SECONDS)
