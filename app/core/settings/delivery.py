"""How events leave the database and how work is handed to workers."""

from pydantic import BaseModel, Field


class OutboxSettings(BaseModel):
    batch_size: int = Field(default=200, ge=1, le=5000)
    poll_seconds: float = Field(default=1.0, gt=0, description="Fallback when a wake-up by NOTIFY is missed.")
    max_attempts: int = Field(default=12, ge=1, description="After so many failures a row is a dead letter.")
    backoff_seconds: float = Field(default=0.5, gt=0)
    backoff_max_seconds: float = Field(default=300.0, gt=0)
    keep_delivered_hours: int = Field(default=72, ge=1)


class JobSettings(BaseModel):
    lease_seconds: float = Field(default=20.0, gt=0, description="A worker silent for so long has lost its job.")
    claim_seconds: float = Field(default=60.0, gt=0, description="A job unclaimed for so long is dispatched again.")
    reap_seconds: float = Field(default=5.0, gt=0)
    max_attempts: int = Field(default=5, ge=1)
    worker_concurrency: int = Field(default=2, ge=1)
