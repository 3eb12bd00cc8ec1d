"""How far the agents are with a ticket. For the staff alone."""

from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from app.core.schemas import Event


class ResolutionProgressed(Event):
    """A step began (`started`) or was settled (`completed`), or the whole has `ended`: then there is no `step`."""

    type: ClassVar[str] = "resolution.progressed"
    ticket_id: int
    resolution_id: UUID
    state: Literal["started", "completed", "ended"]
    step: str | None
    status: str
    progress: float
    error: str | None
    timestamp: datetime

    @property
    def aggregate(self) -> str:
        return f"ticket:{self.ticket_id}"
