"""Where rows and bytes are kept."""

from typing import Literal

from pydantic import BaseModel, Field


class DatabaseSettings(BaseModel):
    pool_size: int = Field(default=16, ge=1)
    max_overflow: int = Field(default=8, ge=0)
    pool_timeout_seconds: float = Field(default=10.0, gt=0)
    statement_timeout_ms: int = Field(default=30_000, ge=100)


class StorageSettings(BaseModel):
    backend: Literal["local", "s3"] = "local"
    s3_bucket: str | None = None
    s3_prefix: str = ""
    s3_public_endpoint: str | None = Field(
        default=None, description="Where clients reach the bucket, if not at the address that this host uses."
    )
