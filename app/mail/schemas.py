"""Mail on the wire."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from app.core.pagination import Cursor, Limit
from app.core.schemas import In, Out, Text
from app.models.mail import JoinReason, MailKind, MailState, SentState


class MailQuery(In):
    state: MailState | None = None
    kind: MailKind | None = None
    session_id: UUID | None = None
    from_address: Annotated[Text, Field(min_length=3, max_length=320)] | None = None
    cursor: Cursor = None
    limit: Limit = 20


class MailOut(Out):
    """`joined_by` is why it is in this conversation; `note` is why it is in none, or in a new one."""

    id: UUID
    source: str
    state: MailState
    kind: MailKind | None
    note: str | None
    from_address: str | None
    from_name: str | None
    authenticated: bool
    subject: str
    message_id: str | None
    size: int
    session_id: UUID | None
    joined_by: JoinReason | None
    dated_at: datetime | None
    created_at: datetime


class MailAttachmentOut(Out):
    filename: str
    media_type: str
    size: int
    file_id: UUID | None
    refused: str | None = Field(description="Why there is no file of it; the stored mail has it.")


class MailJoinOut(Out):
    session_id: UUID
    reason: JoinReason
    note: str | None
    actor_id: int | None
    created_at: datetime


class MailDetailOut(MailOut):
    """`visible` is what went into the conversation; `body` is all of the text, with what it quotes."""

    raw_removed_at: datetime | None = Field(description="When the mail as it came was deleted; what was read stays.")
    envelope_from: str | None
    envelope_to: list[str]
    references: list[str]
    visible: str
    body: str
    defects: list[str]
    attachments: list[MailAttachmentOut]
    joins: list[MailJoinOut]


class SplitIn(In, json_schema_extra={"examples": [{"note": "Another matter."}]}):
    note: Annotated[Text, Field(min_length=1, max_length=1000)] | None = None


class SentMailQuery(In):
    state: SentState | None = None
    session_id: UUID | None = None
    cursor: Cursor = None
    limit: Limit = 20


class SentMailOut(Out):
    """`tries` above one: an earlier attempt may have arrived as well, under the same Message-ID."""

    id: UUID
    session_id: UUID
    said_id: UUID = Field(description="The message that it carries.")
    message_id: str
    to_address: str
    state: SentState
    tries: int
    error: str | None
    created_at: datetime
    sent_at: datetime | None


class MailTakenOut(Out):
    mail_id: UUID
    new: bool = Field(description="False: the same mail came before.")


class MailSourceOut(Out):
    name: str
    ok: bool
    taken: int
    looked_at: datetime | None
    failing_since: datetime | None
    error: str | None


class MailSourcesOut(Out):
    """`waiting`: mails that no worker has taken in yet."""

    address: str | None
    sources: list[MailSourceOut]
    waiting: int
    unreadable: int
