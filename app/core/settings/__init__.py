"""Every setting of the product, typed, one file for each concern. Nothing else reads the environment.

Flat names are part of the public contract (`EVIDESK_PORT`, `DATABASE_URL`, …); the rest are grouped and read as
`EVIDESK_<GROUP>__<FIELD>`, for example `EVIDESK_FILES__MAX_BYTES`. `.env.example` lists them all.
"""

from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.core.settings.accounts import AuthSettings
from app.core.settings.agents import AgentSettings
from app.core.settings.aws import AwsSettings
from app.core.settings.conversations import ConversationSettings
from app.core.settings.data import DatabaseSettings, StorageSettings
from app.core.settings.delivery import JobSettings, OutboxSettings
from app.core.settings.directory import DirectorySettings
from app.core.settings.files import FileSettings, ScanSettings, SpeechSettings
from app.core.settings.http import HttpSettings, RateLimitSettings
from app.core.settings.integrations import IntegrationSettings
from app.core.settings.knowledge import KnowledgeSettings
from app.core.settings.mail import MailSettings
from app.core.settings.models import ModelSettings
from app.core.settings.reranking import RerankerSettings
from app.core.settings.telemetry import TelemetrySettings
from app.core.settings.tools import ToolSettings
from app.core.settings.websocket import WebSocketSettings

__all__ = [
    "AgentSettings",
    "AuthSettings",
    "AwsSettings",
    "ConversationSettings",
    "DatabaseSettings",
    "DirectorySettings",
    "FileSettings",
    "HttpSettings",
    "IntegrationSettings",
    "JobSettings",
    "KnowledgeSettings",
    "MailSettings",
    "ModelSettings",
    "OutboxSettings",
    "RateLimitSettings",
    "RerankerSettings",
    "ScanSettings",
    "Settings",
    "SpeechSettings",
    "StorageSettings",
    "TelemetrySettings",
    "ToolSettings",
    "WebSocketSettings",
    "get_settings",
]


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

    agents: AgentSettings = AgentSettings()
    auth: AuthSettings = AuthSettings()
    aws: AwsSettings = AwsSettings()
    conversations: ConversationSettings = ConversationSettings()
    database: DatabaseSettings = DatabaseSettings()
    directory: DirectorySettings = DirectorySettings()
    files: FileSettings = FileSettings()
    http: HttpSettings = HttpSettings()
    integrations: IntegrationSettings = IntegrationSettings()
    jobs: JobSettings = JobSettings()
    knowledge: KnowledgeSettings = KnowledgeSettings()
    mail: MailSettings = MailSettings()
    models: ModelSettings = ModelSettings()
    outbox: OutboxSettings = OutboxSettings()
    rate_limit: RateLimitSettings = RateLimitSettings()
    reranker: RerankerSettings = RerankerSettings()
    scan: ScanSettings = ScanSettings()
    speech: SpeechSettings = SpeechSettings()
    storage: StorageSettings = StorageSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    tools: ToolSettings = ToolSettings()
    websocket: WebSocketSettings = WebSocketSettings()

    @property
    def mcp_endpoint(self) -> str:
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104 - told apart, not bound
        return self.mcp_url or f"http://{f'[{host}]' if ':' in host else host}:{self.mcp_port}/mcp"


@lru_cache
def get_settings() -> Settings:
    return Settings()
