"""`/ws`, and how many are connected."""

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.websockets import WebSocket

from app.websocket.manager import ConnectionManager
from app.websocket.wire import EXTENSION

router = APIRouter(prefix="/websocket", tags=["websocket"])
socket = APIRouter()


class WebSocketHealth(BaseModel):
    status: Literal["ok"] = "ok"
    active_connections: int


@router.get("/health", operation_id="websocket_health")
async def health(request: Request) -> WebSocketHealth:
    """Sockets of the process that answers."""
    manager: ConnectionManager = request.app.state.websockets
    return WebSocketHealth(active_connections=manager.active_connections)


@socket.websocket("/ws")
async def websocket(connection: WebSocket) -> None:
    """The public contract, section 3. The token comes as `?token=…` or as the first message."""
    token = connection.query_params.get("token")
    # Whatever goes wrong from here on may log the address, and a token must not be in a log.
    connection.scope["query_string"] = b""
    await connection.accept()
    manager: ConnectionManager = connection.app.state.websockets
    manager.take(connection.scope["extensions"][EXTENSION], token)
