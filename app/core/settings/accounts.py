"""Logins, tokens and passwords."""

from pydantic import BaseModel, Field, SecretStr


class AuthSettings(BaseModel):
    secret: SecretStr | None = Field(
        default=None, description="Signs tokens. Unset: one is made and kept (mode 0600) in the data directory."
    )
    access_minutes: int = Field(default=15, ge=1, le=24 * 60)
    refresh_days: int = Field(default=14, ge=1, le=365)
    tool_token_seconds: int = Field(default=300, ge=10, description="Life of the token an agent run carries to MCP.")
    principal_cache_seconds: float = Field(
        default=5.0, ge=0, le=60, description="How long a process may go on with a role it has read."
    )
    login_attempts: int = Field(default=10, ge=1, description="Failed logins per name and window before 429.")
    login_window_seconds: int = Field(default=900, ge=1)
    confirmations_hourly: int = Field(
        default=3, ge=1, description="Mails to confirm an address that one person may ask for in an hour."
    )
    confirmation_hours: int = Field(default=24, ge=1, le=24 * 30, description="How long the code in one is good.")
    argon2_memory_kib: int = Field(
        default=19_456, ge=8, description="OWASP's first Argon2id profile: 19 MiB, t=2, p=1."
    )
    argon2_time_cost: int = Field(default=2, ge=1)
