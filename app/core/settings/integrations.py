"""Calls of other companies' systems."""

from pydantic import BaseModel, Field, SecretStr


class IntegrationSettings(BaseModel):
    key: SecretStr | None = Field(
        default=None, description="Seals the secrets of connections. Unset: derived from what signs tokens."
    )
    timeout_seconds: float = Field(default=15.0, gt=0, le=120)
    wait_seconds: float = Field(
        default=5.0, ge=0, le=25, description="How long a tool waits for the other system before it says “queued”."
    )
    hosts: list[str] = Field(
        default_factory=list, description="The only hosts that connections may lead to; empty: any public one."
    )
    private_hosts: list[str] = Field(
        default_factory=list, description="Hosts that may have addresses in your own network, and speak plain HTTP."
    )
