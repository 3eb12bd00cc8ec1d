"""What an event leads to: a task for a worker, or a message for those who watch a channel."""

from dataclasses import dataclass
from typing import Any

from app.core.tasks import TaskCall

__all__ = ["REDIS_PREFIX", "Delivery", "Push", "TaskCall"]

REDIS_PREFIX = "ws:"
"""A push to channel "ticket:12" is published in Redis under "ws:ticket:12"."""


@dataclass(frozen=True, slots=True)
class Push:
    """A message for the watchers of `channel`, numbered within it. An event pushes at most one to a channel.

    `data` is JSON and complete: it is stored as it is and replayed as it was.
    """

    channel: str
    protocol: str
    type: str
    data: dict[str, Any]


Delivery = TaskCall | Push
