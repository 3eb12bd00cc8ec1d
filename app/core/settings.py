"""Every setting of the product, typed, grouped by concern. Nothing else reads the environment.

Flat names are part of the public contract (`EVIDESK_PORT`, `DATABASE_URL`, …); the rest are grouped and read as
`EVIDESK_<GROUP>__<FIELD>`, for example `EVIDESK_FILES__MAX_BYTES`. `.env.example` lists them all.
"""

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, BaseModel, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

MEBIBYTE = 1024 * 1024


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
    argon2_memory_kib: int = Field(
        default=19_456, ge=8, description="OWASP's first Argon2id profile: 19 MiB, t=2, p=1."
    )
    argon2_time_cost: int = Field(default=2, ge=1)


class FileSettings(BaseModel):
    max_bytes: int = Field(default=100 * MEBIBYTE, ge=1)
    chunk_bytes: int = Field(default=MEBIBYTE, ge=4096)
    max_pixels: int = Field(default=100_000_000, ge=1, description="A picture with more is refused from its header.")
    max_media_seconds: int = Field(default=4 * 3600, ge=1)
    max_text_chars: int = Field(default=2_000_000, ge=1000)
    recognition_seconds: int = Field(default=900, ge=1, description="Wall time limit of one recognition.")


class StorageSettings(BaseModel):
    backend: Literal["local", "s3"] = "local"
    s3_bucket: str | None = None
    s3_prefix: str = ""


class SpeechSettings(BaseModel):
    whisper_model: str | None = Field(
        default=None, description="Directory (or cached name) of faster-whisper weights; else pocketsphinx is used."
    )
    whisper_compute_type: str = "int8"


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


class WebSocketSettings(BaseModel):
    messages_per_minute: int = Field(default=60, ge=1)
    max_frame_bytes: int = Field(default=64 * 1024, ge=1024)
    max_subscriptions: int = Field(default=1000, ge=1)
    send_queue: int = Field(default=256, ge=1, description="Messages a reader may lag behind before close 4008.")
    ping_seconds: float = Field(default=25.0, gt=0)
    auth_seconds: float = Field(default=10.0, gt=0, description="Time for a first message that carries the token.")
    recheck_seconds: float = Field(
        default=30.0, gt=0, le=60, description="How often an open connection's token is looked at again."
    )
    replay_limit: int = Field(default=1000, ge=1)
    history_hours: int = Field(default=72, ge=1)


class RateLimitSettings(BaseModel):
    requests: int = Field(default=6000, ge=1, description="Requests per window and person.")
    anonymous_requests: int = Field(default=600, ge=1, description="Requests per window and address, without a login.")
    window_seconds: int = Field(default=60, ge=1)


class HttpSettings(BaseModel):
    workers: int = Field(default=1, ge=1, description="API processes that share the port; one for each core is usual.")
    max_body_bytes: int = Field(default=2 * MEBIBYTE, ge=1024, description="Of any request but a file upload.")
    cors_origins: list[str] = Field(default_factory=list)
    run_wait_seconds: float = Field(default=30.0, gt=0, description="How long a request waits for a run before 202.")


class TelemetrySettings(BaseModel):
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    otlp_endpoint: str | None = Field(
        default=None, description="OTLP/HTTP base address; unset: spans are not exported."
    )


class ModelSettings(BaseModel):
    default: str = Field(default="local", description="The model a new configuration starts with.")
    request_seconds: float = Field(default=60.0, gt=0)
    openai_base_url: str | None = Field(default=None, description="Another server that speaks OpenAI's Responses API.")
    anthropic_base_url: str | None = None
    bedrock_region: str | None = Field(default=None, description="Unset: as boto3 finds it. Credentials likewise.")


class DatabaseSettings(BaseModel):
    pool_size: int = Field(default=16, ge=1)
    max_overflow: int = Field(default=8, ge=0)
    pool_timeout_seconds: float = Field(default=10.0, gt=0)
    statement_timeout_ms: int = Field(default=30_000, ge=100)


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="EVIDESK_",
        env_nested_delimiter="__",
        env_file=".env",
        # "NAME=" in a .env file means: not set.
        env_ignore_empty=True,
        extra="ignore",
        populate_by_name=True,
    )

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    mcp_port: Annotated[int, Field(ge=1, le=65535)] = 8001
    mcp_url: str | None = Field(default=None, description="Where agents find the MCP server; unset: this host's.")
    data_dir: Path = Path(".evidesk")
    admin_email: str | None = None
    admin_password: SecretStr | None = None
    database_url: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("DATABASE_URL", "EVIDESK_DATABASE_URL", "database_url")
    )
    redis_url: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("REDIS_URL", "EVIDESK_REDIS_URL", "redis_url")
    )

    openai_api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("OPENAI_API_KEY", "EVIDESK_OPENAI_API_KEY", "openai_api_key")
    )
    anthropic_api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("ANTHROPIC_API_KEY", "EVIDESK_ANTHROPIC_API_KEY", "anthropic_api_key"),
    )

    auth: AuthSettings = AuthSettings()
    database: DatabaseSettings = DatabaseSettings()
    files: FileSettings = FileSettings()
    http: HttpSettings = HttpSettings()
    jobs: JobSettings = JobSettings()
    models: ModelSettings = ModelSettings()
    outbox: OutboxSettings = OutboxSettings()
    rate_limit: RateLimitSettings = RateLimitSettings()
    speech: SpeechSettings = SpeechSettings()
    storage: StorageSettings = StorageSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    websocket: WebSocketSettings = WebSocketSettings()

    @property
    def mcp_endpoint(self) -> str:
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104 - told apart, not bound
        return self.mcp_url or f"http://{f'[{host}]' if ':' in host else host}:{self.mcp_port}/mcp"


@lru_cache
def get_settings() -> Settings:
    return Settings()
