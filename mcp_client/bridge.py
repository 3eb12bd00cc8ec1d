"""A tool server passed on through standard input and output, for clients that start their servers themselves."""

import httpx2
from fastmcp.client.transports import StreamableHttpTransport
from fastmcp.server import create_proxy

_UNAUTHORIZED = 401


class Unreachable(Exception):
    """The tool server is away, or refuses the key."""


async def serve_stdio(url: str, token: str) -> None:
    """Until standard input ends. Raises Unreachable before anything is served."""
    transport = StreamableHttpTransport(url, auth=token)
    await _try(url, token)
    proxy = create_proxy(transport, name="evidesk", provider_error_strategy="raise")
    await proxy.run_stdio_async(show_banner=False)


async def _try(url: str, token: str) -> None:
    """One request, so that a wrong key or address is told in a sentence and not by every call."""
    listing = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
    try:
        async with httpx2.AsyncClient(timeout=10.0) as http:
            answer = await http.post(url, json=listing, headers=headers)
    except httpx2.HTTPError as error:
        raise Unreachable("The tool server cannot be reached. Set EVIDESK_MCP_URL to its address.") from error
    if answer.status_code == _UNAUTHORIZED:
        raise Unreachable("The tool server refuses the key (EVIDESK_TOOLS__API_KEY): unknown, expired or revoked.")
    if answer.is_error:
        raise Unreachable(f"HTTP {answer.status_code} is the answer. Is EVIDESK_MCP_URL a tool server's?")
