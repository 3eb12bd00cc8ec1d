"""`python -m mcp_server`: serves the tools on EVIDESK_HOST and EVIDESK_MCP_PORT."""

import uvicorn

from app.core.settings import get_settings
from app.core.telemetry import configure_logging, configure_tracing
from mcp_server.server import build_http_app

GRACE_SECONDS = 5
KEEP_ALIVE_SECONDS = 75
"""Of a silent connection. Longer than agents keep theirs, so that none is closed under a call."""


def main() -> None:
    settings = get_settings()
    configure_logging("mcp", settings.telemetry)
    tracing = configure_tracing("mcp", settings.telemetry)
    uvicorn.run(
        # Told to stop, uvicorn ends the process itself: what comes after it here would never run.
        build_http_app(settings, at_end=tracing.shutdown),
        host=settings.host,
        port=settings.mcp_port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )


if __name__ == "__main__":
    main()
