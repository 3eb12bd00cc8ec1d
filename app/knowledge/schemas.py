"""What comes in and goes out about documents and what is found in them."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, model_validator

from app.core.auth import Role
from app.core.pagination import Cursor, Limit
from app.core.schemas import GivenId, In, Line, Out, RowId, Slug, Text
from app.models.knowledge import DocumentStatus, EmbeddingState

MAX_TEXT = 2_000_000
DocumentText = Annotated[Text, Field(min_length=1, max_length=MAX_TEXT)]
Uri = Annotated[Text, Field(min_length=1, max_length=2000)]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?$", max_length=10)]


class Acl(In):
    """Who may see a document, any one of these is enough. Administrators see every document."""

    public: bool = Field(default=False, description="Everybody, customers too, and whoever asks by mail.")
    roles: list[Role] = Field(default_factory=list, max_length=10)
    teams: list[Slug] = Field(default_factory=list, max_length=100)
    people: list[GivenId] = Field(default_factory=list, max_length=1000)

    @model_validator(mode="after")
    def _names_somebody(self) -> "Acl":
        if not (self.public or self.roles or self.teams or self.people):
            raise ValueError("must name somebody: public, roles, teams or people")
        return self

    def readers(self) -> list[str]:
        named = [f"role:{role}" for role in self.roles] + [f"user:{user_id}" for user_id in self.people]
        named += [f"team:{team}" for team in self.teams]
        return sorted({*named, *(["public"] if self.public else [])})


class DocumentIn(In):
    title: Line
    text: DocumentText
    uri: Uri | None = None
    acl: Acl = Field(default_factory=lambda: Acl(public=True), description="Left out: public.")
    language: Language | None = Field(default=None, description="Left out: told by the text.")


class SourceIn(In):
    """What a form says beside its file."""

    title: Line | None = None
    uri: Uri | None = None
    acl: Acl = Field(default_factory=lambda: Acl(public=True))
    language: Language | None = None


class PageIn(In, json_schema_extra={"examples": [{"url": "https://example.com/manual"}]}):
    url: Uri
    title: Line | None = Field(default=None, description="Left out: told by the page.")
    acl: Acl = Field(default_factory=lambda: Acl(public=True), description="Left out: public.")
    language: Language | None = Field(default=None, description="Left out: told by the text.")


class PageOut(Out):
    """Of a document that is a web page: what was found there."""

    url: str
    fetched_at: datetime | None = Field(description="When there was last something new.")
    checked_at: datetime | None = Field(description="When somebody last looked.")
    error: str | None = Field(description="Why the last look brought nothing; what was fetched before stays.")


class SourceOut(Out):
    """The file that the newest version was sent as, or the page that was fetched."""

    filename: str
    file_type: str
    file_size: int
    sha256: str
    url: str | None = Field(description="Of a page: where it was found, after redirects.")


class DocumentOut(Out):
    doc_id: UUID
    version: int
    status: DocumentStatus = Field(description="`indexed` when this version is what a search finds.")
    title: str
    uri: str | None
    language: str
    readers: list[str] = Field(description="`public`, `role:agent`, `team:billing`, `user:12`")
    source: SourceOut | None
    page: PageOut | None
    stage: str | None = Field(description="What a worker does with it while `status` is `pending`.")
    progress: float = Field(ge=0, le=1, description="Of the stage.")
    error: str | None = Field(description="Why it is `failed`.")
    created_at: datetime
    updated_at: datetime


class DocumentVersionOut(Out):
    doc_id: UUID
    version: int
    title: str
    uri: str | None
    language: str
    text: str
    created_at: datetime


class ChunkOut(Out):
    """A passage as it was cited, of whichever version."""

    doc_id: UUID
    version: int
    chunk_id: UUID
    title: str
    uri: str | None
    start: int
    end: int
    text: str
    current: bool = Field(description="Whether its version is the newest.")


class Scores(Out):
    lexical: float = Field(ge=0, le=1, description="BM25 as a share of the most that the query could reach.")
    vector: float = Field(ge=-1, le=1, description="Cosine of query and passage.")


class Evidence(Out):
    """A passage that may answer a question: characters `start` to `end` of that version's text."""

    source: Literal["document"] = "document"
    doc_id: UUID
    version: int
    chunk_id: UUID
    title: str
    uri: str | None
    text: str
    start: int
    end: int
    score: float = Field(ge=0, le=1, description="1 where words and meaning both found it first.")
    scores: Scores
    retrieved_at: datetime


class SearchRecordQuery(In):
    correlation_id: Annotated[Text, Field(min_length=1, max_length=200)] | None = Field(
        default=None, description="The X-Request-ID of a search, or of a message that an answer was sought for."
    )
    reader_id: RowId | None = None
    cursor: Cursor = None
    limit: Limit = 20


class CandidateOut(Out):
    doc_id: UUID
    version: int
    chunk_id: UUID
    position: int
    lexical: float
    vector: float
    score: float


class SearchRecordOut(Out):
    """A search as it went: personal data in `query` replaced, the best of its candidates, and milliseconds."""

    id: UUID
    correlation_id: str
    reader_id: int | None
    reader_role: Role
    query: str
    config: dict[str, Any] = Field(description="Embedder, and the constants of the ranking.")
    found: int = Field(description="All candidates that were scored.")
    candidates: list[CandidateOut] = Field(description="The best of them, best first.")
    timings: dict[str, float]
    created_at: datetime


class CaseEvidence(Out):
    """How an earlier problem ended."""

    source: Literal["ticket"] = "ticket"
    ticket_id: int
    title: str
    text: str = Field(description="The problem as it was reported, cut to its beginning.")
    category: str
    resolution: str | None = Field(description="The last public word on it, if there is one.")
    score: float = Field(ge=0, le=1, description="1 where words and meaning both found it first.")


class EmbedderIn(In, json_schema_extra={"examples": [{"embedder": "local"}]}):
    embedder: Annotated[Text, Field(min_length=1, max_length=200)] = Field(
        description="`local`, `openai:<model>`, `compatible:<endpoint>/<model>` or `bedrock:<model>`."
    )


class Embedding(Out):
    """Vectors that are being made, or were not made to the end."""

    embedder: str
    state: EmbeddingState
    done: int = Field(description="Passages that have their vector.")
    total: int
    dimensions: int | None
    error: str | None = Field(description="What the last attempt met with.")
    started_at: datetime


class EmbedderOut(Out):
    """Whose vectors searches use, in which index, and the change that is under way."""

    embedder: str
    dimensions: int
    index: str = Field(description="`pgvector`, `qdrant` or `opensearch`.")
    vectors: int | None = Field(description="In the index. Null: it does not answer.")
    exact: bool | None = Field(description="Whether every search compares all vectors.")
    change: Embedding | None = Field(description="The newest; null: there was none.")
