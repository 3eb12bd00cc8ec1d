from datetime import datetime
from typing import Any

from pydantic import Field

from app.core.schemas import Out


class OutboxEventOut(Out):
    """An event as the outbox keeps it."""

    id: int
    aggregate: str = Field(description="What it happened to; events of one aggregate go out in order.")
    type: str
    payload: dict[str, Any]
    state: str
    attempts: int
    last_error: str | None
    created_at: datetime


class RedrivenOut(Out):
    redriven: int = Field(ge=0, description="How many dead letters are on their way again.")
