"""What the desk knows: from documents, and from how earlier problems ended. As the person may see it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import UUID

from fastmcp import FastMCP
from pydantic import BaseModel, Field

from app.hosted.reranking import reranker_for
from app.inference.embedding import likeness
from app.knowledge import service as knowledge
from app.knowledge.schemas import CaseEvidence, Evidence
from mcp_server.context import Call, reading
from mcp_server.desk import Desk
from mcp_server.parts import part
from mcp_server.tools.shapes import READS, Limit, Query, Report

LIKE_ENOUGH = 0.55
"""Cosine of the two texts' vectors. Below it a former solution is more often beside the point than not."""
SAID_ENOUGH = 0.35
"""The same of a passage, which is longer than a question and says more than its answer."""
CANDIDATES = 10
QUERY_CHARS = 500
QUOTE_CHARS = 2_000

Found = Annotated[Evidence | CaseEvidence, Field(discriminator="source")]


class Solution(BaseModel):
    """From a solved ticket, or from a passage of a document."""

    ticket_id: int | None = None
    doc_id: UUID | None = None
    version: int | None = None
    chunk_id: UUID | None = None
    title: str
    quote: str = Field(description="What was said when it was solved, or what the document says, word for word.")
    likeness: float = Field(ge=0, le=1)


class Recommendation(BaseModel):
    recommended: bool = Field(description="False: nothing fits; do not make a solution up.")
    solutions: list[Solution]
    confidence: float = Field(ge=0, le=1)
    reason: str


def build(desk: Desk) -> FastMCP[Any]:
    server: FastMCP[Any] = part("knowledge")

    @server.tool(annotations=READS)
    async def search_knowledge_base(
        query: Annotated[
            Query, Field(description="What identifies the problem: error codes, product names, symptoms.")
        ],
        limit: Limit = 5,
    ) -> list[Found]:
        """Find passages of documents, and how earlier problems like this one ended, by words and by meaning."""
        async with _searching(desk) as call:
            reranker = reranker_for(call.resources, call.who)
            passages = await knowledge.search(call.db, call.who, query=query, limit=limit, reranker=reranker)
            cases = await knowledge.resolved_cases(call.db, call.who, query=query, limit=limit)
        return _in_turn([one for one in passages if _to_the_point(one)], cases)[:limit]

    @server.tool(annotations=READS)
    async def recommend_solution(
        text: Annotated[Report, Field(description="The problem, in the customer's words.")],
    ) -> Recommendation:
        """Say how this problem was solved before, or what a document says of it, word for word and with its source,
        or that nothing fits."""
        query = text[:QUERY_CHARS]
        async with _searching(desk) as call:
            cases = await knowledge.resolved_cases(call.db, call.who, query=query, limit=CANDIDATES)
            reranker = reranker_for(call.resources, call.who)
            passages = await knowledge.search(call.db, call.who, query=query, limit=CANDIDATES, reranker=reranker)
        near = await asyncio.to_thread(likeness, text, [f"{one.title}\n{one.text}" for one in cases])
        return recommended(cases, near, passages)

    return server


@asynccontextmanager
async def _searching(desk: Desk) -> AsyncIterator[Call]:
    """As `reading`; how the searches went is kept for administrators, as it is of searches by HTTP."""
    with knowledge.watching() as seen:
        async with reading(desk) as call:
            yield call
    await knowledge.keep_searches(call.resources, call.who, seen)


def recommended(
    cases: Sequence[CaseEvidence], near: Sequence[float], passages: Sequence[Evidence] = ()
) -> Recommendation:
    """The solutions of the problems that are like enough and the passages that say enough, the most alike first. What
    solved the same problem comes before what a document says of it."""
    solved = [
        Solution(ticket_id=one.ticket_id, title=one.title, quote=one.resolution[:QUOTE_CHARS], likeness=_share(likely))
        for one, likely in zip(cases, near, strict=True)
        if one.resolution and likely >= LIKE_ENOUGH
    ]
    told = [
        Solution(
            doc_id=one.doc_id,
            version=one.version,
            chunk_id=one.chunk_id,
            title=one.title,
            quote=one.text[:QUOTE_CHARS],
            likeness=_share(one.scores.vector),
        )
        for one in passages
        if one.scores.vector >= LIKE_ENOUGH
    ]
    found = [*_most_alike_first(solved), *_most_alike_first(told)]
    if not found:
        return Recommendation(
            recommended=False, solutions=[], confidence=0.0, reason="No solved problem and no document is like it."
        )
    best = found[0]
    reason = f"Like “{best.title}”, which was solved." if best.doc_id is None else f"“{best.title}” speaks of it."
    return Recommendation(recommended=True, solutions=found, confidence=best.likeness, reason=reason)


def _most_alike_first(solutions: list[Solution]) -> list[Solution]:
    return sorted(solutions, key=lambda solution: -solution.likeness)


def _share(cosine: float) -> float:
    return round(max(0.0, min(1.0, cosine)), 4)


def _to_the_point(one: Evidence) -> bool:
    """A passage's score compares it with the query's best, which may be beside the point itself."""
    return one.scores.vector >= SAID_ENOUGH or one.scores.lexical >= SAID_ENOUGH


def _in_turn(passages: Sequence[Evidence], cases: Sequence[CaseEvidence]) -> list[Evidence | CaseEvidence]:
    """The best of each, then the second of each: their scores are of different kinds."""
    both: list[Evidence | CaseEvidence] = []
    for place in range(max(len(passages), len(cases))):
        both += [*passages[place : place + 1], *cases[place : place + 1]]
    return both
