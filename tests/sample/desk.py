"""A desk that keeps to the public contract in what the sample needs of it, and can be made to fail in each way."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, UploadFile, WebSocket
from fastapi.responses import JSONResponse

from app.embedded.services import Addresses

RESULT: dict[str, Any] = {
    "ticket_id": 12,
    "title": "Invoices cannot be exported",
    "category": "incident",
    "priority": "high",
    "team": "operations",
    "confidence": 0.8,
    "next_actions": ["Look at the render queue"],
    "evidence": [
        {"source": "text", "file_id": None, "filename": None, "quote": "cannot export", "confidence": None},
        {"source": "ocr", "filename": "screenshot.png", "quote": "Error code:\n EXP-5031", "confidence": 0.99},
    ],
}


@dataclass
class Desk:
    """`jobs` says how each file's job ends; `socket`: "tells", "silent" or "closed"."""

    users: dict[str, str] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    jobs: str = "completed"
    socket: str = "tells"
    run: str = "at once"
    result: dict[str, Any] = field(default_factory=lambda: dict(RESULT))
    polls: int = 0

    def app(self) -> FastAPI:
        app = FastAPI()
        app.post("/api/v1/auth/login")(self.log_in)
        app.post("/api/v1/auth/register", status_code=201)(self.register)
        app.post("/api/v1/files/upload", status_code=201)(self.upload)
        app.get("/api/v1/files/{file_id}")(self.file)
        app.get("/api/v1/files/{file_id}/status")(self.file)
        app.post("/api/v1/agent/create-ticket")(self.create_ticket)
        app.get("/api/v1/agent/runs/{run_id}")(self.show_run)
        app.get("/api/v1/tickets/{ticket_id}")(self.ticket)
        app.websocket("/ws")(self.follow)
        return app

    async def log_in(self, request: Request) -> JSONResponse:
        body = await request.json()
        if self.users.get(body["username"]) != body["password"]:
            return JSONResponse({"detail": "Wrong name or password."}, 401)
        return JSONResponse({"access_token": "a-token", "token_type": "bearer"})

    async def register(self, request: Request) -> JSONResponse:
        body = await request.json()
        if body["username"] in self.users:
            return JSONResponse({"detail": "Taken."}, 409)
        self.users[body["username"]] = body["password"]
        return JSONResponse({"id": 1}, 201)

    async def upload(self, file: UploadFile, request: Request) -> JSONResponse:
        if request.headers["Authorization"] != "Bearer a-token":
            return JSONResponse({"detail": "Who are you?"}, 401)
        entry = {
            "id": str(uuid.uuid4()),
            "job_id": str(uuid.uuid4()),
            "filename": file.filename,
            "file_size": len(await file.read()),
            "processing_status": self.jobs,
            "error": None if self.jobs == "completed" else "unreadable",
        }
        self.files[str(entry["id"])] = entry
        return JSONResponse(entry, 201)

    async def file(self, file_id: str) -> JSONResponse:
        return JSONResponse(self.files[file_id])

    async def create_ticket(self, request: Request) -> JSONResponse:
        if self.run == "broken":
            return JSONResponse({"detail": "No model."}, 503)
        if self.run == "at once":
            return JSONResponse(self.result | {"run_id": "r1"}, 201)
        return JSONResponse({"run_id": "r1", "status": "queued"}, 202, {"Location": "/api/v1/agent/runs/r1"})

    async def show_run(self, run_id: str) -> JSONResponse:
        self.polls += 1
        if self.polls == 1:
            return JSONResponse({"run_id": run_id, "status": "running", "result": None})
        if self.run == "fails":
            return JSONResponse({"run_id": run_id, "status": "failed", "error": "the model does not answer"})
        return JSONResponse({"run_id": run_id, "status": "completed", "result": self.result})

    async def ticket(self, ticket_id: int) -> JSONResponse:
        return JSONResponse({"id": ticket_id, "description": "In full.", "team": "operations"})

    async def follow(self, socket: WebSocket) -> None:
        await socket.accept()
        assert json.loads(await socket.receive_text())["data"]["token"] == "a-token"
        for entry in list(self.files.values()):
            message = json.loads(await socket.receive_text())
            job = {"job_id": message["data"]["job_id"]}
            await socket.send_json({"type": "subscription_response", "data": job | {"subscribed": True}})
            if self.socket == "tells":
                progress = {"stage": "ocr", "progress": 0.5, "message": "half"}
                await socket.send_json({"type": "file_processing_progress", "data": job | progress})
                await socket.send_json({"type": "file_processing_progress", "data": {"job_id": "another"} | progress})
                last = "ocr_completed" if self.jobs == "completed" else "file_processing_failed"
                await socket.send_json({"type": last, "data": job | {"error": entry["error"]}})
        if self.socket == "closed":
            await socket.close()
        else:
            await socket.receive()


@asynccontextmanager
async def served(desk: Desk) -> AsyncIterator[Addresses]:
    """The desk on a port of its own."""
    config = uvicorn.Config(desk.app(), port=0, log_config=None, lifespan="off", ws="websockets-sansio")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn offers no event
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    base = f"127.0.0.1:{port}"
    try:
        yield Addresses(f"http://{base}", f"ws://{base}/ws", "http://127.0.0.1:8001/mcp")
    finally:
        server.should_exit = True
        await serving
