"""Conversations by HTTP: translation only."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from app.accounts.authentication import CurrentUser
from app.conversations import service
from app.conversations.errors import (
    CaseMissing,
    EscalationMissing,
    SessionBusy,
    SessionMissing,
    SessionNotEscalated,
    SessionResolved,
    SourceConflict,
    TooManyStreams,
)
from app.conversations.event_stream import EVENT_SCHEMA, EventStream
from app.conversations.schemas import (
    CaseOut,
    EscalateIn,
    EscalationOut,
    MessageIn,
    MessageOut,
    ResolveIn,
    SessionIn,
    SessionOut,
    SessionQuery,
)
from app.core.db import ReadSession, WriteSession
from app.core.errors import Invalid, RateLimited, TooLarge, Unauthenticated, documented
from app.core.idempotency import IdempotencyConflict, IdempotencyKeyInvalid, IdempotentRoute
from app.core.pagination import BadCursor, Cursor, Limit, link_next
from app.core.resources import Res
from app.models.conversation import ChannelName
from app.tickets.errors import StaffOnly, TicketClosed, TicketMissing, TransitionImpossible

router = APIRouter(
    route_class=IdempotentRoute,
    prefix="/sessions",
    tags=["sessions"],
    responses=documented(Unauthenticated, RateLimited),
)

_POSTING = (Invalid, TooLarge, IdempotencyKeyInvalid, IdempotencyConflict)
_ONE = documented(SessionMissing, Invalid)
_LARGEST = 2**31 - 1


@router.post("", status_code=201, responses=documented(*_POSTING))
async def start_session(
    who: CurrentUser,
    db: WriteSession,
    request: Request,
    response: Response,
    body: Annotated[SessionIn | None, Body()] = None,
) -> SessionOut:
    """A conversation of one's own. It is open until it is resolved."""
    session = await service.start(db, who, channel=ChannelName((body or SessionIn()).channel))
    response.headers["Location"] = f"{request.url.path}/{session.session_id}"
    return session


@router.get("", responses=documented(Invalid, BadCursor))
async def list_sessions(
    asked: Annotated[SessionQuery, Query()], who: CurrentUser, db: ReadSession, request: Request, response: Response
) -> list[SessionOut]:
    """One's own conversations, staff sees all; newest first."""
    page = await service.list_sessions(db, who, asked=asked)
    link_next(request, response, page.next_cursor)
    return list(page.rows)


@router.get("/{session_id}", responses=_ONE)
async def get_session(session_id: UUID, who: CurrentUser, db: ReadSession) -> SessionOut:
    """How it stands, with whom, and what it is about."""
    return await service.get(db, who, session_id)


@router.get("/{session_id}/messages", responses=documented(SessionMissing, Invalid, BadCursor))
async def list_messages(
    session_id: UUID,
    who: CurrentUser,
    db: ReadSession,
    request: Request,
    response: Response,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> list[MessageOut]:
    """Everything said by customer, assistant, agents and the desk, oldest first."""
    page = await service.messages(db, who, session_id, cursor=cursor, limit=limit)
    link_next(request, response, page.next_cursor)
    return list(page.rows)


@router.post(
    "/{session_id}/messages",
    status_code=201,
    responses=documented(
        SessionMissing, SessionResolved, SessionNotEscalated, SourceConflict, TicketClosed, TicketMissing, *_POSTING
    ),
)
async def send_message(session_id: UUID, body: MessageIn, who: CurrentUser, db: WriteSession) -> MessageOut:
    """Stored before anything else. A customer's is answered, or reaches the person in charge; staff's reaches them."""
    return await service.say(db, who, session_id, content=body.content, source_id=body.source_id)


@router.get(
    "/{session_id}/stream",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events `message`, `status` and `message_flagged`, numbered by `id`.",
            "content": {"text/event-stream": {"schema": EVENT_SCHEMA}},
        },
        **documented(SessionMissing, Invalid, TooManyStreams),
    },
)
async def watch_session(
    session_id: UUID,
    who: CurrentUser,
    resources: Res,
    request: Request,
    last_event_id: Annotated[
        int, Header(alias="Last-Event-ID", ge=0, le=_LARGEST, description="Go on after this one; 0: from the start.")
    ] = 0,
) -> EventStream:
    """Every event once and in order, then live. It ends after a while; come back with the id of the last event."""
    await service.check(resources, who, session_id)
    frames = service.stream(resources, request.app.state.websockets.feeds, who, session_id, after=last_event_id)
    return EventStream(frames)


@router.post("/{session_id}/escalate", responses=documented(SessionMissing, SessionResolved, TicketMissing, *_POSTING))
async def escalate_session(
    session_id: UUID,
    who: CurrentUser,
    db: WriteSession,
    resources: Res,
    body: Annotated[EscalateIn | None, Body()] = None,
) -> EscalationOut:
    """Hand over to a person: a ticket with transcript, summary and evidence. The same `event_id` hands over once."""
    asked = body or EscalateIn()
    event = service.new_event() if asked.event_id is None else f"asked:{asked.event_id}"
    return await service.hand_over(db, resources.settings.conversations, who, session_id, event=event, note=asked.note)


@router.get("/{session_id}/escalation", responses=documented(SessionMissing, EscalationMissing, Invalid))
async def get_escalation(session_id: UUID, who: CurrentUser, db: ReadSession) -> EscalationOut:
    """What the person in charge was given: reason, transcript, evidence, and until when an answer is due."""
    return await service.escalation(db, who, session_id)


@router.post(
    "/{session_id}/resolve",
    responses=documented(SessionMissing, SessionBusy, StaffOnly, TransitionImpossible, *_POSTING),
)
async def resolve_session(
    session_id: UUID, who: CurrentUser, db: WriteSession, body: Annotated[ResolveIn | None, Body()] = None
) -> CaseOut:
    """End it, and its ticket with it. What was learnt can be found by those who may see where it comes from."""
    return await service.resolve(db, who, session_id, resolution=(body or ResolveIn()).resolution)


@router.get("/{session_id}/case", responses=documented(SessionMissing, CaseMissing, Invalid))
async def get_case(session_id: UUID, who: CurrentUser, db: ReadSession) -> CaseOut:
    """How it ended."""
    return await service.case(db, who, session_id)
