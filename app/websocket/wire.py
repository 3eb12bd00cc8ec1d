"""How uvicorn is to speak WebSocket: frame size, pings, and an end for peers that stopped reading.

Uvicorn's own protocol waits for room in a full send buffer before it closes, and then for the buffer to drain: a peer
that does not read keeps its socket for ever. Here a close is queued behind what is buffered, and after
`CLOSE_SECONDS` the transport is aborted.
"""

from typing import TYPE_CHECKING, Any, TypedDict

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from app.core.settings import WebSocketSettings

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent


CLOSE_SECONDS = 3.0
"""For the peer's side of a close; below what uvicorn is given to stop."""


class SocketProtocol(WebSocketsSansIOProtocol):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.close_timeout = CLOSE_SECONDS

    async def send(self, message: "ASGISendEvent") -> None:
        if message["type"] == "websocket.close":
            self.writable.set()
        await super().send(message)
        if self.close_sent:
            self._abort_later()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._abort_later()

    def handle_parser_exception(self) -> None:
        super().handle_parser_exception()
        self._abort_later()

    def shutdown(self) -> None:
        super().shutdown()
        self._abort_later()

    def _abort_later(self) -> None:
        self.loop.call_later(self.close_timeout, self.transport.abort)


class UvicornOptions(TypedDict):
    ws: type[SocketProtocol]
    ws_max_size: int
    ws_ping_interval: float
    ws_ping_timeout: float
    ws_per_message_deflate: bool


def uvicorn_options(settings: WebSocketSettings) -> UvicornOptions:
    """For `uvicorn.run(**…)`. Without compression: it would cost every reader of a message its own pass over it."""
    return UvicornOptions(
        ws=SocketProtocol,
        ws_max_size=settings.max_frame_bytes,
        ws_ping_interval=settings.ping_seconds,
        ws_ping_timeout=settings.ping_seconds,
        ws_per_message_deflate=False,
    )
