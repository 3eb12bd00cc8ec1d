"""The Redis client: the bus between API processes, Celery's broker, counters. Nothing in it is the only copy."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

REDIS_AWAY = (RedisConnectionError, RedisTimeoutError, OSError)
"""Raised while Redis cannot be reached, as opposed to a command that it refused."""

__all__ = ["REDIS_AWAY", "Redis", "RedisError", "connect"]


def connect(url: str) -> Redis:
    """A pooled client that connects on first use and tries a broken connection once more before it gives up."""
    client: Redis = Redis.from_url(
        url,
        decode_responses=True,
        socket_connect_timeout=2.0,
        socket_timeout=5.0,
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), 1),
        health_check_interval=30,
    )
    return client
