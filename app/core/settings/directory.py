"""Where customer data and the state of services come from."""

from pydantic import BaseModel, Field, SecretStr


class DirectorySettings(BaseModel):
    customers_url: str | None = Field(
        default=None, description="A system that answers GET <url>/<e-mail>; unset: the desk's own table."
    )
    services_url: str | None = Field(
        default=None, description="A system that answers GET with a list of services; unset: the desk's own table."
    )
    token: SecretStr | None = Field(default=None, description="Sent to both as a bearer token.")
    timeout_seconds: float = Field(default=3.0, gt=0, le=30)
    cache_seconds: int = Field(default=60, ge=0, le=3600, description="How old an answer may be; 0 asks every time.")
