"""The bare limit: Starlette and asyncpg, one insert or one select for a request, and nothing else.

`uvicorn bench.bare:app` with BENCH_DATABASE_URL set; it makes a table of its own.
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

COLUMNS = "id, title, description, status, priority, category, created_at"


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["BENCH_DATABASE_URL"], min_size=16, max_size=16) as pool:
        await pool.execute(
            """CREATE TABLE IF NOT EXISTS bare_tickets (
                   id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text NOT NULL, description text NOT NULL,
                   status text NOT NULL DEFAULT 'open', priority text NOT NULL DEFAULT 'medium', category text NOT NULL,
                   created_at timestamptz NOT NULL DEFAULT now())"""
        )
        app.state.pool = pool
        yield


def _out(row: asyncpg.Record) -> dict[str, Any]:
    return {**row, "created_at": row["created_at"].isoformat()}


async def create(request: Request) -> JSONResponse:
    body = await request.json()
    row = await request.app.state.pool.fetchrow(
        f"INSERT INTO bare_tickets (title, description, category) VALUES ($1, $2, $3) RETURNING {COLUMNS}",  # noqa: S608
        body["title"],
        body["description"],
        body["category"],
    )
    return JSONResponse(_out(row), 201)


async def listing(request: Request) -> JSONResponse:
    limit = int(request.query_params["limit"])
    rows = await request.app.state.pool.fetch(
        f"SELECT {COLUMNS} FROM bare_tickets ORDER BY id DESC LIMIT $1",  # noqa: S608
        limit,
    )
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
