"""A job that waits for a worker, and one that is given up. `subject` is what the room gave: a file's or run's id."""

import secrets
from typing import ClassVar
from uuid import UUID

from pydantic import Field

from app.core.schemas import Event


class JobDue(Event):
    type: ClassVar[str] = "job.due"

    job_id: UUID
    kind: str
    subject: str
    dispatch: str = Field(default_factory=lambda: secrets.token_hex(4))
    """Makes each dispatch its own aggregate: one that is put off does not hold back one that is wanted now."""

    @property
    def aggregate(self) -> str:
        return f"job:{self.job_id}:{self.dispatch}"


class JobExhausted(Event):
    """Failed as often as it may; the room tells its people."""

    type: ClassVar[str] = "job.exhausted"

    job_id: UUID
    kind: str
    subject: str
    reason: str

    @property
    def aggregate(self) -> str:
        return f"job:{self.job_id}"
