"""The socket itself, beneath uvicorn: opened through the application, then spoken on directly.

A request to upgrade goes through the application like any other, so middleware and routes decide about it. Once the
route has taken the socket, no task, no queue and no HTTP object is kept for it: ten thousand of them wait in a few
kilobytes each, and a message to all is written in one pass. A peer that does not answer a close is cut off after
`CLOSE_SECONDS`.
"""

import asyncio
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, cast
from urllib.parse import unquote

from uvicorn.config import Config
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl
from uvicorn.server import ServerState
from websockets.http11 import Request
from websockets.server import ServerProtocol

from app.core.settings import WebSocketSettings
from app.core.telemetry import get_logger
from app.websocket import frames

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveEvent, ASGISendEvent, WebSocketScope

log = get_logger(__name__)

EXTENSION = "evidesk.socket"
"""Under this name the scope's `extensions` hold the SocketProtocol, for the route to take."""

CLOSE_SECONDS = 3.0
"""For the peer's side of a close; below what uvicorn is given to stop."""

_QUIET = logging.getLogger("app.websocket.handshake")
# It would tell of every address, and there may be a token in it.
_QUIET.disabled = True


class Listener(Protocol):
    """Who has taken a socket. Each is called on the event loop and must not wait."""

    def heard(self, text: str | None) -> None:
        """A message; None for a binary one."""

    def writable(self) -> None:
        """There is room again for what `SocketProtocol.paused` held back."""

    def gone(self) -> None:
        """The peer has left, or broke the protocol: nothing more can be sent."""

    def restarting(self) -> None:
        """The server stops."""


class _Opening:
    """The handshake, which is forgotten when it is over."""

    def __init__(self, config: Config, state: ServerState, app_state: dict[str, Any]) -> None:
        self.config = config
        self.tasks = state.tasks
        self.app_state = app_state
        self.conn = ServerProtocol(logger=_QUIET)
        self.events: asyncio.Queue[ASGIReceiveEvent] = asyncio.Queue()
        self.answered = False
        self.response: Any = None


class SocketProtocol(asyncio.Protocol):
    __slots__ = (
        "_closing",
        "_connections",
        "_incoming",
        "_listener",
        "_opening",
        "_transport",
        "alive",
        "busy",
        "paused",
    )

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any]) -> None:
        self._connections = server_state.connections
        self._opening: _Opening | None = _Opening(config, server_state, app_state)
        self._incoming = frames.Incoming(config.ws_max_size)
        self._listener: Listener | None = None
        self._transport: asyncio.Transport = None  # type: ignore[assignment] # until connection_made
        self._closing = False
        self.alive = True
        """Whether the peer has sent anything since this was last set to False."""
        self.busy = False
        """Set by the listener while it works on a message: nothing more is read meanwhile."""
        self.paused = False
        """The peer does not read as fast as it is written to."""

    # --- for the listener -----------------------------------------------------------------------------------------

    def take(self, listener: Listener) -> None:
        self._listener = listener
        self._opening = None
        self._transport.resume_reading()

    def write(self, frame: bytes) -> None:
        self._transport.write(frame)

    def ping(self) -> None:
        if not self.paused:
            self._transport.write(frames.PING_FRAME)

    def go_on(self) -> None:
        """The listener is no longer busy."""
        self.busy = False
        self._hear()
        if not self.busy and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self, code: int, reason: str) -> None:
        """Behind what was written; the transport ends when the peer answers, or in a few seconds."""
        if self._closing or self._transport.is_closing():
            return
        self._closing = True
        self.busy = False
        self._transport.write(frames.close_frame(code, reason))
        self._transport.resume_reading()
        asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._transport.abort)

    # --- for the transport ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)  # type: ignore[arg-type] # uvicorn names its own protocols there

    def data_received(self, data: bytes) -> None:
        self.alive = True
        if self._opening is not None:
            self._shake_hands(self._opening, data)
            return
        self._incoming.feed(data)
        self._hear()
        if self.busy:
            self._transport.pause_reading()

    def eof_received(self) -> None:
        return None

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        if self._listener is not None:
            self._listener.writable()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._part()
        if self._opening is not None:
            self._opening.events.put_nowait({"type": "websocket.disconnect", "code": 1006, "reason": ""})

    def shutdown(self) -> None:
        """uvicorn's: the server stops."""
        if self._listener is not None:
            self._listener.restarting()
        elif not self._closing:
            self._transport.close()

    # --- what comes -----------------------------------------------------------------------------------------------

    def _hear(self) -> None:
        try:
            while not self.busy and (event := self._incoming.take()) is not None:
                self._react(*event)
        except frames.Violation as violation:
            if self._closing:
                self._transport.abort()
                return
            # What follows is only looked at for the peer's own close.
            self._incoming = frames.Incoming(self._incoming.max_bytes)
            self.close(violation.code, violation.reason)
            self._part()

    def _react(self, opcode: int, payload: bytes) -> None:
        if opcode == frames.CLOSE:
            self._answer_close(frames.close_code(payload))
        elif self._closing or self._listener is None:
            return
        elif opcode == frames.TEXT:
            self._listener.heard(frames.decoded(payload))
        elif opcode == frames.BINARY:
            self._listener.heard(None)
        elif opcode == frames.PING and not self.paused:
            self._transport.write(frames.pong_frame(payload))

    def _answer_close(self, code: int) -> None:
        if not self._closing:
            self._closing = True
            self._transport.write(frames.close_frame(1000 if code == frames.NO_CODE else code, ""))
        self._part()
        self._transport.close()
        # What the peer does not read must not keep the transport.
        asyncio.get_running_loop().call_later(CLOSE_SECONDS, self._transport.abort)

    def _part(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.gone()

    # --- the handshake --------------------------------------------------------------------------------------------

    def _shake_hands(self, opening: _Opening, data: bytes) -> None:
        if opening.response is not None:
            # It speaks before it was answered; no honest client does.
            self._transport.abort()
            return
        opening.conn.receive_data(data)
        for event in opening.conn.events_received():
            if isinstance(event, Request):
                opening.response = opening.conn.accept(event)
                if opening.response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
                    self._transport.pause_reading()
                    task = asyncio.get_running_loop().create_task(self._run(opening, self._scope(opening, event)))
                    opening.tasks.add(task)
                    task.add_done_callback(opening.tasks.discard)
                    return
                self._respond(opening, opening.response)
                self._transport.close()
        if opening.conn.parser_exc is not None:
            self._transport.abort()

    def _scope(self, opening: _Opening, request: Request) -> "WebSocketScope":
        path, _, query = request.path.partition("?")
        root = opening.config.root_path
        return {
            "type": "websocket",
            "asgi": {"version": opening.config.asgi_version, "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "wss" if is_ssl(self._transport) else "ws",
            "server": get_local_addr(self._transport),
            "client": get_remote_addr(self._transport),
            "root_path": root,
            "path": root + unquote(path),
            "raw_path": (root + path).encode("ascii"),
            "query_string": query.encode("ascii"),
            "headers": [
                (name.lower().encode("ascii"), value.encode("ascii", errors="surrogateescape"))
                for name, value in request.headers.raw_items()
            ],
            "subprotocols": [],
            "state": opening.app_state.copy(),
            "extensions": {EXTENSION: cast("dict[object, object]", self)},
        }

    async def _run(self, opening: _Opening, scope: "WebSocketScope") -> None:
        opening.events.put_nowait({"type": "websocket.connect"})

        async def send(message: "ASGISendEvent") -> None:
            if opening.answered:
                return
            opening.answered = True
            if message["type"] == "websocket.accept":
                self._respond(opening, opening.response)
            else:
                self._respond(opening, opening.conn.reject(HTTPStatus.FORBIDDEN, ""))

        try:
            await opening.config.loaded_app(scope, opening.events.get, send)
        except Exception as error:
            # The edge of the process, as for a request.
            log.exception("unhandled", error=type(error).__name__)
            if not opening.answered:
                self._respond(opening, opening.conn.reject(HTTPStatus.INTERNAL_SERVER_ERROR, ""))
        if self._opening is opening:
            self._transport.close()

    def _respond(self, opening: _Opening, response: Any) -> None:
        opening.conn.send_response(response)
        self._transport.write(b"".join(opening.conn.data_to_send()))


class UvicornOptions(TypedDict):
    ws: type[SocketProtocol]
    ws_max_size: int


def uvicorn_options(settings: WebSocketSettings) -> UvicornOptions:
    """For `uvicorn.run(**…)`. Without compression: it would cost every reader of a message its own pass over it."""
    return UvicornOptions(ws=SocketProtocol, ws_max_size=settings.max_frame_bytes)
