"""How a run ended, and how far a batch of them is. Whoever waits for a run is told through the channel `run:<id>`."""

from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from app.core.schemas import Event


class RunEvent(Event):
    run_id: UUID
    operation: str

    @property
    def aggregate(self) -> str:
        return f"run:{self.run_id}"


class RunCompleted(RunEvent):
    type: ClassVar[str] = "run.completed"
    ticket_id: int | None


class RunFailed(RunEvent):
    type: ClassVar[str] = "run.failed"
    reason: str


class BatchProgressed(Event):
    """A run of it has ended (`run_id`), or it has begun: then there is none. The counts are of the whole batch."""

    type: ClassVar[str] = "batch.progressed"
    batch_id: UUID
    user_id: int
    operation: str
    status: Literal["running", "completed"]
    total: int
    pending: int
    running: int
    completed: int
    failed: int
    ticket_id: int | None
    run_id: UUID | None
    timestamp: datetime

    @property
    def aggregate(self) -> str:
        return f"batch:{self.batch_id}"
