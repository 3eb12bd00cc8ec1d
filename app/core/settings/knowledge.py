"""Where passages are found, and what is remembered of searches."""

from typing import Literal

from pydantic import BaseModel, Field, SecretStr


class KnowledgeSettings(BaseModel):
    index: Literal["pgvector", "qdrant", "opensearch"] = Field(
        default="pgvector", description="Where the nearest vectors are looked up; passages stay in the database."
    )
    index_url: str | None = Field(default=None, description="Of Qdrant or OpenSearch.")
    index_api_key: SecretStr | None = Field(default=None, description="Of Qdrant; for OpenSearch: user:password.")
    index_prefix: str = Field(
        default="evidesk", pattern="^[a-z][a-z0-9_-]{0,60}$", description="Begins the names of collections there."
    )
    index_seconds: float = Field(default=10.0, gt=0, le=120, description="How long an answer is waited for.")
    embed_seconds: float = Field(
        default=20.0, gt=0, le=120, description="How long a remote embedder is waited for, by a job; a search waits 5."
    )
    page_bytes: int = Field(default=10_000_000, ge=1_000, description="A web page may have so many.")
    page_hosts: list[str] = Field(
        default_factory=list, description="The only hosts that web pages are fetched from; empty: any public one."
    )
    page_private_hosts: list[str] = Field(
        default_factory=list, description="Hosts of web pages that may have addresses in your own network."
    )
    page_refresh_hours: float | None = Field(
        default=None, gt=0, description="Documents that are web pages are looked at again after so long; unset: never."
    )
    page_seconds: float = Field(default=30.0, gt=0, le=120, description="A web page may take so long, redirects too.")
    retire_seconds: float = Field(
        default=60.0, ge=0, le=3600, description="How long vectors outlive a change of the embedder."
    )
    diagnostics_share: float = Field(
        default=1.0, ge=0, le=1, description="Of all searches, those whose query, scores and timings are kept."
    )
    diagnostics_days: int = Field(default=14, ge=1, le=365, description="Kept searches are forgotten after so long.")
