"""Tickets on the wire: what may be sent, and what is answered."""

from datetime import datetime
from typing import Annotated, Any, Literal, TypedDict, cast

from pydantic import AfterValidator, Field

from app.core.pagination import Cursor, Limit
from app.core.schemas import Body, GivenId, In, Line, Moment, Out, Slug, Text
from app.models.ticket import Priority, TicketStatus, Visibility

MAX_TAGS = 20


def _distinct(tags: list[str]) -> list[str]:
    return list(dict.fromkeys(tags))


Tag = Annotated[Text, Field(min_length=1, max_length=50, pattern=r"^\S(.*\S)?$")]
Tags = Annotated[list[Tag], Field(max_length=MAX_TAGS), AfterValidator(_distinct)]
Who = Annotated[Text, Field(min_length=1, max_length=50)]
SortKey = Literal[
    "id", "created_at", "updated_at", "priority", "status", "-id", "-created_at", "-updated_at", "-priority", "-status"
]


class PersonOut(Out):
    id: int
    username: str


class TicketOut(Out):
    """`category` is "general" until somebody or something has categorised the ticket; `confidence` is the
    categorisation's own, 0..1, and null while only people have chosen."""

    id: int
    title: str
    description: str
    status: TicketStatus
    priority: Priority
    category: str
    team: str | None
    tags: list[str]
    confidence: float | None
    requester: PersonOut
    assignee: PersonOut | None
    version: int
    created_at: datetime
    updated_at: datetime
    resolved_at: datetime | None


class TicketIn(
    In,
    json_schema_extra={
        "examples": [{"title": "VPN is down", "description": "No tunnel since nine: E-4012 at vpn01.example.com."}]
    },
):
    """A report. A category or priority that is given is kept; one that is not is found by the desk afterwards."""

    title: Line
    description: Body
    priority: Priority | None = None
    category: Slug | None = None
    tags: Tags = Field(default_factory=list)


class TicketEdit(TypedDict, total=False):
    """The fields that an edit sets; those that are absent stay as they are."""

    title: str
    description: str
    status: TicketStatus
    priority: Priority
    category: str
    team: str | None
    tags: list[str]
    assignee_id: int | None


class TicketPut(
    In,
    json_schema_extra={
        "examples": [
            {
                "title": "VPN is down",
                "description": "No tunnel.",
                "status": "open",
                "priority": "high",
                "category": "incident",
            }
        ]
    },
):
    """The whole editable ticket: what is left out of the optional fields is cleared."""

    title: Line
    description: Body
    status: TicketStatus
    priority: Priority
    category: Slug
    team: Slug | None = None
    tags: Tags = Field(default_factory=list)
    assignee_id: GivenId | None = None

    def edit(self) -> TicketEdit:
        return cast("TicketEdit", self.model_dump())


class TicketPatch(In, json_schema_extra={"examples": [{"priority": "high", "tags": ["vpn"]}]}):
    """RFC 7396: what is absent stays, null clears. Only `team`, `assignee_id` and `tags` can be cleared.

    The defaults stand for "absent" and are never applied: `model_fields_set` says what was sent.
    """

    title: Line = Field(default_factory=str)
    description: Body = Field(default_factory=str)
    status: TicketStatus = Field(default_factory=lambda: TicketStatus.OPEN)
    priority: Priority = Field(default_factory=lambda: Priority.MEDIUM)
    category: Slug = Field(default_factory=str)
    team: Slug | None = Field(default_factory=lambda: None)
    tags: Tags | None = Field(default_factory=lambda: None)
    assignee_id: GivenId | None = Field(default_factory=lambda: None)

    def edit(self) -> TicketEdit:
        sent = self.model_dump(include=self.model_fields_set)
        if "tags" in sent:
            sent["tags"] = self.tags or []
        return cast("TicketEdit", sent)


class TicketQuery(In):
    """Filters are joined by "and"; several values of one filter by "or"."""

    status: list[TicketStatus] = Field(default_factory=list, max_length=5)
    priority: list[Priority] = Field(default_factory=list, max_length=4)
    category: list[Slug] = Field(default_factory=list, max_length=20)
    team: list[Slug] = Field(default_factory=list, max_length=20)
    assignee: Who | None = Field(default=None, description='A user id, a username, "me", or "none" for unassigned.')
    requester: Who | None = Field(default=None, description='A user id, a username, or "me".')
    tag: list[Tag] = Field(default_factory=list, max_length=MAX_TAGS, description="All of them must be present.")
    created_after: Moment | None = None
    created_before: Moment | None = None
    q: Annotated[Text, Field(max_length=500)] | None = Field(
        default=None, description='Words, "quoted phrases", -exclusions; or "#123" for the ticket of that number.'
    )
    sort: SortKey = "-created_at"
    cursor: Cursor = None
    limit: Limit = 20


class PageQuery(In):
    cursor: Cursor = None
    limit: Limit = 50


class CommentIn(In, json_schema_extra={"examples": [{"body": "It works again since noon.", "visibility": "public"}]}):
    body: Body
    visibility: Visibility = Visibility.PUBLIC


class CommentOut(Out):
    id: int
    ticket_id: int
    author: PersonOut
    body: str
    visibility: Visibility
    created_at: datetime


class ChangeOut(Out):
    """One entry of the timeline. `changes` is {field: [before, after]}; `actor` is null when the desk itself acted."""

    id: int
    action: str
    actor: PersonOut | None
    version: int
    changes: dict[str, tuple[Any, Any]]
    internal: bool
    created_at: datetime


class SimilarOut(Out):
    """Ordered by words and meaning together. `score` is that order, scaled by how alike the best one is, 0..1."""

    id: int
    title: str
    status: TicketStatus
    priority: Priority
    category: str
    team: str | None
    resolved_at: datetime | None
    score: float = Field(ge=0, le=1)
    words: float = Field(ge=0, le=1, description="BM25 as a share of the most that could be reached.")
    meaning: float | None = Field(description="Cosine of the two texts; none while one of them has no vector.")
    matched_by: Literal["vector", "text"] = Field(description="`text`: by words alone.")


class Categorisation(In):
    """A categorisation that is to be written onto a ticket."""

    category: Slug
    priority: Priority
    team: Slug | None
    confidence: float = Field(ge=0, le=1)


class CategorizeIn(In, json_schema_extra={"examples": [{"description": "I was charged twice for March."}]}):
    description: Body
    title: Line | None = None


class AlternativeOut(Out):
    category: str
    confidence: float


class CategorizeOut(Out):
    category: str
    priority: Priority
    team: str
    confidence: float
    reasoning: str
    alternatives: list[AlternativeOut]
