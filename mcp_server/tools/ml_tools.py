"""Judgements about a text what kind of problem, how pressing, which facts."""

import asyncio
from typing import Annotated, Any

from fastmcp import FastMCP
from pydantic import BaseModel, Field

from app.ai_config.priorities import WEIGHTS
from app.core.schemas import Line, Slug
from app.directory import service as directory
from app.inference.local.enrichment import enrich
from app.inference.local.extraction import Finding, extract
from app.inference.local.priority import score_priority
from app.models.ticket import Priority
from app.tickets import service as tickets
from app.tickets.schemas import CategorizeOut
from mcp_server.context import reading
from mcp_server.desk import Desk
from mcp_server.parts import part
from mcp_server.tools.customer_tools import known_facts
from mcp_server.tools.shapes import READS, Report, TicketId


class PriorityTerm(BaseModel):
    name: str
    points: float
    evidence: str


class PriorityOut(BaseModel):
    priority: Priority
    score: float = Field(description="0 to 100; as delivered 25, 50 and 75 divide the four priorities.")
    weights_version: int = Field(description="Of the weights that counted; 0: as delivered.")
    terms: list[PriorityTerm]


class Entities(BaseModel):
    """Facts as they stand in the text, and what the text is like."""

    error_codes: list[str]
    urls: list[str]
    versions: list[str]
    emails: list[str]
    phones: list[str]
    money: list[str]
    accounts: list[str] = Field(description="Numbers of accounts, customers, contracts, invoices, orders.")
    services: list[str] = Field(description="Services known to the desk that the text names.")
    steps: list[str]
    stack_frames: list[str]
    expected: str | None
    actual: str | None
    language: str | None = Field(description="ISO 639-1; null: not sure.")
    sentiment: str | None = Field(description="negative, neutral or positive; null: no word tells.")
    sentiment_score: float | None = Field(description="-1 to 1.")
    keywords: list[str]


def build(desk: Desk) -> FastMCP[Any]:
    server: FastMCP[Any] = part("ml")

    @server.tool(annotations=READS)
    async def categorize_issue(text: Report, title: Line | None = None) -> CategorizeOut:
        """Say what kind of problem a report is, how pressing, and for which team, with a calibrated confidence."""
        async with reading(desk) as call:
            return await tickets.categorize(call.db, description=text, title=title)

    @server.tool(annotations=READS)
    async def calculate_priority(
        text: Report,
        category: Annotated[Slug | None, Field(description="As categorize_issue gave it.")] = None,
        ticket_id: Annotated[
            TicketId | None, Field(description="Counts also what the desk knows of its customer and services.")
        ] = None,
    ) -> PriorityOut:
        """Score how pressing a report is by a written formula, and say which words and facts counted for how much."""
        async with reading(desk) as call:
            facts = await known_facts(call, text, ticket_id)
            version, weights = await WEIGHTS.in_force(call.db)
        found = await asyncio.to_thread(score_priority, text, category, facts=facts, weights=weights)
        return PriorityOut(
            priority=Priority(found.priority),
            score=found.score,
            weights_version=version,
            terms=[PriorityTerm(name=term.name, points=term.weight, evidence=term.evidence) for term in found.terms],
        )

    @server.tool(annotations=READS)
    async def extract_entities(text: Report) -> Entities:
        """Take error codes, addresses, numbers, amounts, versions, steps and stack frames out of a text, word for
        word, and say its language, mood and key words."""
        found = await asyncio.to_thread(extract, text)
        like = await asyncio.to_thread(enrich, text)
        async with reading(desk) as call:
            services = await directory.services(call.resources, call.db)
        return Entities(
            error_codes=_values(found.error_codes),
            urls=_values(found.urls),
            versions=_values(found.versions),
            emails=_values(found.emails),
            phones=_values(found.phones),
            money=_values(found.money),
            accounts=_values(found.accounts),
            services=[service.name for service in directory.named_in(text, services or [])],
            steps=_values(found.steps),
            stack_frames=_values(found.stack_frames),
            expected=None if found.expected is None else found.expected.value,
            actual=None if found.actual is None else found.actual.value,
            language=like.language,
            sentiment=like.mood,
            sentiment_score=like.mood_score,
            keywords=list(like.keywords),
        )

    return server


def _values(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.value for finding in findings]
