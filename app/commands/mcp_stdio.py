"""The tools for a client that speaks through a pipe, such as Claude Desktop: with a person's key, nothing else.

It needs neither database nor Redis, only the address of a tool server: the same door, the same checks.
"""

import asyncio
import sys

from app.core.settings import get_settings
from app.core.telemetry import configure_logging
from mcp_client.bridge import Unreachable, serve_stdio


def main() -> None:
    settings = get_settings()
    # Standard output is the protocol's own; logs go to standard error.
    configure_logging("mcp-stdio", settings.telemetry)
    if settings.tools.api_key is None:
        raise SystemExit("Set EVIDESK_TOOLS__API_KEY to an API key with the scope tools:read or tools:use.")
    try:
        asyncio.run(serve_stdio(settings.mcp_endpoint, settings.tools.api_key.get_secret_value()))
    except Unreachable as error:
        raise SystemExit(f"{settings.mcp_endpoint}: {error}") from None
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
