"""What the parts of the server have in common: errors that say nothing of the inside, and schemas written out once."""

from collections.abc import Sequence
from typing import Any

import mcp_types
from fastmcp import FastMCP
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools.base import Tool
from fastmcp.utilities.json_schema import dereference_refs


def part(name: str) -> FastMCP[Any]:
    """A sub-server. Its schemas are written out by the server that it is mounted on."""
    return FastMCP(name, mask_error_details=True, dereference_schemas=False)


def call_without_listing(server: FastMCP[Any]) -> None:
    """No tool of ours takes an argument from a header. Unless told so, the protocol's layer lists every tool before
    each call to find out.

    FastMCP passes no such setting on, so it is made where FastMCP keeps that layer. A test counts the lists.
    """
    server._mcp_server.get_tool_input_schema = lambda _tool: None  # noqa: SLF001 - see above


class PlainSchemas(Middleware):
    """Schemas without `$ref`, which some clients do not follow. FastMCP would write them out for every list."""

    def __init__(self) -> None:
        self._plain: dict[str, dict[str, Any]] = {}

    async def on_list_tools(
        self,
        context: MiddlewareContext[mcp_types.ListToolsRequest],
        call_next: CallNext[mcp_types.ListToolsRequest, Sequence[Tool]],
    ) -> Sequence[Tool]:
        return [tool.model_copy(update=self._of(tool)) for tool in await call_next(context)]

    def _of(self, tool: Tool) -> dict[str, Any]:
        known = self._plain.get(tool.name)
        if known is None:
            schemas = {"parameters": tool.parameters, "output_schema": tool.output_schema}
            known = {name: dereference_refs(schema) for name, schema in schemas.items() if schema is not None}
            self._plain[tool.name] = known
        return known
