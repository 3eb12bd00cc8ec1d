"""The bare limit: Starlette and asyncpg, one insert or one select for a request, and nothing else.

`uvicorn bench.bare:app` with BENCH_DATABASE_URL set to a database of the product in which user 1 exists.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

# The product's own table and the product's own list: the same rows, indexes, joins and fields in the answer.
INSERT = """
    INSERT INTO tickets (title, description, category, status, priority, tags, requester_id, version)
    VALUES ($1, $2, $3, 'open', 'medium', '{}', $4, 1) RETURNING id, created_at, updated_at
"""
SELECT = """
    SELECT t.id, t.title, t.description, t.status, t.priority, t.category, t.team, t.tags, t.confidence, t.version,
           t.created_at, t.updated_at, t.resolved_at, t.requester_id, r.username AS requester_name,
           t.assignee_id, a.username AS assignee_name
    FROM tickets t JOIN users r ON r.id = t.requester_id LEFT JOIN users a ON a.id = t.assignee_id
    WHERE t.deleted_at IS NULL AND t.requester_id = $1 ORDER BY t.created_at DESC, t.id DESC LIMIT $2
"""
TIMES = ("created_at", "updated_at", "resolved_at")
REQUESTER, NAME = 1, "bench"


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["BENCH_DATABASE_URL"], min_size=8, max_size=16) as pool:
        app.state.pool = pool
        yield


def _person(row: asyncpg.Record, role: str) -> dict[str, Any] | None:
    return {"id": row[f"{role}_id"], "username": row[f"{role}_name"]} if row[f"{role}_id"] else None


def _out(row: asyncpg.Record) -> dict[str, Any]:
    ticket = dict(row)
    for name in TIMES:
        ticket[name] = ticket[name].isoformat() if ticket[name] else None
    return {**ticket, "requester": _person(row, "requester"), "assignee": _person(row, "assignee")}


async def create(request: Request) -> JSONResponse:
    body = await request.json()
    row = await request.app.state.pool.fetchrow(INSERT, body["title"], body["description"], body["category"], REQUESTER)
    answer = {
        **{name: body[name] for name in ("title", "description", "category")},
        "id": row["id"],
        "status": "open",
        "priority": "medium",
        "tags": [],
        "version": 1,
        "created_at": row["created_at"].isoformat(),
        "updated_at": row["updated_at"].isoformat(),
        "team": None,
        "confidence": None,
        "assignee": None,
        "resolved_at": None,
        "requester": {"id": REQUESTER, "username": NAME},
    }
    return JSONResponse(answer, 201)


async def listing(request: Request) -> JSONResponse:
    limit = int(request.query_params["limit"])
    rows = await request.app.state.pool.fetch(SELECT, REQUESTER, limit)
    return JSONResponse([_out(row) for row in rows])


async def upload(request: Request) -> JSONResponse:
    """A raw body, written as it comes."""
    size = 0
    with tempfile.TemporaryFile() as file:
        async for chunk in request.stream():
            await asyncio.to_thread(file.write, chunk)
            size += len(chunk)
        file.flush()
        await asyncio.to_thread(os.fsync, file.fileno())
    return JSONResponse({"size": size}, 201)


app = Starlette(
    routes=[
        Route("/upload", upload, methods=["POST"]),
        Route("/api/v1/tickets", create, methods=["POST"]),
        Route("/api/v1/tickets", listing, methods=["GET"]),
    ],
    lifespan=_lifespan,
)
