"""Models that the installation runs at AWS. Where one is not set up, its tool says what is missing."""

from typing import Annotated, Any

from fastmcp import FastMCP
from pydantic import BaseModel, Field

from app.core.schemas import Slug, Text
from app.hosted import service as hosted
from app.inference.endpoints import Classification, ResolutionTime
from app.models.ticket import Priority
from mcp_server.auth import caller
from mcp_server.context import readable_errors
from mcp_server.desk import Desk
from mcp_server.parts import part
from mcp_server.tools.shapes import ASKS_ELSEWHERE, Report

Question = Annotated[Text, Field(min_length=1, max_length=4_000)]
Passage = Annotated[Text, Field(min_length=1, max_length=20_000)]


class BedrockAnswer(BaseModel):
    answer: str
    model: str


class BedrockEmbedding(BaseModel):
    vector: list[float]
    dimensions: int


def build(desk: Desk) -> FastMCP[Any]:
    server: FastMCP[Any] = part("hosted")

    @server.tool(annotations=ASKS_ELSEWHERE)
    async def sagemaker_classify_ticket(text: Report) -> Classification:
        """Ask the installation's own classifier at SageMaker what kind of ticket a text is. categorize_issue needs
        none and is the one to ask first."""
        with readable_errors():
            return await hosted.classify(desk.resources, caller(), text=text)

    @server.tool(annotations=ASKS_ELSEWHERE)
    async def sagemaker_predict_resolution_time(
        text: Report,
        category: Annotated[Slug | None, Field(description="As categorize_issue gave it.")] = None,
        priority: Priority | None = None,
    ) -> ResolutionTime:
        """Ask the installation's own model at SageMaker how many hours a ticket like this takes to be resolved."""
        facts = {"category": category, "priority": priority}
        known = {name: str(value) for name, value in facts.items() if value is not None}
        with readable_errors():
            return await hosted.resolution_time(desk.resources, caller(), text=text, facts=known)

    @server.tool(annotations=ASKS_ELSEWHERE)
    async def bedrock_answer(
        question: Question,
        material: Annotated[
            list[Passage], Field(min_length=1, max_length=20, description="Passages that the answer may rest on.")
        ],
    ) -> BedrockAnswer:
        """Ask the installation's model at Bedrock a question about given passages. Personal data is replaced on the
        way there."""
        with readable_errors():
            found = await hosted.answer(desk.resources, caller(), question=question, material=material)
        return BedrockAnswer(answer=found.text, model=found.model)

    @server.tool(annotations=ASKS_ELSEWHERE)
    async def bedrock_embed(text: Passage) -> BedrockEmbedding:
        """Ask the installation's embedding model at Bedrock for a text's vector."""
        with readable_errors():
            found = await hosted.embed(desk.resources, caller(), text=text)
        return BedrockEmbedding(vector=found.vector, dimensions=len(found.vector))

    return server
