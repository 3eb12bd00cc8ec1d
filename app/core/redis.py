"""The Redis client: the bus between API processes, Celery's broker, counters. Nothing in it is the only copy."""

import asyncio

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

REDIS_AWAY = (RedisConnectionError, RedisTimeoutError, OSError)
"""Raised while Redis cannot be reached, as opposed to a command that it refused."""

__all__ = ["REDIS_AWAY", "Redis", "RedisError", "connect", "heed_cancellation"]


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


def heed_cancellation() -> None:
    """Between commands of a task that goes on until it is cancelled: raises CancelledError if it was.

    redis-py sends through `asyncio.wait_for`, which up to Python 3.11 returns as if nothing had happened when the
    cancellation comes in the moment the sending is done.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
