"""Logs and traces."""

from typing import Literal

from pydantic import BaseModel, Field


class TelemetrySettings(BaseModel):
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    otlp_endpoint: str | None = Field(
        default=None, description="OTLP/HTTP base address; unset: spans are not exported."
    )
