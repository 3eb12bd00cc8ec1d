"""An endless answer that ends when its reader leaves, and not only when there is something more to send."""

import asyncio
from collections.abc import AsyncGenerator

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

EVENT_SCHEMA = {
    "type": "object",
    "description": "Each event. `data` is JSON.",
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]+$"},
        "event": {"enum": ["message", "status", "message_flagged"]},
        "data": {"type": "string"},
        "retry": {"type": ["integer", "string"]},
    },
}


class EventStream(StreamingResponse):
    media_type = "text/event-stream"

    def __init__(self, frames: AsyncGenerator[str, None]) -> None:
        # Not to be kept by caches, nor held back by a proxy until there is more of it.
        super().__init__(frames, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._frames = frames

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        streaming = asyncio.create_task(self.stream_response(send))
        leaving = asyncio.create_task(self.listen_for_disconnect(receive))
        try:
            await asyncio.wait((streaming, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            streaming.cancel()
            leaving.cancel()
            ended, _ = await asyncio.gather(streaming, leaving, return_exceptions=True)
            await self._frames.aclose()
        if isinstance(ended, Exception) and not isinstance(ended, OSError):
            raise ended
