"""Mail by HTTP: deliveries, and what staff and administrators look at. Translation only."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Body, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from app.accounts.authentication import AdminUser, StaffUser
from app.accounts.errors import ScopeMissing
from app.conversations.errors import NothingElse
from app.core.db import ReadSession, WriteSession
from app.core.errors import Forbidden, Invalid, RateLimited, TooLarge, Unauthenticated, Unavailable, documented
from app.core.idempotency import IdempotencyConflict, IdempotencyKeyInvalid, IdempotentRoute
from app.core.pagination import BadCursor, link_next
from app.core.resources import Res
from app.mail import service
from app.mail.errors import (
    MailInWork,
    MailMissing,
    MailNotJoined,
    MailOff,
    MailTooLarge,
    RawMissing,
    SentMailMissing,
    SignatureWrong,
)
from app.mail.schemas import (
    MailDetailOut,
    MailOut,
    MailQuery,
    MailSourcesOut,
    MailTakenOut,
    SentMailOut,
    SentMailQuery,
    SplitIn,
)

# No IdempotentRoute: the mail's own bytes say whether it came before.
deliveries = APIRouter(prefix="/mails", tags=["mails"])
router = APIRouter(
    route_class=IdempotentRoute,
    prefix="/mails",
    tags=["mails"],
    responses=documented(Unauthenticated, ScopeMissing, Forbidden, Invalid, RateLimited),
)
_KEYED = (IdempotencyKeyInvalid, IdempotencyConflict)
_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"message/rfc822": {"schema": {"type": "string", "format": "binary"}}}}
}


@deliveries.post(
    "/inbound/webhook",
    status_code=202,
    openapi_extra=_BODY,
    responses=documented(SignatureWrong, MailOff, MailTooLarge, Invalid, Unavailable),
)
async def deliver_mail(
    request: Request,
    resources: Res,
    timestamp: Annotated[str, Header(alias="X-Mail-Timestamp", description="Seconds since 1970.")],
    signature: Annotated[
        str,
        Header(
            alias="X-Mail-Signature", description="sha256= and the HMAC-SHA256 of timestamp, dot and body, hexadecimal."
        ),
    ],
    sender: Annotated[str | None, Header(alias="X-Mail-From", description="The envelope's; empty: none.")] = None,
    recipients: Annotated[str | None, Header(alias="X-Mail-To", description="The envelope's, by commas.")] = None,
) -> MailTakenOut:
    """A mail as it came (RFC 5322). Answered once it is durable; delivered again, it is the same mail."""
    return await service.deliver(
        resources, request.stream(), timestamp=timestamp, given=signature, sender=sender, to=recipients
    )


@router.get("", responses=documented(BadCursor))
async def list_mails(
    asked: Annotated[MailQuery, Query()], who: StaffUser, db: ReadSession, request: Request, response: Response
) -> list[MailOut]:
    """What came in, newest first: its state, and why it is where it is."""
    page = await service.list_mails(db, who, asked=asked)
    link_next(request, response, page.next_cursor)
    return list(page.rows)


@router.get("/sources")
async def mail_sources(_who: AdminUser, db: ReadSession, resources: Res) -> MailSourcesOut:
    """The roads that are open, and how each was the last time."""
    return await service.sources(db, resources.settings.mail)


@router.get("/sent", responses=documented(BadCursor))
async def list_sent_mails(
    asked: Annotated[SentMailQuery, Query()], who: StaffUser, db: ReadSession, request: Request, response: Response
) -> list[SentMailOut]:
    """What goes out, newest first."""
    page = await service.list_sent(db, who, asked=asked)
    link_next(request, response, page.next_cursor)
    return list(page.rows)


@router.post("/sent/{sent_id}/retry", responses=documented(SentMailMissing, MailInWork, *_KEYED))
async def send_mail_again(sent_id: UUID, who: StaffUser, db: WriteSession) -> SentMailOut:
    """Once more, under the same Message-ID: one that failed or came back."""
    return await service.send_again(db, who, sent_id)


@router.get("/{mail_id}", responses=documented(MailMissing))
async def get_mail(mail_id: UUID, who: StaffUser, db: ReadSession) -> MailDetailOut:
    """One mail with all its text, its attachments, and into which conversations it was put."""
    return await service.get(db, who, mail_id)


@router.get(
    "/{mail_id}/raw",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}},
        **documented(MailMissing, RawMissing),
    },
)
async def get_raw_mail(mail_id: UUID, who: AdminUser, db: ReadSession, resources: Res) -> StreamingResponse:
    """The bytes as they came, unscanned: for administrators alone."""
    chunks = await service.raw(db, resources.storage, who, mail_id)
    return StreamingResponse(
        chunks,
        media_type="application/octet-stream",
        headers={
            "Content-Disposition": f'attachment; filename="{mail_id}.eml"',
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        },
    )


@router.post("/{mail_id}/split", responses=documented(MailMissing, MailNotJoined, NothingElse, TooLarge, *_KEYED))
async def split_mail(
    mail_id: UUID,
    who: StaffUser,
    db: WriteSession,
    resources: Res,
    body: Annotated[SplitIn | None, Body()] = None,
) -> MailOut:
    """Take it out of its conversation, if its customer has said more there; it begins one in its sender's name."""
    return await service.split(resources, db, who, mail_id, note=(body or SplitIn()).note)


@router.post("/{mail_id}/retry", responses=documented(MailMissing, MailInWork, *_KEYED))
async def read_mail_again(mail_id: UUID, who: AdminUser, db: WriteSession) -> MailOut:
    """Once more: one that could not be read."""
    return await service.read_again(db, who, mail_id)
