"""Runs by HTTP. A request waits for its run as long as it was asked to; the run does not depend on it."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from app.accounts.authentication import CurrentUser
from app.accounts.errors import ScopeMissing
from app.agents import service
from app.agents.answers import asked
from app.agents.errors import (
    AgentRunFailed,
    BatchMissing,
    BatchOperationRefused,
    RunMissing,
    ToolTokenRefused,
    ToolUnknown,
)
from app.agents.schemas import (
    AnalyzeFilesIn,
    BatchIn,
    BatchOut,
    CategorizeIn,
    CategorizeOut,
    CreateTicketIn,
    CreateTicketOut,
    FileAnalyses,
    RunAccepted,
    RunOut,
    ToolTokenIn,
    ToolTokenOut,
)
from app.core.db import ReadSession, WriteSession
from app.core.errors import Invalid, RateLimited, Responses, TooLarge, Unauthenticated, documented
from app.core.http import API_PREFIX
from app.core.idempotency import IdempotencyConflict, IdempotencyKeyInvalid, IdempotentRoute, keeps_own_record
from app.core.resources import Res
from app.files.errors import FileMissing
from app.inference.operations import Operation
from app.tickets.errors import TicketMissing

router = APIRouter(
    route_class=IdempotentRoute,
    prefix="/agent",
    tags=["agent"],
    responses=documented(Unauthenticated, ScopeMissing, Invalid, RateLimited),
)

Prefer = Annotated[
    str | None,
    Header(max_length=200, description="RFC 7240: `respond-async`, or `wait=<seconds>`; 30 s at most and by default."),
]

_ERRORS: Responses = {
    202: {"model": RunAccepted, "description": "The run goes on; `Location` says where to look."},
    **documented(FileMissing, IdempotencyKeyInvalid, TooLarge, Invalid, IdempotencyConflict, AgentRunFailed),
}


@router.post(
    "/create-ticket",
    operation_id="agent_create_ticket",
    status_code=201,
    response_model=CreateTicketOut,
    responses=_ERRORS,
)
@keeps_own_record
async def create_ticket(
    body: CreateTicketIn, request: Request, who: CurrentUser, resources: Res, prefer: Prefer = None
) -> Response:
    """Turn a report into a categorised, prioritised and routed ticket with its evidence."""
    document = body.model_dump(mode="json")
    found = await asked(request, resources, who, Operation.CREATE_TICKET, document, body.files, prefer)
    return found.answer(CreateTicketOut.model_validate, status=201)


@router.post("/categorize", operation_id="agent_categorize", response_model=CategorizeOut, responses=_ERRORS)
@keeps_own_record
async def categorize(
    body: CategorizeIn, request: Request, who: CurrentUser, resources: Res, prefer: Prefer = None
) -> Response:
    """Category, priority and team of a report, by the agent. No ticket is created."""
    document = {"user_input": f"{body.title}\n\n{body.description}" if body.title else body.description}
    found = await asked(request, resources, who, Operation.CATEGORIZE, document, [], prefer)
    return found.answer(CategorizeOut.model_validate)


@router.post("/analyze-files", response_model=FileAnalyses, responses=_ERRORS)
@keeps_own_record
async def analyze_files(
    body: AnalyzeFilesIn, request: Request, who: CurrentUser, resources: Res, prefer: Prefer = None
) -> Response:
    """What was read in one's files, once their recognition has ended."""
    found = await asked(request, resources, who, Operation.ANALYZE_FILES, {}, body.files, prefer)
    return found.answer(lambda result: FileAnalyses.model_validate(result["files"]))


@router.post(
    "/tool-token",
    status_code=201,
    responses=documented(ToolTokenRefused, ToolUnknown, TooLarge, IdempotencyKeyInvalid, IdempotencyConflict),
)
async def make_tool_token(body: ToolTokenIn, who: CurrentUser, resources: Res) -> ToolTokenOut:
    """A short-lived token with which an MCP client of one's own may use the tools."""
    return service.tool_token(resources, who, tools=body.tools)


@router.post(
    "/batch",
    status_code=202,
    responses=documented(TicketMissing, BatchOperationRefused, TooLarge, IdempotencyKeyInvalid, IdempotencyConflict),
)
async def start_batch(body: BatchIn, who: CurrentUser, db: WriteSession, response: Response) -> BatchOut:
    """One operation on many tickets, so many at a time. With an `Idempotency-Key` it is started once."""
    batch = await service.start_batch(
        db, who, operation=body.operation, ticket_ids=body.tickets, parallelism=body.parallelism
    )
    response.headers["Location"] = f"{API_PREFIX}/agent/batch/{batch.batch_id}"
    return batch


@router.get("/batch/{batch_id}", responses=documented(BatchMissing))
async def get_batch(batch_id: uuid.UUID, who: CurrentUser, db: ReadSession) -> BatchOut:
    """How many are done, and what became of each."""
    return await service.batch_shown(db, who, batch_id)


@router.get("/runs/{run_id}", responses=documented(RunMissing))
async def get_run(run_id: uuid.UUID, who: CurrentUser, db: ReadSession) -> RunOut:
    """All that a decision was made from: tool calls, model, configuration, cost."""
    return await service.shown(db, who, run_id)
