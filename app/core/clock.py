"""The one clock: aware times in UTC."""

from datetime import UTC, datetime


def now() -> datetime:
    return datetime.now(UTC)
