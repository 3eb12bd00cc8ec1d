"""The HTTP and WebSocket server."""

import uvicorn

from app.core.settings import get_settings
from app.websocket.wire import uvicorn_options

GRACE_SECONDS = 5
"""For requests in flight and open sockets when asked to stop; below the supervisor's patience."""


def main() -> None:
    settings = get_settings()
    uvicorn.run(
        "app.main:create_app",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.http.workers,
        # Ours are JSON lines with the correlation id; uvicorn's own would be a second format.
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        **uvicorn_options(settings.websocket),
    )


if __name__ == "__main__":
    main()
