"""What the desk knows from earlier problems."""

from typing import Annotated, Any

from fastmcp import FastMCP
from pydantic import Field

from app.knowledge import service as knowledge
from app.knowledge.schemas import Evidence
from mcp_server.context import reading
from mcp_server.desk import Desk
from mcp_server.tools.shapes import READS, Limit, Query


def build(desk: Desk) -> FastMCP[Any]:
    server: FastMCP[Any] = FastMCP("knowledge", mask_error_details=True)

    @server.tool(annotations=READS)
    async def search_knowledge_base(
        query: Annotated[
            Query, Field(description="What identifies the problem: error codes, product names, symptoms.")
        ],
        limit: Limit = 5,
    ) -> list[Evidence]:
        """Find how earlier problems like this one ended. Searches resolved tickets by words and by meaning."""
        async with reading(desk) as call:
            return await knowledge.search(call.db, call.who, query=query, limit=limit)

    return server
