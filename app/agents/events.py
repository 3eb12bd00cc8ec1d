"""How a run ended. Whoever waits for it is told through the channel `run:<id>`."""

from typing import ClassVar
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
