"""A tool's way into the services: one unit of work, as the person of the token, with errors a model can read."""

import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from fastmcp.exceptions import ToolError
from pydantic_core import to_jsonable_python
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.core.errors import PreconditionFailed, Problem
from app.core.http import database_away
from app.core.resources import Resources
from mcp_server.auth import caller, run_id
from mcp_server.desk import Desk

STALE = (
    "The version you gave is not the newest; 'version' is, and 'current' holds the fields that differ. "
    "If your change still makes sense, call again with that version."
)


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call. `run_id` is the agent run it belongs to, None for a person's own client."""

    db: AsyncSession
    who: Principal
    run_id: str | None
    resources: Resources


@asynccontextmanager
async def reading(desk: Desk) -> AsyncIterator[Call]:
    with readable_errors():
        async with desk.resources.db.reading() as db:
            yield Call(db, caller(), run_id(), desk.resources)


@asynccontextmanager
async def writing(desk: Desk) -> AsyncIterator[Call]:
    """Committed when the tool ends well, before its answer leaves."""
    with readable_errors():
        async with desk.resources.db.unit_of_work() as db:
            yield Call(db, caller(), run_id(), desk.resources)


@contextmanager
def readable_errors() -> Iterator[None]:
    """Our own errors are sentences for their reader, here the model; all others are masked by the server."""
    try:
        yield
    except Problem as problem:
        raise _said(problem) from problem
    except Exception as error:
        problem_of_database = database_away(error)
        if problem_of_database is None:
            raise
        raise _said(problem_of_database) from error


def _said(problem: Problem) -> ToolError:
    detail = STALE if isinstance(problem, PreconditionFailed) else problem.detail
    more = f" {json.dumps(to_jsonable_python(problem.members, fallback=str))}" if problem.members else ""
    # A refusal is the tool's answer, no failure of the server.
    return ToolError(f"{problem.title}. {detail}{more}", log_level=logging.INFO)
