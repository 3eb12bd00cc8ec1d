"""Judgements about a text that need no person's data: what kind of problem, how pressing, which facts."""

import asyncio
from typing import Annotated, Any

from fastmcp import FastMCP
from pydantic import BaseModel, Field

from app.core.schemas import Line, Slug
from app.inference.local.extraction import Finding, extract
from app.inference.local.priority import score_priority
from app.models.ticket import Priority
from app.tickets import service as tickets
from app.tickets.schemas import CategorizeOut
from mcp_server.desk import Desk
from mcp_server.tools.shapes import READS, Report


class PriorityTerm(BaseModel):
    name: str
    points: float
    evidence: str


class PriorityOut(BaseModel):
    priority: Priority
    score: float = Field(description="0 to 100; 25, 50 and 75 divide the four priorities.")
    terms: list[PriorityTerm]


class Entities(BaseModel):
    """Facts as they stand in the text."""

    error_codes: list[str]
    urls: list[str]
    versions: list[str]
    emails: list[str]
    steps: list[str]
    stack_frames: list[str]
    expected: str | None
    actual: str | None


def build(_desk: Desk) -> FastMCP[Any]:
    server: FastMCP[Any] = FastMCP("ml", mask_error_details=True)

    @server.tool(annotations=READS)
    async def categorize_issue(text: Report, title: Line | None = None) -> CategorizeOut:
        """Say what kind of problem a report is, how pressing, and for which team, with a calibrated confidence."""
        return await tickets.categorize(description=text, title=title)

    @server.tool(annotations=READS)
    async def calculate_priority(
        text: Report, category: Annotated[Slug | None, Field(description="As categorize_issue gave it.")] = None
    ) -> PriorityOut:
        """Score how pressing a report is by a written formula, and say which words counted for how much."""
        found = await asyncio.to_thread(score_priority, text, category)
        return PriorityOut(
            priority=Priority(found.priority),
            score=found.score,
            terms=[PriorityTerm(name=term.name, points=term.weight, evidence=term.evidence) for term in found.terms],
        )

    @server.tool(annotations=READS)
    async def extract_entities(text: Report) -> Entities:
        """Take error codes, addresses, versions, steps and stack frames out of a text, word for word."""
        found = await asyncio.to_thread(extract, text)
        return Entities(
            error_codes=_values(found.error_codes),
            urls=_values(found.urls),
            versions=_values(found.versions),
            emails=_values(found.emails),
            steps=_values(found.steps),
            stack_frames=_values(found.stack_frames),
            expected=None if found.expected is None else found.expected.value,
            actual=None if found.actual is None else found.actual.value,
        )

    return server


def _values(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.value for finding in findings]
