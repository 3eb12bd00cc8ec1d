"""What the desk knows from earlier problems."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

from fastmcp import FastMCP
from pydantic import BaseModel, Field

from app.inference.embedding import likeness
from app.knowledge import service as knowledge
from app.knowledge.schemas import CaseEvidence
from mcp_server.context import reading
from mcp_server.desk import Desk
from mcp_server.tools.shapes import READS, Limit, Query, Report

LIKE_ENOUGH = 0.55
"""Cosine of the two texts' vectors. Below it a former solution is more often beside the point than not."""
CANDIDATES = 10
QUERY_CHARS = 500
QUOTE_CHARS = 2_000


class Solution(BaseModel):
    ticket_id: int
    title: str
    quote: str = Field(description="What was said when it was solved, word for word.")
    likeness: float = Field(ge=0, le=1)


class Recommendation(BaseModel):
    recommended: bool = Field(description="False: nothing fits; do not make a solution up.")
    solutions: list[Solution]
    confidence: float = Field(ge=0, le=1)
    reason: str


def build(desk: Desk) -> FastMCP[Any]:
    server: FastMCP[Any] = FastMCP("knowledge", mask_error_details=True)

    @server.tool(annotations=READS)
    async def search_knowledge_base(
        query: Annotated[
            Query, Field(description="What identifies the problem: error codes, product names, symptoms.")
        ],
        limit: Limit = 5,
    ) -> list[CaseEvidence]:
        """Find how earlier problems like this one ended. Searches resolved tickets by words and by meaning."""
        async with reading(desk) as call:
            return await knowledge.resolved_cases(call.db, call.who, query=query, limit=limit)

    @server.tool(annotations=READS)
    async def recommend_solution(
        text: Annotated[Report, Field(description="The problem, in the customer's words.")],
    ) -> Recommendation:
        """Say how this problem was solved before, word for word and with its source, or that nothing fits."""
        async with reading(desk) as call:
            found = await knowledge.resolved_cases(call.db, call.who, query=text[:QUERY_CHARS], limit=CANDIDATES)
        near = await asyncio.to_thread(likeness, text, [f"{one.title}\n{one.text}" for one in found])
        return recommended(found, near)

    return server


def recommended(found: Sequence[CaseEvidence], near: Sequence[float]) -> Recommendation:
    """The solutions of the problems that are like enough, the most alike first."""
    solved = sorted(
        (
            Solution(
                ticket_id=one.ticket_id,
                title=one.title,
                quote=one.resolution[:QUOTE_CHARS],
                likeness=round(max(0.0, min(1.0, share)), 4),
            )
            for one, share in zip(found, near, strict=True)
            if one.resolution and share >= LIKE_ENOUGH
        ),
        key=lambda solution: -solution.likeness,
    )
    if not solved:
        return Recommendation(recommended=False, solutions=[], confidence=0.0, reason="No solved problem is like it.")
    return Recommendation(
        recommended=True,
        solutions=solved,
        confidence=solved[0].likeness,
        reason=f"Like “{solved[0].title}”, which was solved.",
    )
