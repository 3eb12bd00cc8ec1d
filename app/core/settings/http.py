"""The HTTP side of the API."""

from pydantic import BaseModel, Field

MEBIBYTE = 1024 * 1024


class HttpSettings(BaseModel):
    workers: int = Field(default=1, ge=1, description="API processes that share the port; one for each core is usual.")
    max_body_bytes: int = Field(default=2 * MEBIBYTE, ge=1024, description="Of any request but a file upload.")
    cors_origins: list[str] = Field(default_factory=list)
    run_wait_seconds: float = Field(default=30.0, gt=0, description="How long a request waits for a run before 202.")


class RateLimitSettings(BaseModel):
    requests: int = Field(default=6000, ge=1, description="Requests per window and person.")
    anonymous_requests: int = Field(default=600, ge=1, description="Requests per window and address, without a login.")
    window_seconds: int = Field(default=60, ge=1)
